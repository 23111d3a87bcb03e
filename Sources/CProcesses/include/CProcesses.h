// Starts, measures and ends processes for the packer. The bootloader does not use it, because it starts no
// processes.
//
// Every call that can fail returns its result, or -errno. `Sources/Processes` is the only client.

#ifndef ONEFOLD_CPROCESSES_H
#define ONEFOLD_CPROCESSES_H

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CPosix.h"

// MARK: Start (Start.c)

// The measurements of a process. The process itself writes to them until it executes its program, so they must be
// in memory from cprocess_map_measured.
typedef struct {
  // Nanoseconds of CLOCK_MONOTONIC: just before execve, and when the end was noticed.
  int64_t start, end;
  // -errno if it could not execute its program; else 0.
  int64_t failure;
  // Bytes. The kernel's peak includes the memory before execve, which is the floor.
  int64_t peak_memory, floor_memory;
  // Counted after execve.
  int64_t minor_faults, major_faults;
  // With tracing: the system calls of the process and all its descendants; those up to and including the execve of
  // its second program; and the number of programs.
  int64_t calls, calls_until_program, programs;
} cprocess_measured_t;

// Returns NULL if memory cannot be allocated.
cprocess_measured_t *cprocess_map_measured(void);
static inline void cprocess_unmap_measured(cprocess_measured_t *measured) {
  munmap(measured, sizeof *measured);
}

// Starts `path` (searched on the PATH if it has no slash) in a process group of its own, with no signal held or
// ignored. Its standard input is empty; `out` and `error` are its standard output and error. `directory` may be
// NULL. The kernel kills the process when the calling thread ends. Returns the process id, or -errno.
//
// `measured` may be NULL. Otherwise the process fills it in, and if a program cannot be executed, its `failure`
// says so when the process has ended. `trace`: cprocess_trace counts its system calls; the same thread must call
// that. Fails with -ENOSYS if calls cannot be counted.
long cprocess_start(const char *path, char *const *arguments, char *const *environment,
                    const char *directory, int out, int error, int trace,
                    cprocess_measured_t *measured);
// Creates an unnamed file in memory (memfd_create).
static inline long cprocess_memory_file(const char *name) {
  return cposix_result(syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */));
}
// Creates a pipe: `ends[0]` for reading without blocking, `ends[1]` for writing. Returns 0, or -errno.
long cprocess_pipe(int ends[2]);

// Starts a guard process that kills the process group `group` when `lifeline` is closed, as it is when this
// process is killed. Stores `lifeline`. Returns the guard's process id, or -errno.
long cprocess_start_guard(int group, int *lifeline);
// Ends a guard, which then kills nothing.
void cprocess_end_guard(int process);

// MARK: Wait (Wait.c)

// Returns a descriptor that becomes readable when the process has ended (pidfd_open, Linux 5.3).
static inline long cprocess_descriptor(int process) {
  return cposix_result(syscall(SYS_pidfd_open, process, 0));
}
// Waits until one of the descriptors is readable or the time is over. If `write` is not 0, also until the second
// is writable. Returns 1 for the first, 2 for the second, 3 for both, 0 for none. A descriptor may be -1.
long cprocess_wait_for_any(int first, int second, int write, int64_t microseconds);
// Whether the process has ended: 1 or 0. It and its group keep their numbers until cprocess_reap.
long cprocess_has_ended(int process);
// Sends a signal to the process group `group`.
static inline long cprocess_signal_group(int group, int signal) {
  return cposix_result(kill(-group, signal));
}
// Waits for the end of the process and reaps it. Returns its exit status, or 128 + the signal that ended it.
// Fills in the rest of `measured`, which may be NULL.
long cprocess_reap(int process, cprocess_measured_t *measured);
// Handles events of a traced process and its descendants. Returns -EAGAIN if the process is still running;
// otherwise the same as cprocess_reap. With `wait`, returns only after it has ended.
long cprocess_trace(int process, cprocess_measured_t *measured, int wait);

// MARK: Secrets (Secrets.c)

// Each stores at most `capacity` bytes of a secret and returns their number, -E2BIG if there are more, or -errno. None
// leaves copies in memory.

// Shows `prompt` on the terminal of the process and reads a line from there, which is not shown. Whatever signal ends or
// stops the process, the terminal shows what is typed again. Returns -EINTR after a termination signal that is held,
// -ENXIO without a terminal, and -ENODATA if the terminal was closed.
long cprocess_ask_secret(const char *prompt, void *buffer, size_t capacity);
// Reads a line, up to the line feed or the end, and no byte after it.
long cprocess_read_line(int fd, void *buffer, size_t capacity);
// Copies the value of a variable, and then removes it from the environment and from memory. Returns -ENOENT if there is
// none or if it is empty.
long cprocess_take_variable(const char *name, void *buffer, size_t capacity);

// MARK: System calls for benchmarks (System.c)

// Returns a TCP port of 127.0.0.1 without a listener.
long cprocess_free_port(void);
// Returns a socket that connects to the port of 127.0.0.1; reading and writing do not block.
long cprocess_connect_to_port(int port);
// Returns 0 if a socket that became writable is connected; else -errno.
long cprocess_connection_result(int fd);
// Asks the kernel to drop the file's pages from the page cache, if they are on disk.
static inline long cprocess_forget_pages(int fd) { return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }
// Returns how many of the file's first `size` bytes are in the page cache.
long cprocess_cached_bytes(int fd, size_t size);
static inline void cprocess_sync(void) { sync(); }

#endif
