#define _GNU_SOURCE

#include "CProcesses.h"

#include <poll.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

long cprocess_wait_for_any(int first, int second, int write, int64_t microseconds) {
  struct pollfd wanted[2] = {{first, POLLIN, 0}, {second, write ? POLLOUT : POLLIN, 0}};
  struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
  if (ppoll(wanted, 2, &time, 0) < 0) return -errno;
  return (wanted[0].revents ? 1 : 0) | (wanted[1].revents ? 2 : 0);
}

long cprocess_has_ended(int process) {
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return -errno;
  return info.si_pid != 0;
}

static long status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void finish(cprocess_measured_t *measured, const struct rusage *usage) {
  measured->peak_memory = usage->ru_maxrss * 1024;
  measured->minor_faults += usage->ru_minflt;
  measured->major_faults += usage->ru_majflt;
}

long cprocess_reap(int process, cprocess_measured_t *measured) {
  int status = 0;
  struct rusage usage;
  pid_t result;
  do result = wait4(process, &status, 0, &usage);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  if (measured != NULL) finish(measured, &usage);
  return status_of(status);
}

// MARK: Tracing

static int is_entry(pid_t thread) {
  // The first member of struct ptrace_syscall_info is the kind of stop.
  unsigned char info[128];
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, info) <= 0) return 0;
  return info[0] == PTRACE_SYSCALL_INFO_ENTRY;
}

static void go_on(pid_t thread, int status, int process, cprocess_measured_t *measured) {
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
    // Job control stopped it; it waits for SIGCONT.
    ptrace(PTRACE_LISTEN, thread, 0ul, 0ul);
    return;
  } else if (event == 0) {
    forwarded = number;
  }
  ptrace(PTRACE_SYSCALL, thread, 0ul, forwarded);
}

// Returns the next process or thread that changed state, or 0, or -errno. Children of other threads are left to
// those threads.
static long next_news(int process, int wait) {
  siginfo_t info = {0};
  int options = WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD | (wait ? 0 : WNOHANG);
  if (waitid(P_ALL, 0, &info, options) < 0) return -errno;
  int has_ended =
      info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
  // Until it is reaped, no other group can get its number.
  if (info.si_pid == process && has_ended) kill(-process, SIGKILL);
  return info.si_pid;
}

long cprocess_trace(int process, cprocess_measured_t *measured, int wait) {
  // A limit, so that a busy program does not keep the caller from other work.
  for (int i = 0; wait || i < 1000; i++) {
    long thread = next_news(process, wait);
    if (thread == -EINTR) continue;
    if (thread < 0) return thread;
    if (thread == 0) {
      // No event reports that a traced process stops, so the caller polls.
      sched_yield();
      return -EAGAIN;
    }
    int status = 0;
    struct rusage usage;
    if (wait4((pid_t)thread, &status, WNOHANG | __WALL | __WNOTHREAD, &usage) <= 0) continue;
    if (WIFSTOPPED(status)) {
      go_on((pid_t)thread, status, process, measured);
    } else if (thread == process) {
      finish(measured, &usage);
      return status_of(status);
    }
  }
  return -EAGAIN;
}
