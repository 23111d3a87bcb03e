// Parts of the C library that Swift cannot import: variadic calls, errno, macros.
//
// Every call that can fail returns its result, or -errno. `Sources/Posix` owns the EINTR loop and turns negative
// results into `Failure`. Apart from it, only `Sources/Processes` calls these functions, to read and write
// sockets. CPosix.c has the functions that need _GNU_SOURCE, keep state, or make several calls. Headers that Swift
// imports must not define _GNU_SOURCE, because Swift's Glibc module does not either.

#ifndef ONEFOLD_CPOSIX_H
#define ONEFOLD_CPOSIX_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static inline long cposix_result(long result) { return result < 0 ? -errno : result; }

// MARK: Memory

// Ends the process with exit code 125 and a message. Like a kill, it skips all clean-up.
_Noreturn void cposix_out_of_memory(void);

// MARK: Files

static const int CPOSIX_O_RDONLY = O_RDONLY;
static const int CPOSIX_O_WRONLY = O_WRONLY;
static const int CPOSIX_O_RDWR = O_RDWR;
static const int CPOSIX_O_CREAT = O_CREAT;
static const int CPOSIX_O_EXCL = O_EXCL;
static const int CPOSIX_O_TRUNC = O_TRUNC;
static const int CPOSIX_O_CLOEXEC = O_CLOEXEC;
static const int CPOSIX_O_NOFOLLOW = O_NOFOLLOW;
static const int CPOSIX_O_DIRECTORY = O_DIRECTORY;
static const int CPOSIX_O_NONBLOCK = O_NONBLOCK;
// O_PATH; <fcntl.h> declares it only with _GNU_SOURCE.
int cposix_o_path(void);
static const int CPOSIX_AT_FDCWD = AT_FDCWD;

