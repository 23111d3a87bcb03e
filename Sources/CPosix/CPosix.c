#define _GNU_SOURCE

#include "CPosix.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

// MARK: Memory

void cposix_out_of_memory(void) {
  static const char message[] = "onefold: cannot allocate memory\n";
  static volatile char is_told;
  // Another thread that gets here waits for the process to end.
  while (__atomic_test_and_set(&is_told, __ATOMIC_RELAXED)) pause();
  // If this write fails, there is no other way to report it.
  ssize_t written = write(2, message, sizeof message - 1);
  (void)written;
  _exit(125);
}

#ifndef __GLIBC__
// Replaces musl's functions, in the bootloader only: the runtime of Embedded Swift allocates and frees with these
// two.
//
// A launch that finds its tree needs little memory. It comes from the program's own data, so that the launch asks
// the system for none: a stack allocator, where freed blocks are popped from the top. Larger requests, and all
// requests after threads start, go to musl.

typedef struct block {
  struct block *before;
  size_t is_free;
} block;

static struct {
  _Alignas(16) char bytes[128 << 10];
  block *last;
  size_t used;
  int is_closed;
} arena;

// The runtime would trap on failure. Any array may have to grow anywhere, so no error could be thrown instead.
int posix_memalign(void **result, size_t alignment, size_t size) {
  size_t room = sizeof arena.bytes - arena.used;
  if (!arena.is_closed && alignment <= 16 && size <= sizeof arena.bytes && size + 31 <= room) {
    block *new = (block *)(arena.bytes + arena.used);
    new->before = arena.last;
    new->is_free = 0;
    arena.last = new;
    arena.used += (size + sizeof *new + 15) & ~(size_t)15;
    *result = new + 1;
    return 0;
  }
  void *memory = aligned_alloc(alignment, size);
  if (!memory) cposix_out_of_memory();
  *result = memory;
  return 0;
}

void __libc_free(void *memory);

void free(void *memory) {
  if ((uintptr_t)memory - (uintptr_t)arena.bytes >= sizeof arena.bytes) {
    __libc_free(memory);
    return;
  }
  if (arena.is_closed) return;
  ((block *)memory - 1)->is_free = 1;
  while (arena.last && arena.last->is_free) {
    arena.used = (size_t)((char *)arena.last - arena.bytes);
    arena.last = arena.last->before;
  }
}
#endif

// MARK: Processes and files

