// How the packer starts programs. No part of the bootloader, which starts none.

#define _GNU_SOURCE

#include "CPosix.h"

#ifdef __GLIBC__

#include <limits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// MARK: Child processes

typedef struct {
  const char *path;
  char *const *arguments, *const *environment;
  const char *directory;
  int input, out, error;
  pid_t parent;
} program_t;

// Runs in the memory of the parent, which waits: changes none of it but `failure`.
_Noreturn static void become(const program_t *program, volatile int *failure) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &action, 0);
  sigset_t none;
  sigemptyset(&none);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0ul, 0ul, 0ul);
  // It may have ended before the kernel was asked for the signal.
  if (getppid() != program->parent) _exit(127);
  if (dup2(program->input, 0) >= 0 && dup2(program->out, 1) >= 0 && dup2(program->error, 2) >= 0 &&
      (program->directory == NULL || chdir(program->directory) == 0)) {
    sigprocmask(SIG_SETMASK, &none, 0);
    if (strchr(program->path, '/') != NULL) {
      execve(program->path, program->arguments, program->environment);
    } else {
      execvpe(program->path, program->arguments, program->environment);
    }
  }
  *failure = errno;
  _exit(127);
}

// Something to read that is empty. Some roots have no /dev.
static int open_empty(void) {
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return input >= 0 ? input : (int)cposix_memory_file("stdin");
}

long cposix_spawn(const char *path, char *const *arguments, char *const *environment,
                  const char *directory, int out, int error) {
  int input = open_empty();
  if (input < 0) return input;
  program_t program = {path, arguments, environment, directory, input, out, error, getpid()};
  volatile int failure = 0;
  // The child must not run this process's handlers.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t process = vfork();
  if (process == 0) become(&program, &failure);
  long result = process < 0 ? -errno : process;
  pthread_sigmask(SIG_SETMASK, &before, 0);
  close(input);
  if (process > 0 && failure != 0) {
    while (waitpid(process, 0, 0) < 0 && errno == EINTR) {}
    result = -failure;
  }
  return result;
}

long cposix_reap(int process, int *status) {
  int raw = 0;
  pid_t result = waitpid(process, &raw, WNOHANG);
  if (result < 0) return -errno;
  if (result == 0) return 0;
  *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return 1;
}

// MARK: Guards

static void close_from(unsigned first) {
  if (syscall(436 /* SYS_close_range, Linux 5.9 */, first, ~0u, 0) == 0) return;
  long most = sysconf(_SC_OPEN_MAX);
  if (most < 0 || most > 65536) most = 65536;
  for (int fd = (int)first; fd < most; fd++) close(fd);
}

_Noreturn static void guard(int lifeline, pid_t group) {
  // Away from signals that a terminal or a killer sends to the packer's process group.
  setsid();
  prctl(PR_SET_NAME, (unsigned long)"onefold-guard", 0ul, 0ul, 0ul);
  // It keeps nothing open or busy.
  if (dup2(lifeline, 0) < 0 || chdir("/") < 0) _exit(1);
  close_from(1);
  char byte;
  while (read(0, &byte, 1) < 0 && errno == EINTR) {}
  kill(-group, SIGKILL);
  _exit(0);
}

long cposix_start_guard(int group, int *lifeline) {
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

void cposix_end_guard(int process) {
  kill(process, SIGKILL);
  while (waitpid(process, 0, 0) < 0 && errno == EINTR) {}
}

#endif