static inline long cposix_openat(int dir, const char *path, int flags, unsigned mode) {
  return cposix_result(openat(dir, path, flags, (mode_t)mode));
}
// Opens an unnamed file for reading and writing (O_TMPFILE) in the directory `path`.
long cposix_open_unnamed(int dir, const char *path, unsigned mode);
static inline long cposix_close(int fd) { return cposix_result(close(fd)); }
// Closes `fd` if it is not negative, unless cposix_leave_open was called before.
void cposix_end_of_owner(int fd);
void cposix_leave_open(void);
static inline long cposix_read(int fd, void *buffer, size_t count) {
  return cposix_result(read(fd, buffer, count));
}
static inline long cposix_pread(int fd, void *buffer, size_t count, int64_t offset) {
  return cposix_result(pread(fd, buffer, count, (off_t)offset));
}
static inline long cposix_write(int fd, const void *buffer, size_t count) {
  return cposix_result(write(fd, buffer, count));
}
static inline long cposix_pwrite(int fd, const void *buffer, size_t count, int64_t offset) {
  return cposix_result(pwrite(fd, buffer, count, (off_t)offset));
}
static inline long cposix_ftruncate(int fd, int64_t size) { return cposix_result(ftruncate(fd, (off_t)size)); }
// Asks ext4 to allocate these bytes at once. Does nothing on other file systems, and ignores errors.
void cposix_reserve(int fd, int64_t offset, int64_t count);
static inline long cposix_fchmod(int fd, unsigned mode) { return cposix_result(fchmod(fd, (mode_t)mode)); }
// Sets the mode of the file that `fd` was opened for with O_PATH, by /proc or else by fchmodat2.
long cposix_chmod_of_path(int fd, unsigned mode);
static inline long cposix_mkdirat(int dir, const char *path, unsigned mode) {
  return cposix_result(mkdirat(dir, path, (mode_t)mode));
}
static inline long cposix_symlinkat(const char *target, int dir, const char *path) {
  return cposix_result(symlinkat(target, dir, path));
}
static inline long cposix_linkat(int old_dir, const char *old_path, int new_dir, const char *new_path,
                                 int follow) {
  return cposix_result(linkat(old_dir, old_path, new_dir, new_path, follow ? AT_SYMLINK_FOLLOW : 0));
}
static inline long cposix_unlinkat(int dir, const char *path, int directory) {
  return cposix_result(unlinkat(dir, path, directory ? AT_REMOVEDIR : 0));
}
static inline long cposix_readlinkat(int dir, const char *path, char *buffer, size_t count) {
  return cposix_result(readlinkat(dir, path, buffer, count));
}
static inline long cposix_renameat(int old_dir, const char *old_path, int new_dir, const char *new_path) {
  return cposix_result(renameat(old_dir, old_path, new_dir, new_path));
}
// `exchange`: RENAME_EXCHANGE; otherwise RENAME_NOREPLACE.
static inline long cposix_renameat2(int old_dir, const char *old_path, int new_dir, const char *new_path,
                                    int exchange) {
  // musl 1.2.3 and some other C libraries do not declare renameat2 and its flags.
  return cposix_result(syscall(SYS_renameat2, old_dir, old_path, new_dir, new_path, exchange ? 2u : 1u));
}
long cposix_faccessat(int dir, const char *path, int write);
static inline long cposix_flock(int fd, int operation) { return cposix_result(flock(fd, operation)); }
static const int CPOSIX_LOCK_SH = LOCK_SH;
static const int CPOSIX_LOCK_EX = LOCK_EX;
static const int CPOSIX_LOCK_NB = LOCK_NB;
// Takes a lock of the open file description (fcntl(2), F_OFD_SETLK) on the whole file, without waiting. A shared
// lock (F_RDLCK) needs `fd` open for reading, an exclusive one (F_WRLCK) open for writing. Fails with EAGAIN if
// the lock of another open file description conflicts.
long cposix_lock_record(int fd, int exclusive);
// Whether an exclusive lock would fail with EAGAIN (F_OFD_GETLK): 1 or 0. Takes no lock.
long cposix_is_record_locked(int fd);
// Removes the lists that a directory inherited from a default ACL above it: its access ACL, and the default ACL
// that it would pass on.
void cposix_remove_acls(int fd);
// Whether the file has an access ACL; 0 if the file system has none.
static inline int cposix_has_acl(const char *path) {
  return lgetxattr(path, "system.posix_acl_access", 0, 0) >= 0;
}
// Whether the file has capabilities, or that can't be told; 0 if the file system keeps none.
static inline int cposix_has_capabilities(int fd) {
  return fgetxattr(fd, "security.capability", 0, 0) >= 0 || (errno != ENODATA && errno != ENOTSUP);
}
// Gives `fd`, an empty file, the content of `from` without copying it (FICLONE).
long cposix_clone(int fd, int from);
static inline long cposix_set_close_on_exec(int fd, int on) {
  return cposix_result(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
}
// Whether `fd` is open for writing.
int cposix_is_writable(int fd);
// Opens those of the descriptors 0, 1 and 2 that are closed, close-on-exec, so that reading and writing fail with
// EBADF. Needs no /dev.
void cposix_reserve_standard(void);
// Opens a file for reading, close-on-exec, as the first file of the process. Calls cposix_reserve_standard first
// if a standard descriptor is closed, even if the file cannot be opened.
long cposix_open_first(const char *path);
long cposix_syncfs(int fd);
static inline long cposix_fsync(int fd) { return cposix_result(fsync(fd)); }
// The current time, passed in place of nanoseconds.
static const uint32_t CPOSIX_UTIME_NOW = UTIME_NOW;
static inline long cposix_futimens(int fd, int64_t seconds, uint32_t nanoseconds) {
  struct timespec times[2] = {{0, UTIME_OMIT}, {(time_t)seconds, (long)nanoseconds}};
  return cposix_result(futimens(fd, times));
}
static inline long cposix_utimensat(int dir, const char *path, int64_t seconds, uint32_t nanoseconds) {
  struct timespec times[2] = {{0, UTIME_OMIT}, {(time_t)seconds, (long)nanoseconds}};
  return cposix_result(utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW));
}

// MARK: File information

typedef struct {
  uint64_t device, inode, links;
  int64_t size, modified_seconds, changed_seconds;
  uint32_t mode, user, group, modified_nanoseconds, changed_nanoseconds;
} cposix_stat_t;

