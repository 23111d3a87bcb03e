// A server for the tests of listening, of one instance and of the death with a descriptor. It answers one line of each
// client. It takes the socket as sd_listen_fds(3) does, or opens the port that its last argument names.
//
// usage: server [show | fail STATUS | PORT]
//
//   show   print descriptors, arguments and environment, and end
//   fail   end with STATUS
//
// The environment: LOG names a file that gets "begin PID" and, after SIGTERM, "end PID" a moment later; with IGNORE_TERM set,
// SIGTERM does nothing.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void tell(const char *what) {
  char line[64];
  const char *path = getenv("LOG");
  int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  if (file < 0) return;
  write(file, line, sprintf(line, "%s %d\n", what, getpid()));
  close(file);
}

static void end(int number) {
  // Long enough for a launch that does not wait.
  usleep(100000);
  tell("end");
  _exit(0);
}

static void show(int argc, char **argv) {
  DIR *list = opendir("/proc/self/fd");
  for (struct dirent *entry; list && (entry = readdir(list));) {
    char target[4096] = "";
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(list)) continue;
    readlinkat(dirfd(list), entry->d_name, target, sizeof target - 1);
    printf("fd %s %s\n", entry->d_name, target);
  }
  for (int i = 0; i < argc; i++) printf("argument %s\n", argv[i]);
  for (char **next = environ; *next; next++) printf("environment %s\n", *next);
}

static int listener(int argc, char **argv) {
  const char *count = getenv("LISTEN_FDS"), *process = getenv("LISTEN_PID");
  if (count && atoi(count) > 0 && process && atoi(process) == getpid()) return 3;
  int port = argc > 1 ? atoi(argv[argc - 1]) : 0;
  if (port == 0) return -1;
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
    perror("server");
    exit(1);
  }
  return fd;
}

// Starts the onefile again, and tells how that ended.
static int launch_child(char **argv) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    execl(getenv("ONEFOLD_EXE"), argv[0], "fail", "7", (char *)0);
    _exit(99);
  }
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void answer(int client, char **argv) {
  char line[256] = "", text[4096] = "";
  struct pollfd ready = {client, POLLIN, 0};
  ssize_t length = poll(&ready, 1, 10000) > 0 ? read(client, line, sizeof line - 1) : 0;
  if (length <= 0) return;
  line[strcspn(line, "\n")] = 0;
  if (strcmp(line, "pid") == 0) sprintf(text, "%d\n", getpid());
  if (strncmp(line, "env ", 4) == 0) snprintf(text, sizeof text, "%s\n", getenv(line + 4) ? getenv(line + 4) : "");
  if (strncmp(line, "read ", 5) == 0) read(atoi(line + 5), text, sizeof text - 1);
  if (strncmp(line, "close ", 6) == 0) sprintf(text, "%d\n", close(atoi(line + 6)));
  if (strcmp(line, "child") == 0) sprintf(text, "%d\n", launch_child(argv));
  if (strcmp(line, "restart") == 0) {
    sprintf(text, "%d\n", getpid());
    write(client, text, strlen(text));
    close(client);
    execv(getenv("ONEFOLD_EXE"), argv);
    _exit(98);
  }
  write(client, text, strlen(text));
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "show") == 0) return show(argc, argv), 0;
  if (argc > 2 && strcmp(argv[1], "fail") == 0) return atoi(argv[2]);
  signal(SIGPIPE, SIG_IGN);
  if (getenv("LOG")) signal(SIGTERM, end);
  if (getenv("IGNORE_TERM")) signal(SIGTERM, SIG_IGN);
  int fd = listener(argc, argv);
  tell("begin");
  puts("serving");
  fflush(stdout);
  while (fd < 0) pause();
  for (;;) {
    int client = accept4(fd, 0, 0, SOCK_CLOEXEC);
    if (client < 0) continue;
    answer(client, argv);
    close(client);
  }
}
