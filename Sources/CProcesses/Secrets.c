#define _GNU_SOURCE
#include "CProcesses.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>

// MARK: Terminal

// Signals that end or stop a process by default, and that a terminal or a supervisor sends.
static const int prompt_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};
enum { PROMPT_SIGNALS = sizeof prompt_signals / sizeof prompt_signals[0] };

static volatile sig_atomic_t arrived;
static void note(int number) { arrived = number; }

static int is_stop(int number) { return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU; }

static void write_all(int fd, const char *text) {
  // A terminal that takes no prompt takes no password either, which reading reports.
  ssize_t written = write(fd, text, strlen(text));
  (void)written;
}

// Reads one line. Signals end it, unlike cprocess_read_line.
static long read_typed(int fd, char *buffer, size_t capacity) {
  size_t count = 0;
  char byte = 0;
  long result = 0;
  while (!arrived) {
    ssize_t taken = read(fd, &byte, 1);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) {
      result = -errno;
      break;
    }
    if (taken == 0) {
      if (count == 0) result = -ENODATA;
      break;
    }
    if (byte == '\n') break;
    // Takes all of a line that is too long, so that the shell does not get the rest as a command.
    if (count < capacity) buffer[count] = byte;
    count++;
  }
  explicit_bzero(&byte, 1);
  if (result == 0) result = count > capacity ? -E2BIG : (long)count;
  return result;
}

// Asks once, and leaves the signal that ended it in `arrived`.
static long ask_once(int terminal, const char *prompt, char *buffer, size_t capacity) {
  struct sigaction before[PROMPT_SIGNALS], action;
  memset(&action, 0, sizeof action);
  // Without SA_RESTART, so that a signal ends the read.
  action.sa_handler = note;
  arrived = 0;
  for (int i = 0; i < PROMPT_SIGNALS; i++) {
    sigaction(prompt_signals[i], NULL, &before[i]);
    if (before[i].sa_handler != SIG_IGN) sigaction(prompt_signals[i], &action, NULL);
  }
  struct termios shown, hidden;
  long result = tcgetattr(terminal, &shown) == 0 ? 0 : -errno;
  if (result == 0) {
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    // A process in the background gets SIGTTOU here.
    while ((result = tcsetattr(terminal, TCSAFLUSH, &hidden) == 0 ? 0 : -errno) == -EINTR && !arrived) {}
  }
  if (result == 0) {
    write_all(terminal, prompt);
    result = read_typed(terminal, buffer, capacity);
    write_all(terminal, "\n");
    while (tcsetattr(terminal, TCSAFLUSH, &shown) != 0 && errno == EINTR && !is_stop(arrived)) {}
  }
  for (int i = 0; i < PROMPT_SIGNALS; i++) sigaction(prompt_signals[i], &before[i], NULL);
  return result;
}

long cprocess_ask_secret(const char *prompt, void *buffer, size_t capacity) {
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return -ENXIO;
  long result;
  do {
    result = ask_once(terminal, prompt, buffer, capacity);
    if (!arrived) break;
    explicit_bzero(buffer, capacity);
    // Now it does what it would have done. After a stop, the process goes on here.
    kill(getpid(), arrived);
    result = -EINTR;
  } while (is_stop(arrived));
  close(terminal);
  return result;
}

// MARK: Descriptors and variables

long cprocess_read_line(int fd, void *buffer, size_t capacity) {
  size_t count = 0;
  char byte = 0;
  long result = 0;
  for (;;) {
    ssize_t taken = read(fd, &byte, 1);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) result = -errno;
    if (taken <= 0 || byte == '\n') break;
    if (count == capacity) {
      result = -E2BIG;
      break;
    }
    ((char *)buffer)[count++] = byte;
  }
  explicit_bzero(&byte, 1);
  return result < 0 ? result : (long)count;
}

long cprocess_take_variable(const char *name, void *buffer, size_t capacity) {
  char *value = getenv(name);
  if (!value || !*value) return -ENOENT;
  size_t count = strlen(value);
  long result = count > capacity ? -E2BIG : (long)count;
  if (result >= 0) memcpy(buffer, value, count);
  explicit_bzero(value, count);
  unsetenv(name);
  return result;
}
