// How the packer starts, measures and ends programs. No part of the bootloader, which starts none.
//
// Every call that can fail returns its result, or -errno. `Sources/Processes` is the only client.

#ifndef ONEFOLD_CPROCESSES_H
#define ONEFOLD_CPROCESSES_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Start (Start.c)

// What a process was and used. The process itself writes to it until it executes its program, so it must be in memory
// from cprocess_map_measured.
typedef struct {
  // CLOCK_MONOTONIC, in nanoseconds: just before execve; when its end was noticed.
  int64_t start, end;
  // Why it could not execute its program, as -errno; else 0.
  int64_t failure;
  // In bytes. The kernel counts memory that the process had before execve: that is the floor.
  int64_t peak_memory, floor_memory;
  // After execve.
  int64_t minor_faults, major_faults;
  // If it is traced: system calls of it and all that it started; those until it executed a second program, of
  // which the execve is the last; how many programs it executed.
  int64_t calls, calls_until_program, programs;
} cprocess_measured_t;

// NULL if there is no memory.
cprocess_measured_t *cprocess_map_measured(void);
void cprocess_unmap_measured(cprocess_measured_t *measured);

// Starts `path` (searched for on the PATH if it has no slash) in a process group of its own, with no signal held or
// ignored, its standard input empty, and `out` and `error` as its standard output and error. `directory` may be NULL.
// The kernel kills the process when the calling thread ends. Returns the process's number, or -errno.
//
// `measured` may be NULL. Otherwise the process fills it in, and a program that can't be executed is told by its
// `failure`, when the process has ended. `trace`: its system calls are counted, by cprocess_trace, which the same
// thread must call; fails with -ENOSYS if they can't be.
long cprocess_start(const char *path, char *const *arguments, char *const *environment,
                    const char *directory, int out, int error, int trace,
                    cprocess_measured_t *measured);
// An unnamed file in memory (memfd_create).
long cprocess_memory_file(const char *name);

// Starts a guard: a process that kills the process group `group` when `lifeline`, which it stores, is closed, as it is
// when this process is killed. Returns the guard's number, or -errno.
long cprocess_start_guard(int group, int *lifeline);
// Ends a guard, which then kills nothing.
void cprocess_end_guard(int process);

// MARK: Wait (Wait.c)

// A descriptor that is readable when the process has ended (pidfd_open, Linux 5.3).
long cprocess_descriptor(int process);
// Waits until one of the descriptors is readable (the second also: writable, if `write` is not 0) or the time is over.
// Returns 1 for the first, 2 for the second, 3 for both, 0 for none. A descriptor may be -1.
long cprocess_wait_for_any(int first, int second, int write, int64_t microseconds);
// Whether the process has ended: 1 or 0. It keeps its number, and that of its group, until cprocess_reap.
long cprocess_has_ended(int process);
// Sends a signal to the process group `group`.
long cprocess_signal_group(int group, int signal);
// Waits for the end of the process, and forgets it. Returns its exit status, or 128 + the signal that ended it. Fills in
// the rest of `measured`, which may be NULL.
long cprocess_reap(int process, cprocess_measured_t *measured);
// Handles what happened to a traced process and to those that it started. Returns -EAGAIN while it runs; else as
// cprocess_reap. `wait`: returns no sooner than it has ended.
long cprocess_trace(int process, cprocess_measured_t *measured, int wait);

// MARK: What a benchmark asks of the system (System.c)

// A TCP port of 127.0.0.1 that nobody listens at.
long cprocess_free_port(void);
// A socket that connects to the port of 127.0.0.1; reading and writing do not wait.
long cprocess_connect_to_port(int port);
// 0 when a socket that became writable is connected; else -errno.
long cprocess_connection_result(int fd);
// Lets the kernel forget what of the file is in its page cache, if it is written to the disk.
long cprocess_forget_pages(int fd);
// Bytes of the file's first `size` that are in the page cache.
long cprocess_cached_bytes(int fd, size_t size);
void cprocess_sync(void);

#endif