static const int CPOSIX_S_IFMT = S_IFMT;
static const int CPOSIX_S_IFREG = S_IFREG;
static const int CPOSIX_S_IFDIR = S_IFDIR;
static const int CPOSIX_S_IFLNK = S_IFLNK;
static const int CPOSIX_S_IFIFO = S_IFIFO;
static const int CPOSIX_S_IFSOCK = S_IFSOCK;
static const int CPOSIX_S_IFCHR = S_IFCHR;
static const int CPOSIX_S_IFBLK = S_IFBLK;

long cposix_fstat(int fd, cposix_stat_t *out);
// An empty path means the descriptor itself (AT_EMPTY_PATH).
long cposix_fstatat(int dir, const char *path, int follow, cposix_stat_t *out);

typedef struct {
  uint64_t bytes_available, nodes_total, nodes_available;
  int no_exec, read_only;
} cposix_volume_t;

long cposix_fstatvfs(int fd, cposix_volume_t *out);

// MARK: Directories

// readdir of musl takes ENOENT for the end.
static inline long cposix_getdents64(int fd, void *buffer, size_t size) {
  return cposix_result(syscall(SYS_getdents64, fd, buffer, size));
}

// MARK: Process

static inline const char *cposix_environment(const char *name) { return getenv(name); }
char **cposix_environment_block(void);
static inline long cposix_execve(const char *path, char *const *arguments, char *const *environment) {
  return cposix_result(execve(path, arguments, environment));
}
static inline unsigned cposix_effective_user(void) { return (unsigned)getauxval(AT_EUID); }
// The owner of this user's own files: the effective user. In a user namespace this may be the overflow user,
// which stands for every user of the system without an id there. Then (unsigned)-1, which owns no file.
unsigned cposix_owner(void);
// The id shown for owners without an id in the user namespace.
static const unsigned CPOSIX_OVERFLOW_USER = 65534;
// Whether a user has an id in this process's user namespace; 1 if that cannot be determined.
int cposix_is_mapped(unsigned user);
// The longest path in bytes, with its NUL (PATH_MAX).
static const int CPOSIX_PATH_MAX = PATH_MAX;
static inline int cposix_is_secure(void) { return getauxval(AT_SECURE) != 0; }
static inline const char *cposix_executable_name(void) { return (const char *)getauxval(AT_EXECFN); }
static inline long cposix_random(void *buffer, size_t count) {
  return cposix_result(syscall(SYS_getrandom, buffer, count, 0));
}
unsigned cposix_processor_count(void);
static inline int64_t cposix_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
// Seconds since 1970 of CLOCK_REALTIME.
static inline int64_t cposix_realtime_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}
void cposix_sleep_milliseconds(unsigned milliseconds);
static inline unsigned cposix_set_umask(unsigned mask) { return (unsigned)umask((mode_t)mask); }
static inline int cposix_is_terminal(int fd) { return isatty(fd); }

// Raises the soft limit of open descriptors to the hard one, at most to `most`. Returns the limit now in force,
// and stores the earlier one in `previous`.
uint64_t cposix_raise_descriptor_limit(uint64_t most, uint64_t *previous);
void cposix_set_descriptor_limit(uint64_t soft);
// Makes room for descriptors up to `most` in the kernel's table. Once there are threads, each growth of the table
// (at 64, and at each doubling) makes the thread that opens a file wait milliseconds for all CPUs.
void cposix_grow_descriptor_table(int most);

// The position of `part` in `bytes`; -1 if there is none.
long cposix_find(const void *bytes, size_t count, const void *part, size_t part_count);
void *cposix_map_anonymous(size_t count);
static inline void cposix_unmap(void *address, size_t count) { munmap(address, count); }

// MARK: Signals

int cposix_pending_signal(void);

