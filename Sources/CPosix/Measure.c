// What `onefold bench` measures processes with. No part of the bootloader, whose C library lacks some of it.

#define _GNU_SOURCE

#include "CPosix.h"

#ifdef __GLIBC__

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define CPOSIX_RESULT(call)              \
  do {                                   \
    long result = (long)(call);          \
    return result < 0 ? -errno : result; \
  } while (0)

void *cposix_map_shared(size_t count) {
  void *address = mmap(0, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? 0 : address;
}

// MARK: Starting

typedef struct {
  const char *path;
  char *const *arguments, *const *environment;
  const char *directory;
  int out, error, go;
  pid_t parent;
} program_t;

_Noreturn static void become(const program_t *program, cposix_measured_t *measured) {
  setpgid(0, 0);
  // No benchmark's programs outlive it.
  prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0ul, 0ul, 0ul);
  if (getppid() != program->parent) _exit(127);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || dup2(input, 0) < 0 || dup2(program->out, 1) < 0 || dup2(program->error, 2) < 0 ||
      (program->directory != NULL && chdir(program->directory) < 0)) {
    measured->failure = -errno;
    _exit(127);
  }
  // The tracer says when it is ready.
  char byte;
  if (program->go >= 0 && read(program->go, &byte, 1) != 1) _exit(127);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  measured->floor_memory = usage.ru_maxrss * 1024;
  // Taken off what it has at the end.
  measured->minor_faults = -usage.ru_minflt;
  measured->major_faults = -usage.ru_majflt;
  measured->start = cposix_monotonic_nanoseconds();
  execvpe(program->path, program->arguments, program->environment);
  measured->failure = -errno;
  _exit(127);
}

static long start_tracing(int process) {
  unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
                          PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
  return ptrace(PTRACE_SEIZE, process, 0ul, options) < 0 ? -ENOSYS : 0;
}

// With fork and not vfork: a process that shares this one's memory until execve has all of it for its peak.
long cposix_start_measured(const char *path, char *const *arguments, char *const *environment,
                           const char *directory, int out, int error, int trace,
                           cposix_measured_t *measured) {
  memset(measured, 0, sizeof *measured);
  int go[2] = {-1, -1};
  if (trace && pipe2(go, O_CLOEXEC) < 0) return -errno;
  program_t program = {path, arguments, environment, directory, out, error, go[0], getpid()};
  long process = fork();
  if (process == 0) {
    if (trace) close(go[1]);
    become(&program, measured);
  }
  long result = process < 0 ? -errno : process;
  // Both sides do this, because either may be the first that needs it.
  if (process > 0) setpgid((pid_t)process, (pid_t)process);
  if (trace) {
    close(go[0]);
    long traced = result < 0 ? result : start_tracing((int)process);
    if (traced == 0 && write(go[1], "g", 1) != 1) traced = -EIO;
    // Not told to go, it ends.
    close(go[1]);
    if (result > 0 && traced < 0) {
      while (waitpid((pid_t)process, 0, 0) < 0 && errno == EINTR) {}
      result = traced;
    }
  }
  return result;
}

// MARK: Waiting

long cposix_process_descriptor(int process) { CPOSIX_RESULT(syscall(SYS_pidfd_open, process, 0)); }

long cposix_wait_for_any(int first, int second, int write, int64_t microseconds) {
  struct pollfd wanted[2] = {{first, POLLIN, 0}, {second, write ? POLLOUT : POLLIN, 0}};
  struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
  if (ppoll(wanted, 2, &time, 0) < 0) return -errno;
  return (wanted[0].revents ? 1 : 0) | (wanted[1].revents ? 2 : 0);
}

static void finish(cposix_measured_t *measured, int status, const struct rusage *usage) {
  measured->end = cposix_monotonic_nanoseconds();
  measured->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  measured->peak_memory = usage->ru_maxrss * 1024;
  measured->minor_faults += usage->ru_minflt;
  measured->major_faults += usage->ru_majflt;
}

long cposix_reap_measured(int process, cposix_measured_t *measured) {
  int status = 0;
  struct rusage usage;
  pid_t result = wait4(process, &status, WNOHANG, &usage);
  if (result <= 0) return result < 0 ? -errno : 0;
  finish(measured, status, &usage);
  return 1;
}

// MARK: Tracing

static int is_entry(pid_t thread) {
  // The first member of struct ptrace_syscall_info says what the stop is.
  unsigned char info[128];
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, info) <= 0) return 0;
  return info[0] == PTRACE_SYSCALL_INFO_ENTRY;
}

static void go_on(pid_t thread, int status, int process, cposix_measured_t *measured) {
  int number = WSTOPSIG(status), event = status >> 16;
  long forwarded = 0;
  if (number == (SIGTRAP | 0x80)) {
    if (measured->programs > 0 && is_entry(thread)) measured->calls++;
  } else if (event == PTRACE_EVENT_EXEC) {
    if (thread == process) {
      measured->programs++;
      if (measured->programs == 2) measured->calls_until_program = measured->calls;
    }
  } else if (event == PTRACE_EVENT_STOP && number != SIGTRAP) {
    // Stopped by job control, until somebody continues it.
    ptrace(PTRACE_LISTEN, thread, 0ul, 0ul);
    return;
  } else if (event == 0) {
    forwarded = number;
  }
  ptrace(PTRACE_SYSCALL, thread, 0ul, forwarded);
}

long cposix_trace_step(int process, cposix_measured_t *measured) {
  // At most so many at once, so that a busy program does not keep its caller from looking at anything else.
  for (int i = 0; i < 1000; i++) {
    int status = 0;
    struct rusage usage;
    // What other threads started is theirs to wait for.
    pid_t thread = wait4(-1, &status, WNOHANG | __WALL | __WNOTHREAD, &usage);
    if (thread <= 0) {
      // Nothing tells when a traced process stops but asking again.
      sched_yield();
      return thread < 0 ? -errno : 0;
    }
    if (WIFSTOPPED(status)) {
      go_on(thread, status, process, measured);
    } else if (thread == process) {
      finish(measured, status, &usage);
      return 1;
    }
  }
  return 0;
}

// MARK: Sockets

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

long cposix_free_port(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  struct sockaddr_in address = address_of(0);
  socklen_t length = sizeof address;
  long result = bind(fd, (struct sockaddr *)&address, length);
  if (result == 0) result = getsockname(fd, (struct sockaddr *)&address, &length);
  result = result < 0 ? -errno : ntohs(address.sin_port);
  close(fd);
  return result;
}

long cposix_connect_to_port(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  struct sockaddr_in address = address_of(port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
    long result = -errno;
    close(fd);
    return result;
  }
  return fd;
}

long cposix_connection_result(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
  return -error;
}

// MARK: Page cache

long cposix_forget_pages(int fd) { return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }

long cposix_cached_bytes(int fd, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), count = (size + page - 1) / page;
  if (count == 0) return 0;
  void *address = mmap(0, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return -errno;
  unsigned char *pages = malloc(count);
  long result = pages == NULL ? -ENOMEM : mincore(address, size, pages) < 0 ? -errno : 0;
  for (size_t i = 0; result >= 0 && i < count; i++) result += (pages[i] & 1) * (long)page;
  free(pages);
  munmap(address, size);
  return result > (long)size ? (long)size : result;
}

void cposix_sync(void) { sync(); }

#endif
