#define _GNU_SOURCE

#include "CPosix.h"

#include <sched.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>

#define POSIX_RESULT(call)                             \
  do {                                                 \
    long result = (long)(call);                        \
    return result < 0 ? -errno : result;               \
  } while (0)

long posix_openat(int dir, const char *path, int flags, unsigned mode) {
  POSIX_RESULT(openat(dir, path, flags, (mode_t)mode));
}
long posix_open_unnamed(int dir, const char *path, unsigned mode) {
  POSIX_RESULT(openat(dir, path, O_RDWR | O_TMPFILE | O_CLOEXEC, (mode_t)mode));
}
long posix_close(int fd) { POSIX_RESULT(close(fd)); }
long posix_read(int fd, void *buffer, size_t count) {
  POSIX_RESULT(read(fd, buffer, count));
}
long posix_pread(int fd, void *buffer, size_t count, int64_t offset) {
  POSIX_RESULT(pread(fd, buffer, count, (off_t)offset));
}
long posix_write(int fd, const void *buffer, size_t count) {
  POSIX_RESULT(write(fd, buffer, count));
}
long posix_pwrite(int fd, const void *buffer, size_t count, int64_t offset) {
  POSIX_RESULT(pwrite(fd, buffer, count, (off_t)offset));
}
long posix_ftruncate(int fd, int64_t size) { POSIX_RESULT(ftruncate(fd, (off_t)size)); }
long posix_fchmod(int fd, unsigned mode) { POSIX_RESULT(fchmod(fd, (mode_t)mode)); }
long posix_fchmodat(int dir, const char *path, unsigned mode) {
  POSIX_RESULT(fchmodat(dir, path, (mode_t)mode, 0));
}
long posix_mkdirat(int dir, const char *path, unsigned mode) {
  POSIX_RESULT(mkdirat(dir, path, (mode_t)mode));
}
long posix_symlinkat(const char *target, int dir, const char *path) {
  POSIX_RESULT(symlinkat(target, dir, path));
}
long posix_linkat(int old_dir, const char *old_path, int new_dir, const char *new_path, int follow) {
  POSIX_RESULT(linkat(old_dir, old_path, new_dir, new_path, follow ? AT_SYMLINK_FOLLOW : 0));
}
long posix_unlinkat(int dir, const char *path, int directory) {
  POSIX_RESULT(unlinkat(dir, path, directory ? AT_REMOVEDIR : 0));
}
long posix_readlinkat(int dir, const char *path, char *buffer, size_t count) {
  POSIX_RESULT(readlinkat(dir, path, buffer, count));
}
long posix_renameat(int old_dir, const char *old_path, int new_dir, const char *new_path) {
  POSIX_RESULT(renameat(old_dir, old_path, new_dir, new_path));
}
long posix_renameat2(int old_dir, const char *old_path, int new_dir, const char *new_path, int exchange) {
  // Neither musl 1.2.3 nor every other C library declares renameat2 and its flags.
  POSIX_RESULT(syscall(SYS_renameat2, old_dir, old_path, new_dir, new_path, exchange ? 2u : 1u));
}
long posix_faccessat(int dir, const char *path, int write) {
  POSIX_RESULT(faccessat(dir, path, write ? W_OK | X_OK : X_OK, AT_EACCESS));
}
long posix_flock(int fd, int operation) { POSIX_RESULT(flock(fd, operation)); }
long posix_set_close_on_exec(int fd, int on) {
  POSIX_RESULT(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
}
long posix_futimens(int fd, int64_t seconds, uint32_t nanoseconds) {
  struct timespec times[2] = {{0, UTIME_OMIT}, {(time_t)seconds, (long)nanoseconds}};
  POSIX_RESULT(futimens(fd, times));
}
long posix_utimensat(int dir, const char *path, int64_t seconds, uint32_t nanoseconds) {
  struct timespec times[2] = {{0, UTIME_OMIT}, {(time_t)seconds, (long)nanoseconds}};
  POSIX_RESULT(utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW));
}
static void copy_stat(const struct stat *from, posix_stat_t *to) {
  to->device = (uint64_t)from->st_dev;
  to->inode = (uint64_t)from->st_ino;
  to->links = (uint64_t)from->st_nlink;
  to->blocks = (uint64_t)from->st_blocks;
  to->size = (int64_t)from->st_size;
  to->modified_seconds = (int64_t)from->st_mtim.tv_sec;
  to->modified_nanoseconds = (uint32_t)from->st_mtim.tv_nsec;
  to->mode = (uint32_t)from->st_mode;
  to->user = (uint32_t)from->st_uid;
  to->group = (uint32_t)from->st_gid;
}
long posix_fstat(int fd, posix_stat_t *out) {
  struct stat info;
  if (fstat(fd, &info) < 0) return -errno;
  copy_stat(&info, out);
  return 0;
}
long posix_fstatat(int dir, const char *path, int follow, posix_stat_t *out) {
  struct stat info;
  if (fstatat(dir, path, &info, AT_EMPTY_PATH | (follow ? 0 : AT_SYMLINK_NOFOLLOW)) < 0)
    return -errno;
  copy_stat(&info, out);
  return 0;
}
long posix_fstatvfs(int fd, posix_volume_t *out) {
  struct statvfs info;
  if (fstatvfs(fd, &info) < 0) return -errno;
  out->bytes_available = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
  out->nodes_total = (uint64_t)info.f_files;
  out->nodes_available = (uint64_t)info.f_favail;
  out->no_exec = (info.f_flag & ST_NOEXEC) != 0;
  out->read_only = (info.f_flag & ST_RDONLY) != 0;
  return 0;
}
DIR *posix_fdopendir(int fd, long *error) {
  DIR *stream = fdopendir(fd);
  *error = stream ? 0 : -errno;
  if (!stream) close(fd);
  return stream;
}
long posix_readdir(DIR *stream, const char **name) {
  errno = 0;
  struct dirent *entry = readdir(stream);
  if (!entry) return -errno;
  *name = entry->d_name;
  return (long)strlen(entry->d_name);
}
const char *posix_environment(const char *name) { return getenv(name); }
char **posix_environment_block(void) {
  extern char **environ;
  return environ;
}
long posix_execve(const char *path, char *const *arguments, char *const *environment) {
  POSIX_RESULT(execve(path, arguments, environment));
}
int posix_is_secure(void) { return getauxval(AT_SECURE) != 0; }
const char *posix_executable_name(void) { return (const char *)getauxval(AT_EXECFN); }
long posix_random(void *buffer, size_t count) {
  POSIX_RESULT(syscall(SYS_getrandom, buffer, count, 0));
}
unsigned posix_processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count < 1 ? 1 : (unsigned)count;
}
int64_t posix_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
void posix_sleep_milliseconds(unsigned milliseconds) {
  struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  nanosleep(&time, 0);
}
unsigned posix_set_umask(unsigned mask) { return (unsigned)umask((mode_t)mask); }
int posix_is_terminal(int fd) { return isatty(fd); }
uint64_t posix_raise_descriptor_limit(uint64_t most, uint64_t *previous) {
  struct rlimit limit;
  *previous = 0;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  *previous = (uint64_t)limit.rlim_cur;
  rlim_t wanted = limit.rlim_max < most ? limit.rlim_max : (rlim_t)most;
  if (limit.rlim_cur >= wanted) return (uint64_t)limit.rlim_cur;
  rlim_t old = limit.rlim_cur;
  limit.rlim_cur = wanted;
  return (uint64_t)(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? wanted : old);
}
void posix_set_descriptor_limit(uint64_t soft) {
  struct rlimit limit;
  if (soft == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = (rlim_t)soft;
  setrlimit(RLIMIT_NOFILE, &limit);
}
void *posix_map_anonymous(size_t count) {
  void *address =
      mmap(0, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? 0 : address;
}
void posix_unmap(void *address, size_t count) { munmap(address, count); }
static volatile sig_atomic_t pending_signal = 0;
static void note_signal(int number) { pending_signal = number; }
int posix_pending_signal(void) { return (int)pending_signal; }
void posix_catch_termination(int catch) {
  static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
  for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    struct sigaction action;
    if (sigaction(numbers[i], 0, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    memset(&action, 0, sizeof action);
    action.sa_handler = catch ? note_signal : SIG_DFL;
    sigaction(numbers[i], &action, 0);
  }
}
void posix_end_by_signal(int number) {
  sigset_t set;
  signal(number, SIG_DFL);
  sigemptyset(&set);
  sigaddset(&set, number);
  raise(number);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  _exit(128 + number);
}
void posix_ignore_write_signals(struct sigaction saved[2], int restore) {
  static const int numbers[] = {SIGPIPE, SIGXFSZ};
  for (unsigned i = 0; i < 2; i++) {
    if (restore) {
      sigaction(numbers[i], &saved[i], 0);
      continue;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(numbers[i], &action, &saved[i]);
  }
}
int posix_start_thread(pthread_t *thread, void *(*body)(void *), void *context) {
  return pthread_create(thread, 0, body, context);
}
void posix_join_thread(pthread_t thread) { pthread_join(thread, 0); }