// With `hold`, SIGHUP, SIGINT, SIGQUIT and SIGTERM are noted for cposix_pending_signal instead of ending the
// process. Ignored ones, as under nohup, stay ignored. SIGPIPE and SIGXFSZ are ignored, so that writing fails
// with EPIPE or EFBIG. Without `hold`, restores the earlier handlers; a program that is executed inherits them.
void cposix_hold_signals(int hold);
void cposix_end_by_signal(int number);
// Writes some of `buffer` once `fd` is ready, or fails with EAGAIN after `milliseconds`. Does not block
// otherwise. Raises no SIGPIPE or SIGXFSZ: fails with EPIPE or EFBIG.
long cposix_write_when_ready(int fd, const void *buffer, size_t count, int milliseconds);
// Sets the signal that this process gets when its parent ends (prctl(2), PR_SET_PDEATHSIG).
static inline long cposix_signal_at_parent_death(int number) {
  return cposix_result(prctl(PR_SET_PDEATHSIG, (unsigned long)number, 0ul, 0ul, 0ul));
}

// MARK: Sockets

// An address of a socket: `struct sockaddr_in`, `sockaddr_in6` or `sockaddr_un`.
typedef struct {
  _Alignas(8) unsigned char bytes[112];
  unsigned length;
  // -1 for a Unix socket.
  int port;
} cposix_address_t;

// The most bytes that cposix_address_text writes.
static const int CPOSIX_ADDRESS_TEXT = 112;

// Reads "PORT", "ADDRESS:PORT", "[ADDRESS]:PORT" or "unix:/PATH". Returns 0, -EINVAL, or -ENAMETOOLONG for a path
// of more than 107 bytes.
long cposix_parse_address(const char *text, cposix_address_t *address);
// The address of an open socket (getsockname(2)).
long cposix_socket_address(int fd, cposix_address_t *address);
// Writes the numeric address without its port, or the path, and returns the count of bytes.
size_t cposix_address_text(const cposix_address_t *address, char *text);
// Opens a socket, close-on-exec, binds it and listens (bind(2), listen(2)).
long cposix_listen(const cposix_address_t *address);
// Opens a socket, close-on-exec, that keeps a port from others without listening. Fails with EADDRINUSE if another
// socket listens there.
long cposix_hold_port(const cposix_address_t *address);
// Whether no program has the Unix socket with this path any more, or the file is no socket.
long cposix_is_stale(const cposix_address_t *address);
// Makes `fd` the descriptor `to`, not close-on-exec. A descriptor `to` that a program would inherit moves to a free
// number.
long cposix_move_descriptor(int fd, int to);

// fcntl(F_DUPFD_CLOEXEC) above the standard descriptors.
int cposix_copy_descriptor(int fd);
// The process that listens where `address` can't, as far as this user may see it; 0 if unknown.
int cposix_listening_process(const cposix_address_t *address);

// MARK: Other processes

// Reads the beginning of /proc/PID and `name`, such as "/comm". Returns the count of bytes.
long cposix_read_process_file(int process, const char *name, void *text, size_t size);
// Bytes that a process has in RAM (proc_pid_statm(5)); 0 if unknown.
uint64_t cposix_resident_bytes(int process);
// Takes the lock of a process (fcntl(2), F_SETLK) on the whole file, which must be open for writing. `execve` keeps
// it, children don't inherit it, and it ends with the process or when it closes any descriptor of the file. Fails
// with EAGAIN or EACCES.
long cposix_lock_of_process(int fd);
// The process that has that lock; 0 if it is in another pid namespace. Fails with ESRCH if nobody has it.
long cposix_process_with_lock(int fd);
// pidfd_open(2), pidfd_send_signal(2), and waiting until the process has ended: 1, or 0 after `milliseconds`.
long cposix_open_process(int process);
long cposix_signal_process(int pidfd, int number);
long cposix_wait_for_process(int pidfd, int milliseconds);
// Asks for a signal when the other end of a pipe or socket is closed (fcntl(2), O_ASYNC). `execve` keeps it. Returns
// whether it is closed already: then no signal comes.
long cposix_signal_at_close(int fd, int number);

// MARK: Threads

// Starts a thread and returns a handle for cposix_join_thread, which frees it; NULL if no thread can be started.
// (pthread_t is a pointer in musl and a number in glibc, which Swift imports differently.)
void *cposix_start_thread(void *(*body)(void *), void *context);
void cposix_join_thread(void *thread);
// Waits until cposix_release sets `word` from 0 to 1. Writes made before the release are visible after the wait.
void cposix_wait(uint32_t *word);
void cposix_release(uint32_t *word);

#endif
