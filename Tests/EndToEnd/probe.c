// The program that the packed trees of these tests run. Its first argument says what it does.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void show(const char *name, const char *value) {
  printf("%s ", name);
  for (; *value; value++) printf("%02x", (unsigned char)*value);
  putchar('\n');
}

static void show_descriptors(void) {
  DIR *list = opendir("/proc/self/fd");
  for (struct dirent *entry; list && (entry = readdir(list));) {
    char target[4096] = "";
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(list)) continue;
    readlinkat(dirfd(list), entry->d_name, target, sizeof target - 1);
    printf("fd-%s ", entry->d_name);
    show("", target);
  }
}

// The lines of /proc/self/status that tell of signals: "SigIgn:\t0000000000000000".
static void show_signals(void) {
  char line[256];
  FILE *status = fopen("/proc/self/status", "re");
  while (status && fgets(line, sizeof line, status)) {
    if (strncmp(line, "Sig", 3) != 0 || !strchr(line, ':')) continue;
    line[strcspn(line, "\n")] = 0;
    char *value = strchr(line, ':');
    *value = 0;
    show(line, value + 2);
  }
}

// Lines of a name and a value in hexadecimal: what this process was given.
static void report(int argc, char **argv, char **environment) {
  char text[4096];
  struct rlimit files;
  show_descriptors();
  show_signals();
  for (int i = 0; i < argc; i++) show("argument", argv[i]);
  for (char **next = environment; *next; next++) show("environment", *next);
  show("directory", getcwd(text, sizeof text));
  mode_t mask = umask(0);
  getrlimit(RLIMIT_NOFILE, &files);
  sprintf(text, "%d %o %lu %lu", getpid(), mask, (unsigned long)files.rlim_cur,
          (unsigned long)files.rlim_max);
  show("numbers", text);
}

int main(int argc, char **argv, char **environment) {
  const char *what = argc > 1 ? argv[1] : "hello";
  if (strcmp(what, "report") == 0) report(argc, argv, environment);
  if (strcmp(what, "hello") == 0) puts("hello");
  if (strcmp(what, "exit") == 0) return atoi(argv[2]);
  if (strcmp(what, "kill") == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    kill(getpid(), atoi(argv[2]));
  }
  if (strcmp(what, "cat") == 0) {
    for (int byte; (byte = getchar()) != EOF;) putchar(byte);
  }
  // Until its standard input ends.
  if (strcmp(what, "wait") == 0) {
    puts("waiting");
    fflush(stdout);
    while (getchar() != EOF) continue;
  }
  return 0;
}
