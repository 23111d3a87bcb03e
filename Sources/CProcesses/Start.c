#define _GNU_SOURCE

#include "CProcesses.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

cprocess_measured_t *cprocess_map_measured(void) {
  void *address =
      mmap(0, sizeof(cprocess_measured_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? 0 : address;
}

long cprocess_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  // The flag belongs to this end alone: the writer blocks.
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) return 0;
  long result = -errno;
  close(ends[0]);
  close(ends[1]);
  return result;
}

// MARK: Programs

typedef struct {
  const char *path;
  char *const *arguments, *const *environment;
  const char *directory;
  int input, out, error, go;
  pid_t parent;
  cprocess_measured_t *measured;
} program_t;

static void begin_measuring(cprocess_measured_t *measured) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  measured->floor_memory = usage.ru_maxrss * 1024;
  // The counts at the end are added to these.
  measured->minor_faults = -usage.ru_minflt;
  measured->major_faults = -usage.ru_majflt;
  measured->start = cposix_monotonic_nanoseconds();
}

// May run in the memory of the parent, which waits. Changes nothing there except `failure`.
_Noreturn static void become(const program_t *program, volatile int64_t *failure) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &action, 0);
  sigset_t none;
  sigemptyset(&none);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0ul, 0ul, 0ul);
  // The parent may have ended before the call.
  if (getppid() != program->parent) _exit(127);
  if (dup2(program->input, 0) >= 0 && dup2(program->out, 1) >= 0 && dup2(program->error, 2) >= 0 &&
      (program->directory == NULL || chdir(program->directory) == 0)) {
    sigprocmask(SIG_SETMASK, &none, 0);
    // The tracer writes this byte when it is ready.
    char byte;
    if (program->go >= 0 && read(program->go, &byte, 1) != 1) _exit(127);
    if (program->measured != NULL) begin_measuring(program->measured);
    // A benchmark's command may be a script without a `#!` line, which only execvpe starts with the shell.
    if (strchr(program->path, '/') != NULL && program->measured == NULL) {
      execve(program->path, program->arguments, program->environment);
    } else {
      execvpe(program->path, program->arguments, program->environment);
    }
  }
  *failure = -errno;
  _exit(127);
}

// An empty file to read. Some roots have no /dev.
static int open_empty(void) {
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return input >= 0 ? input : (int)cprocess_memory_file("stdin");
}

// Returns the process id, or -errno.
static long start(const program_t *program) {
  volatile int64_t failure = 0;
  // The child must not run this process's handlers.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t process;
  if (program->measured != NULL) {
    // A process that shares this one's memory until execve would count all of it in its peak.
    process = fork();
    if (process == 0) become(program, &program->measured->failure);
  } else {
    process = vfork();
    if (process == 0) become(program, &failure);
  }
  long result = process < 0 ? -errno : process;
  pthread_sigmask(SIG_SETMASK, &before, 0);
  if (process > 0 && failure != 0) {
    while (waitpid(process, 0, 0) < 0 && errno == EINTR) {}
    return (long)failure;
  }
  // Parent and child both do this, because either may need it first.
  if (process > 0 && program->measured != NULL) setpgid(process, process);
  return result;
}

static long begin_tracing(long process, int go) {
  unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
                          PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SEIZE, (pid_t)process, 0ul, options) < 0) return -ENOSYS;
  return write(go, "g", 1) == 1 ? 0 : -EIO;
}

static long start_traced(program_t *program) {
  int go[2];
  if (pipe2(go, O_CLOEXEC) < 0) return -errno;
  program->go = go[0];
  long process = start(program);
  close(go[0]);
  long traced = process < 0 ? process : begin_tracing(process, go[1]);
  // The child was not told to start: kill it.
  if (process > 0 && traced < 0) {
    kill((pid_t)process, SIGKILL);
    while (waitpid((pid_t)process, 0, __WALL) < 0 && errno == EINTR) {}
    process = traced;
  }
  close(go[1]);
  return process;
}

long cprocess_start(const char *path, char *const *arguments, char *const *environment,
                    const char *directory, int out, int error, int trace,
                    cprocess_measured_t *measured) {
  int input = open_empty();
  if (input < 0) return input;
  program_t program = {path, arguments, environment, directory, input, out, error, -1, getpid(), measured};
  if (measured != NULL) memset(measured, 0, sizeof *measured);
  long result = trace ? start_traced(&program) : start(&program);
  close(input);
  return result;
}

// MARK: Guards

static void close_from(unsigned first) {
  if (syscall(436 /* SYS_close_range, Linux 5.9 */, first, ~0u, 0) == 0) return;
  long most = sysconf(_SC_OPEN_MAX);
  if (most < 0 || most > 65536) most = 65536;
  for (int fd = (int)first; fd < most; fd++) close(fd);
}

_Noreturn static void guard(int lifeline, pid_t group) {
  // Leaves the packer's process group, so that signals for it do not reach the guard.
  setsid();
  prctl(PR_SET_NAME, (unsigned long)"onefold-guard", 0ul, 0ul, 0ul);
  // The guard keeps no file open and no directory busy.
  if (dup2(lifeline, 0) < 0 || chdir("/") < 0) _exit(1);
  close_from(1);
  char byte;
  while (read(0, &byte, 1) < 0 && errno == EINTR) {}
  kill(-group, SIGKILL);
  _exit(0);
}

long cprocess_start_guard(int group, int *lifeline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t process = fork();
  if (process == 0) guard(ends[0], (pid_t)group);
  long result = process < 0 ? -errno : process;
  pthread_sigmask(SIG_SETMASK, &before, 0);
  close(ends[0]);
  if (process < 0) close(ends[1]);
  *lifeline = process < 0 ? -1 : ends[1];
  return result;
}

void cprocess_end_guard(int process) {
  kill(process, SIGKILL);
  while (waitpid(process, 0, 0) < 0 && errno == EINTR) {}
}
