// deny ERRNO COMMAND...: executes the command where locks fail with that error: flock, and those of open file
// descriptions. Other calls of fcntl work, which strace can't tell apart.

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

int main(int argc, char **argv) {
  if (argc < 3) return 9;
  struct sock_filter filter[] = {
      LOAD(nr),
      IF(SYS_flock, 5, 0),
      IF(SYS_fcntl, 0, 3),
      LOAD(args[1]),
      IF(36 /* F_OFD_GETLK */, 2, 0),
      IF(37 /* F_OFD_SETLK */, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1])),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return 9;
  }
  execv(argv[2], argv + 2);
  return 9;
}
