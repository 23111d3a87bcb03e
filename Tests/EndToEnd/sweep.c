// Runs a program and does something to one of the system calls that it makes, over all its threads, between
// the opening of a given path and the execution of another program. For the sweeps (sweep_support.py).
//
// usage: sweep LOG PATH ACTION CALL NUMBER VALUE PROGRAM [ARGUMENT...]
//
//   LOG     gets a line for each call that was counted (`count`) or disturbed: its number in <sys/syscall.h>,
//           a tab, and the path that it is about, where there is one
//   PATH    calls count from the one on that opens this path; itself included
//   ACTION  count   disturbs nothing
//           kill    ends the process by SIGKILL instead of the call
//           fail    the call is not made (but for a close), and says VALUE, an errno
//           lack    so do all later calls of the same number; where VALUE tells of a file system that can't be
//                   written to, opening a file to read it is none of them
//           short   the call is made with at most VALUE as its third argument, the length
//           memory  disturbs no call: from the first one on the process may have VALUE KiB of address space
//           files   the same with VALUE open descriptors
//   CALL    only calls of this number count; -1: all
//   NUMBER  the call, counted from 1; not used by memory and files, which have a single line in LOG
//
// Exits as the program does, or is ended by the same signal. Exit code 100: the driver itself failed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void require(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "sweep: %s: %s\n", what, strerror(errno));
  exit(100);
}

// The argument that is a path, or -1; -2 for calls whose first argument is a descriptor.
static int path_argument(long call) {
  switch (call) {
  case SYS_open: case SYS_execve: case SYS_readlink: case SYS_stat: case SYS_lstat: case SYS_access:
  case SYS_mkdir: case SYS_unlink: case SYS_rmdir: case SYS_rename: case SYS_chmod:
    return 0;
  case SYS_openat: case SYS_mkdirat: case SYS_unlinkat: case SYS_newfstatat: case SYS_readlinkat:
  case SYS_faccessat: case SYS_faccessat2: case SYS_fchmodat: case SYS_utimensat: case SYS_renameat:
  case SYS_renameat2: case SYS_linkat:
    return 1;
  case SYS_symlinkat:
    return 2;
  case SYS_mmap: case SYS_munmap: case SYS_mprotect: case SYS_brk: case SYS_clone: case SYS_exit:
  case SYS_exit_group: case SYS_rt_sigaction: case SYS_rt_sigprocmask: case SYS_futex: case SYS_umask:
    return -1;
  default:
    return -2;
  }
}

static void read_text(pid_t thread, unsigned long address, char *text, size_t size) {
  size_t length = 0;
  text[0] = 0;
  while (length + sizeof(long) < size) {
    errno = 0;
    long word = ptrace(PTRACE_PEEKDATA, thread, address + length, 0);
    if (errno != 0) break;
    memcpy(text + length, &word, sizeof word);
    if (memchr(&word, 0, sizeof word)) return;
    length += sizeof word;
  }
  text[length] = 0;
}

static void describe(pid_t thread, const unsigned long arguments[6], long call, char *text, size_t size) {
  int index = path_argument(call);
  text[0] = 0;
  if (index >= 0) read_text(thread, arguments[index], text, size);
  if (index != -2 && !(index == 1 && text[0] == 0)) return;
  char link[64];
  snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, (int)arguments[0]);
  ssize_t length = readlink(link, text, size - 1);
  text[length < 0 ? 0 : length] = 0;
}

// Whether a lasting error of that kind spares the call.
static int is_spared(long call, const unsigned long arguments[6], long error) {
  if (call != SYS_openat || (error != ENOSPC && error != EDQUOT && error != EROFS)) return 0;
  return (arguments[2] & (O_CREAT | O_WRONLY | O_RDWR)) == 0;
}

// Threads whose present call is not made, and what it is to say.
static struct { pid_t thread; int error; } failing[64];

static void expect_failure(pid_t thread, int error) {
  for (int i = 0; i < 64; i++) {
    if (failing[i].thread != 0) continue;
    failing[i].thread = thread;
    failing[i].error = error;
    return;
  }
  require(0, "too many threads");
}

static int expected_failure(pid_t thread) {
  for (int i = 0; i < 64; i++) {
    if (failing[i].thread != thread) continue;
    failing[i].thread = 0;
    return failing[i].error;
  }
  return 0;
}

// A limit of the process until it executes another program, which needs what it needs.
static struct rlimit usual;

