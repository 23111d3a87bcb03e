// What Swift can't import from the C library: variadic calls, errno, macros.
//
// Every call that can fail returns its result, or -errno. `Sources/Posix` is the only client; it owns the
// EINTR loop and turns negative results into `SystemError`. The bodies are in a C file because they need
// _GNU_SOURCE, which headers that Swift imports must not define: its Glibc module does not either.

#ifndef ONEFOLD_CPOSIX_H
#define ONEFOLD_CPOSIX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// MARK: Files

static const int POSIX_O_RDONLY = O_RDONLY;
static const int POSIX_O_WRONLY = O_WRONLY;
static const int POSIX_O_RDWR = O_RDWR;
static const int POSIX_O_CREAT = O_CREAT;
static const int POSIX_O_EXCL = O_EXCL;
static const int POSIX_O_CLOEXEC = O_CLOEXEC;
static const int POSIX_O_NOFOLLOW = O_NOFOLLOW;
static const int POSIX_O_DIRECTORY = O_DIRECTORY;
static const int POSIX_O_NONBLOCK = O_NONBLOCK;
static const int POSIX_AT_FDCWD = AT_FDCWD;

long posix_openat(int dir, const char *path, int flags, unsigned mode);
// An unnamed file for reading and writing (O_TMPFILE) in the directory `path`.
long posix_open_unnamed(int dir, const char *path, unsigned mode);
long posix_close(int fd);
long posix_read(int fd, void *buffer, size_t count);
long posix_pread(int fd, void *buffer, size_t count, int64_t offset);
long posix_write(int fd, const void *buffer, size_t count);
long posix_pwrite(int fd, const void *buffer, size_t count, int64_t offset);
long posix_ftruncate(int fd, int64_t size);
long posix_fchmod(int fd, unsigned mode);
long posix_fchmodat(int dir, const char *path, unsigned mode);
long posix_mkdirat(int dir, const char *path, unsigned mode);
long posix_symlinkat(const char *target, int dir, const char *path);
long posix_linkat(int old_dir, const char *old_path, int new_dir, const char *new_path, int follow);
long posix_unlinkat(int dir, const char *path, int directory);
long posix_readlinkat(int dir, const char *path, char *buffer, size_t count);
long posix_renameat(int old_dir, const char *old_path, int new_dir, const char *new_path);
// `exchange`: RENAME_EXCHANGE; otherwise RENAME_NOREPLACE.
long posix_renameat2(int old_dir, const char *old_path, int new_dir, const char *new_path, int exchange);
long posix_faccessat(int dir, const char *path, int write);
long posix_flock(int fd, int operation);
static const int POSIX_LOCK_SH = LOCK_SH;
static const int POSIX_LOCK_EX = LOCK_EX;
static const int POSIX_LOCK_NB = LOCK_NB;
long posix_set_close_on_exec(int fd, int on);
long posix_futimens(int fd, int64_t seconds, uint32_t nanoseconds);
long posix_utimensat(int dir, const char *path, int64_t seconds, uint32_t nanoseconds);

// MARK: File information

typedef struct {
  uint64_t device, inode, links, blocks;
  int64_t size, modified_seconds;
  uint32_t mode, user, group, modified_nanoseconds;
} posix_stat_t;

static const int POSIX_S_IFMT = S_IFMT;
static const int POSIX_S_IFREG = S_IFREG;
static const int POSIX_S_IFDIR = S_IFDIR;
static const int POSIX_S_IFLNK = S_IFLNK;
static const int POSIX_S_IFIFO = S_IFIFO;
static const int POSIX_S_IFSOCK = S_IFSOCK;
static const int POSIX_S_IFCHR = S_IFCHR;
static const int POSIX_S_IFBLK = S_IFBLK;

long posix_fstat(int fd, posix_stat_t *out);
// An empty path means the descriptor itself (AT_EMPTY_PATH).
long posix_fstatat(int dir, const char *path, int follow, posix_stat_t *out);

typedef struct {
  uint64_t bytes_available, nodes_total, nodes_available;
  int no_exec, read_only;
} posix_volume_t;

long posix_fstatvfs(int fd, posix_volume_t *out);

// MARK: Directories

// Takes ownership of `fd`, also when it fails.
DIR *posix_fdopendir(int fd, long *error);
// Returns the length of the next name and points `name` at it; 0 at the end; -errno on failure.
long posix_readdir(DIR *stream, const char **name);

// MARK: Process

const char *posix_environment(const char *name);
char **posix_environment_block(void);
long posix_execve(const char *path, char *const *arguments, char *const *environment);
int posix_is_secure(void);
const char *posix_executable_name(void);
long posix_random(void *buffer, size_t count);
unsigned posix_processor_count(void);
int64_t posix_monotonic_nanoseconds(void);
void posix_sleep_milliseconds(unsigned milliseconds);
unsigned posix_set_umask(unsigned mask);
int posix_is_terminal(int fd);

// Raises the soft limit of open descriptors to the hard one (at most `most`). Returns the limit now in
// force and stores the one before in `previous`.
uint64_t posix_raise_descriptor_limit(uint64_t most, uint64_t *previous);
void posix_set_descriptor_limit(uint64_t soft);

void *posix_map_anonymous(size_t count);
void posix_unmap(void *address, size_t count);

// MARK: Signals

int posix_pending_signal(void);

// The signals that ask a process to end; ignored ones (nohup) stay ignored.
void posix_catch_termination(int catch);
void posix_end_by_signal(int number);
// SIGPIPE would end a launch that reports to a closed pipe; SIGXFSZ one that meets a file size limit.
// Both then fail with EPIPE and EFBIG. `restore` puts back what the program was started with.
void posix_ignore_write_signals(struct sigaction saved[2], int restore);

// MARK: Threads

int posix_start_thread(pthread_t *thread, void *(*body)(void *), void *context);
void posix_join_thread(pthread_t thread);

#endif
