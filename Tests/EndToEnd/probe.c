// The program that the packed trees of these tests run. Its first argument says what it does.

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

struct content {
  size_t length;
  char *bytes;
};

static struct content content(const char *path) {
  struct content result = {0, NULL};
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) < 0) return result;
  result.bytes = malloc(status.st_size + 1);
  result.length = read(file, result.bytes, status.st_size + 1);
  close(file);
  return result;
}

// Maps the first file, and reads the others until its standard input ends. All must stay what they were.
// Says how often they were read.
static int watch(int count, char **paths) {
  struct content *before = calloc(count, sizeof *before);
  for (int i = 0; i < count; i++) before[i] = content(paths[i]);
  int file = open(paths[0], O_RDONLY | O_CLOEXEC);
  char *map = mmap(NULL, before[0].length, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  puts("watching");
  fflush(stdout);
  struct pollfd end = {.fd = 0, .events = POLLIN};
  int rounds = 0;
  for (; poll(&end, 1, 1) == 0; rounds++) {
    if (memcmp(map, before[0].bytes, before[0].length) != 0) return puts("the mapped file"), 1;
    for (int i = 1; i < count; i++) {
      struct content now = content(paths[i]);
      if (now.length != before[i].length || memcmp(now.bytes, before[i].bytes, now.length) != 0)
        return puts(paths[i]), 1;
      free(now.bytes);
    }
  }
  printf("%d\n", rounds);
  return 0;
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
  if (strcmp(what, "watch") == 0) return watch(argc - 2, argv + 2);
  // Until its standard input ends.
  if (strcmp(what, "daemon") == 0) {
    // As programs do that don't know what they were given.
    for (int fd = 3; fd < 256; fd++) close(fd);
    if (chdir("/") != 0) return 1;
    what = "wait";
  }
  if (strcmp(what, "wait") == 0) {
    puts("waiting");
    fflush(stdout);
    while (getchar() != EOF) continue;
  }
  return 0;
}