static void limit(pid_t process, int resource, rlim_t value) {
  require(prlimit(process, resource, 0, &usual) == 0, "prlimit");
  struct rlimit limited = {value, usual.rlim_max};
  require(prlimit(process, resource, &limited, 0) == 0, "prlimit");
}

static void end_as(int status) {
  if (WIFSIGNALED(status)) {
    // Without leaving a core, and not stopped by what the caller ignores.
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100);
}

int main(int argc, char **argv) {
  if (argc < 8) return 100;
  FILE *log = fopen(argv[1], "w");
  require(log != 0, argv[1]);
  const char *first = argv[2], *action = argv[3];
  long wanted = atol(argv[4]), number = atol(argv[5]), value = atol(argv[6]);
  int counts = strcmp(action, "count") == 0, kills = strcmp(action, "kill") == 0;
  int fails = strcmp(action, "fail") == 0, lacks = strcmp(action, "lack") == 0;
  int shortens = strcmp(action, "short") == 0;
  int resource = strcmp(action, "memory") == 0 ? RLIMIT_AS : strcmp(action, "files") == 0 ? RLIMIT_NOFILE : -1;
  require(counts + kills + fails + lacks + shortens + (resource >= 0) == 1, "unknown action");

  pid_t process = fork();
  require(process >= 0, "fork");
  if (process == 0) {
    fclose(log);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(100);
    execv(argv[7], argv + 7);
    _exit(100);
  }
  int status, ended = 0, started = 0, is_counting = 0;
  long count = 0;
  while (1) {
    pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) break;
    if (!WIFSTOPPED(status)) {
      if (thread == process) ended = status;
      continue;
    }
    int signal = WSTOPSIG(status), event = status >> 16, deliver = 0;
    if (!started) {
      // The stop after its own execve.
      started = 1;
      long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
      require(ptrace(PTRACE_SETOPTIONS, thread, 0, options) == 0, "ptrace");
    } else if (event == PTRACE_EVENT_EXEC) {
      // The program that is not ours any more.
      ptrace(PTRACE_DETACH, thread, 0, 0);
      continue;
    } else if (signal == (SIGTRAP | 0x80)) {
      struct __ptrace_syscall_info info;
      // A thread that was killed meanwhile has nothing to tell.
      if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) continue;
      if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        int error = expected_failure(thread);
        struct user_regs_struct registers;
        if (error != 0 && ptrace(PTRACE_GETREGS, thread, 0, &registers) == 0) {
          registers.rax = -error;
          ptrace(PTRACE_SETREGS, thread, 0, &registers);
        }
      } else if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        long call = (long)info.entry.nr;
        unsigned long arguments[6];
        for (int i = 0; i < 6; i++) arguments[i] = info.entry.args[i];
        char text[4200];
        if (!is_counting && path_argument(call) >= 0) {
          read_text(thread, arguments[path_argument(call)], text, sizeof text);
          is_counting = (call == SYS_openat || call == SYS_open) && strcmp(text, first) == 0;
          if (is_counting && resource >= 0) {
            limit(process, resource, resource == RLIMIT_AS ? (rlim_t)value << 10 : (rlim_t)value);
            fprintf(log, "%ld\t%s\n", call, text);
          }
        } else if (is_counting && resource >= 0 && call == SYS_execve) {
          prlimit(process, resource, &usual, 0);
        }
        if (is_counting && resource < 0 && (wanted < 0 || wanted == call)) {
          count++;
          int is_it = count == number || (lacks && count > number);
          if (lacks && is_spared(call, arguments, value)) is_it = 0;
          if (counts || is_it) {
            describe(thread, arguments, call, text, sizeof text);
            fprintf(log, "%ld\t%s\n", call, text);
          }
          if (is_it && kills) {
            kill(process, SIGKILL);
            continue;
          }
          struct user_regs_struct registers;
          if (is_it && !counts && ptrace(PTRACE_GETREGS, thread, 0, &registers) == 0) {
            if (fails || lacks) {
              // A close that fails has closed all the same (close(2)).
              if (call != SYS_close) registers.orig_rax = -1;
              expect_failure(thread, (int)value);
            } else if (registers.rdx > (unsigned long)value) {
              registers.rdx = value;
            }
            ptrace(PTRACE_SETREGS, thread, 0, &registers);
          }
        }
      }
    } else if (event == 0 && signal != SIGSTOP && signal != SIGTRAP) {
      // A new thread begins with a SIGSTOP, which is not the program's.
      deliver = signal;
    }
    ptrace(PTRACE_SYSCALL, thread, 0, deliver);
  }
  fclose(log);
  end_as(ended);
}