long cposix_open_unnamed(int dir, const char *path, unsigned mode) {
  return cposix_result(openat(dir, path, O_RDWR | O_TMPFILE | O_CLOEXEC, (mode_t)mode));
}
static int leaves_open;
void cposix_leave_open(void) { leaves_open = 1; }
void cposix_end_of_owner(int fd) {
  if (fd >= 0 && !leaves_open) close(fd);
}
void cposix_reserve(int fd, int64_t offset, int64_t count) {
  struct statfs volume;
  // It does not pay elsewhere: tmpfs would fill the space with zeros first, and btrfs never compresses it.
  if (fstatfs(fd, &volume) == 0 && volume.f_type == 0xEF53 /* ext4 */) {
    fallocate(fd, 0, (off_t)offset, (off_t)count);
  }
}
int cposix_o_path(void) { return O_PATH; }
long cposix_chmod_of_path(int fd, unsigned mode) {
  char name[] = "/proc/self/fd/\0\0\0\0\0\0\0\0\0\0";
  char *end = name + sizeof "/proc/self/fd/" - 1;
  int digits = 1;
  for (int rest = fd; rest >= 10; rest /= 10) digits++;
  for (int rest = fd; digits > 0; rest /= 10) end[--digits] = (char)('0' + rest % 10);
  if (chmod(name, (mode_t)mode) == 0) return 0;
  if (errno != ENOENT) return -errno;
  // Without /proc, chmod cannot reach the file.
  return cposix_result(syscall(452 /* SYS_fchmodat2 */, fd, "", (mode_t)mode, AT_EMPTY_PATH));
}
long cposix_faccessat(int dir, const char *path, int write) {
  int mode = write ? W_OK | X_OK : X_OK;
  if (faccessat(dir, path, mode, AT_EACCESS) == 0) return 0;
  // Sandboxes that do not know faccessat2 return EPERM. The older call checks the real user, which is the same
  // here.
  if (errno != EPERM) return -errno;
  return cposix_result(syscall(SYS_faccessat, dir, path, mode));
}
long cposix_lock_record(int fd, int exclusive) {
  struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
  return cposix_result(fcntl(fd, F_OFD_SETLK, &lock));
}
long cposix_is_record_locked(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_GETLK, &lock) < 0) return -errno;
  return lock.l_type != F_UNLCK;
}
long cposix_clone(int fd, int from) {
  // FICLONE, which only the kernel's headers have.
  return cposix_result(ioctl(fd, _IOW(0x94, 9, int), from));
}
void cposix_remove_acls(int fd) {
  fremovexattr(fd, "system.posix_acl_default");
  fremovexattr(fd, "system.posix_acl_access");
}
int cposix_is_writable(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}
// openat, because musl's open makes a second call for O_CLOEXEC.
static int open_to_read(const char *path) { return openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC); }
void cposix_reserve_standard(void) {
  for (int standard = 0; standard <= 2; standard++) {
    if (fcntl(standard, F_GETFD) < 0 && open("/", O_PATH | O_CLOEXEC) < 0) break;
  }
}
long cposix_open_first(const char *path) {
  int fd = open_to_read(path);
  // The kernel returns the lowest free number, so 0, 1 and 2 are open.
  if (fd > 2) return fd;
  int error = errno;
  if (fd >= 0) close(fd);
  cposix_reserve_standard();
  if (fd < 0) return -error;
  fd = open_to_read(path);
  return fd < 0 ? -errno : fd;
}
long cposix_syncfs(int fd) { return cposix_result(syncfs(fd)); }
static void copy_stat(const struct stat *from, cposix_stat_t *to) {
  to->device = (uint64_t)from->st_dev;
  to->inode = (uint64_t)from->st_ino;
  to->links = (uint64_t)from->st_nlink;
  to->size = (int64_t)from->st_size;
  to->modified_seconds = (int64_t)from->st_mtim.tv_sec;
  to->modified_nanoseconds = (uint32_t)from->st_mtim.tv_nsec;
  to->mode = (uint32_t)from->st_mode;
  to->user = (uint32_t)from->st_uid;
  to->group = (uint32_t)from->st_gid;
  to->changed_seconds = (int64_t)from->st_ctim.tv_sec;
  to->changed_nanoseconds = (uint32_t)from->st_ctim.tv_nsec;
}
long cposix_fstat(int fd, cposix_stat_t *out) {
  struct stat info;
  if (fstat(fd, &info) < 0) return -errno;
  copy_stat(&info, out);
  return 0;
}
long cposix_fstatat(int dir, const char *path, int follow, cposix_stat_t *out) {
  struct stat info;
  // AT_EMPTY_PATH slows the kernel down, so it is set only for an empty path.
  int flags = (*path ? 0 : AT_EMPTY_PATH) | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
  if (fstatat(dir, path, &info, flags) < 0) return -errno;
  copy_stat(&info, out);
  return 0;
}
long cposix_fstatvfs(int fd, cposix_volume_t *out) {
  struct statvfs info;
  if (fstatvfs(fd, &info) < 0) return -errno;
  out->bytes_available = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
  out->nodes_total = (uint64_t)info.f_files;
  out->nodes_available = (uint64_t)info.f_favail;
  out->no_exec = (info.f_flag & ST_NOEXEC) != 0;
  out->read_only = (info.f_flag & ST_RDONLY) != 0;
  return 0;
}
char **cposix_environment_block(void) {
  extern char **environ;
  return environ;
}
int cposix_is_mapped(unsigned user) {
  char text[4096];
  int fd = open_to_read("/proc/self/uid_map");
  if (fd < 0) return 1;
  ssize_t length = read(fd, text, sizeof text);
  close(fd);
  if (length < 0) return 1;
  // Each line has three numbers: the first id inside, the first id outside, and the count.
  uint64_t numbers[3] = {0};
  int column = -1;
  char before = ' ';
  for (ssize_t i = 0; i < length; i++) {
    char c = text[i];
    if (c >= '0' && c <= '9') {
      if (before < '0') numbers[++column % 3] = 0;
      numbers[column % 3] = numbers[column % 3] * 10 + (uint64_t)(c - '0');
    } else if (c == '\n' && user >= numbers[0] && user - numbers[0] < numbers[2]) {
      return 1;
    }
    before = c;
  }
  return 0;
}
unsigned cposix_owner(void) {
  static unsigned owner;
  static char is_known;
  if (!__atomic_load_n(&is_known, __ATOMIC_ACQUIRE)) {
    unsigned user = cposix_effective_user();
    owner = user == CPOSIX_OVERFLOW_USER && !cposix_is_mapped(user) ? (unsigned)-1 : user;
    __atomic_store_n(&is_known, 1, __ATOMIC_RELEASE);
  }
  return owner;
}
unsigned cposix_processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count < 1 ? 1 : (unsigned)count;
}
void cposix_sleep_milliseconds(unsigned milliseconds) {
  struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  nanosleep(&time, 0);
}
uint64_t cposix_raise_descriptor_limit(uint64_t most, uint64_t *previous) {
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
void cposix_set_descriptor_limit(uint64_t soft) {
  struct rlimit limit;
  if (soft == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = (rlim_t)soft;
  setrlimit(RLIMIT_NOFILE, &limit);
}
void cposix_grow_descriptor_table(int most) {
  int copy = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, most);
  if (copy >= 0) close(copy);
}
long cposix_find(const void *bytes, size_t count, const void *part, size_t part_count) {
  const char *found = memmem(bytes, count, part, part_count);
  return found ? found - (const char *)bytes : -1;
}
void *cposix_map_anonymous(size_t count) {
  void *address =
      mmap(0, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return 0;
  // Only a hint: without huge pages everything works as well.
  madvise(address, count, MADV_HUGEPAGE);
  return address;
}
static volatile sig_atomic_t pending_signal = 0;
static void note_signal(int number) { pending_signal = number; }
int cposix_pending_signal(void) { return (int)pending_signal; }
static const int termination_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
static const int write_signals[] = {SIGPIPE, SIGXFSZ};
static struct sigaction saved_write_actions[2];

void cposix_hold_signals(int hold) {
  if (hold) pending_signal = 0;
  for (unsigned i = 0; i < sizeof termination_signals / sizeof termination_signals[0]; i++) {
    struct sigaction action;
    if (sigaction(termination_signals[i], 0, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    memset(&action, 0, sizeof action);
    action.sa_handler = hold ? note_signal : SIG_DFL;
    sigaction(termination_signals[i], &action, 0);
  }
  for (unsigned i = 0; i < sizeof write_signals / sizeof write_signals[0]; i++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    if (hold)
      sigaction(write_signals[i], &action, &saved_write_actions[i]);
    else
      sigaction(write_signals[i], &saved_write_actions[i], 0);
  }
}
long cposix_write_when_ready(int fd, const void *buffer, size_t count, int milliseconds) {
  struct pollfd wanted = {fd, POLLOUT, 0};
  int ready = poll(&wanted, 1, milliseconds);
  if (ready < 0) return -errno;
  if (ready == 0) return -EAGAIN;
  // A ready pipe has room for this many bytes, so that the write does not block.
  if (count > 4096) count = 4096;
  struct timespec at_once = {0, 0};
  sigset_t pending, before, blocked;
  sigpending(&pending);
  sigemptyset(&blocked);
  for (unsigned i = 0; i < sizeof write_signals / sizeof write_signals[0]; i++) {
    sigaddset(&blocked, write_signals[i]);
  }
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  // A ready socket may have room for fewer bytes.
  long result = send(fd, buffer, count, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result < 0 && errno == ENOTSOCK) result = write(fd, buffer, count);
  if (result < 0) result = -errno;
  // Signals that were pending before must stay pending.
  for (unsigned i = 0; i < sizeof write_signals / sizeof write_signals[0]; i++) {
    if (sigismember(&pending, write_signals[i])) sigdelset(&blocked, write_signals[i]);
  }
  if (result < 0) sigtimedwait(&blocked, 0, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, 0);
  return result;
}
void cposix_end_by_signal(int number) {
  sigset_t set;
  signal(number, SIG_DFL);
  sigemptyset(&set);
  sigaddset(&set, number);
  raise(number);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  _exit(128 + number);
}
void *cposix_start_thread(void *(*body)(void *), void *context) {
#ifndef __GLIBC__
  arena.is_closed = 1;
#endif
  pthread_t *thread = malloc(sizeof *thread);
  if (thread && pthread_create(thread, 0, body, context) == 0) return thread;
  free(thread);
  return 0;
}
void cposix_join_thread(void *thread) {
  pthread_join(*(pthread_t *)thread, 0);
  free(thread);
}
void cposix_wait(uint32_t *word) {
  while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
    syscall(SYS_futex, word, 128 /* FUTEX_WAIT_PRIVATE */, 0, NULL);
}
void cposix_release(uint32_t *word) {
  __atomic_store_n(word, 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, word, 129 /* FUTEX_WAKE_PRIVATE */, INT_MAX);
}
