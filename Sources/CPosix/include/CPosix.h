// Parts of the C library that Swift cannot import: variadic calls, errno, macros.
//
// Every call that can fail returns its result, or -errno. `Sources/Posix` owns the EINTR loop and turns negative
// results into `Failure`. Apart from it, only `Sources/Processes` calls these functions, to read and write
// sockets. The bodies are in a C file because they need _GNU_SOURCE. Headers that Swift imports must not define
// it, because Swift's Glibc module does not either.

#ifndef ONEFOLD_CPOSIX_H
#define ONEFOLD_CPOSIX_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

long cposix_openat(int dir, const char *path, int flags, unsigned mode);
// Opens an unnamed file for reading and writing (O_TMPFILE) in the directory `path`.
long cposix_open_unnamed(int dir, const char *path, unsigned mode);
long cposix_close(int fd);
// Closes `fd` if it is not negative, unless cposix_leave_open was called before.
void cposix_end_of_owner(int fd);
void cposix_leave_open(void);
long cposix_read(int fd, void *buffer, size_t count);
long cposix_pread(int fd, void *buffer, size_t count, int64_t offset);
long cposix_write(int fd, const void *buffer, size_t count);
long cposix_pwrite(int fd, const void *buffer, size_t count, int64_t offset);
long cposix_ftruncate(int fd, int64_t size);
// Asks ext4 to allocate these bytes at once. Does nothing on other file systems, and ignores errors.
void cposix_reserve(int fd, int64_t offset, int64_t count);
long cposix_fchmod(int fd, unsigned mode);
// Sets the mode of the file that `fd` was opened for with O_PATH, by /proc or else by fchmodat2.
long cposix_chmod_of_path(int fd, unsigned mode);
long cposix_mkdirat(int dir, const char *path, unsigned mode);
long cposix_symlinkat(const char *target, int dir, const char *path);
long cposix_linkat(int old_dir, const char *old_path, int new_dir, const char *new_path, int follow);
long cposix_unlinkat(int dir, const char *path, int directory);
long cposix_readlinkat(int dir, const char *path, char *buffer, size_t count);
long cposix_renameat(int old_dir, const char *old_path, int new_dir, const char *new_path);
// `exchange`: RENAME_EXCHANGE; otherwise RENAME_NOREPLACE.
long cposix_renameat2(int old_dir, const char *old_path, int new_dir, const char *new_path, int exchange);
long cposix_faccessat(int dir, const char *path, int write);
long cposix_flock(int fd, int operation);
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
int cposix_has_acl(const char *path);
long cposix_set_close_on_exec(int fd, int on);
// Whether `fd` is open for writing.
int cposix_is_writable(int fd);
// Opens those of the descriptors 0, 1 and 2 that are closed, close-on-exec, so that reading and writing fail with
// EBADF. Needs no /dev.
void cposix_reserve_standard(void);
// Opens a file for reading, close-on-exec, as the first file of the process. Calls cposix_reserve_standard first
// if a standard descriptor is closed, even if the file cannot be opened.
long cposix_open_first(const char *path);
long cposix_syncfs(int fd);
long cposix_fsync(int fd);
// The current time, passed in place of nanoseconds.
static const uint32_t CPOSIX_UTIME_NOW = UTIME_NOW;
long cposix_futimens(int fd, int64_t seconds, uint32_t nanoseconds);
long cposix_utimensat(int dir, const char *path, int64_t seconds, uint32_t nanoseconds);

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
long cposix_getdents64(int fd, void *buffer, size_t size);

// MARK: Process

const char *cposix_environment(const char *name);
char **cposix_environment_block(void);
long cposix_execve(const char *path, char *const *arguments, char *const *environment);
unsigned cposix_effective_user(void);
// The owner of this user's own files: the effective user. In a user namespace this may be the overflow user,
// which stands for every user of the system without an id there. Then (unsigned)-1, which owns no file.
unsigned cposix_owner(void);
// The id shown for owners without an id in the user namespace.
static const unsigned CPOSIX_OVERFLOW_USER = 65534;
// Whether a user has an id in this process's user namespace; 1 if that cannot be determined.
int cposix_is_mapped(unsigned user);
// The longest path in bytes, with its NUL (PATH_MAX).
static const int CPOSIX_PATH_MAX = PATH_MAX;
int cposix_is_secure(void);
const char *cposix_executable_name(void);
long cposix_random(void *buffer, size_t count);
unsigned cposix_processor_count(void);
int64_t cposix_monotonic_nanoseconds(void);
// Seconds since 1970 of CLOCK_REALTIME.
int64_t cposix_realtime_seconds(void);
void cposix_sleep_milliseconds(unsigned milliseconds);
unsigned cposix_set_umask(unsigned mask);
int cposix_is_terminal(int fd);

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
void cposix_unmap(void *address, size_t count);

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
long cposix_signal_at_parent_death(int number);

// MARK: Threads

// Starts a thread and returns a handle for cposix_join_thread, which frees it; NULL if no thread can be started.
// (pthread_t is a pointer in musl and a number in glibc, which Swift imports differently.)
void *cposix_start_thread(void *(*body)(void *), void *context);
void cposix_join_thread(void *thread);
// Waits until cposix_release sets `word` from 0 to 1. Writes made before the release are visible after the wait.
void cposix_wait(uint32_t *word);
void cposix_release(uint32_t *word);

#endif
