#define _GNU_SOURCE

// Calls for sockets, pidfds and the locks of instances: what `Listener`, `RunningInstance` and `ParentDescriptor`
// of the launcher need.

#include "CPosix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

// MARK: Addresses

// Reads a port from `text` up to its end; -1 if it is none.
static int read_port(const char *text) {
  int port = 0, digits = 0;
  for (; *text >= '0' && *text <= '9' && digits < 5; digits++) port = port * 10 + (*text++ - '0');
  return *text || digits == 0 || port > 65535 ? -1 : port;
}

long cposix_parse_address(const char *text, cposix_address_t *address) {
  memset(address, 0, sizeof *address);
  size_t length = strlen(text);
  if (strncmp(text, "unix:/", 6) == 0) {
    struct sockaddr_un *local = (struct sockaddr_un *)address->bytes;
    if (length - 5 >= sizeof local->sun_path) return -ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, text + 5, length - 4);
    address->length = (unsigned)(offsetof(struct sockaddr_un, sun_path) + length - 4);
    address->port = -1;
    return 0;
  }
  char host[64] = "127.0.0.1";
  const char *port = strrchr(text, ':');
  if (port) {
    size_t count = (size_t)(port - text);
    int is_bracketed = text[0] == '[' && count > 2 && text[count - 1] == ']';
    if (is_bracketed) {
      text++;
      count -= 2;
    }
    if (count == 0 || count >= sizeof host) return -EINVAL;
    if (count != 9 || memcmp(text, "localhost", 9) != 0) {
      memcpy(host, text, count);
      host[count] = 0;
    }
    if (is_bracketed != (strchr(host, ':') != 0)) return -EINVAL;
    text = port + 1;
  }
  address->port = read_port(text);
  if (address->port < 0) return -EINVAL;
  struct sockaddr_in *four = (struct sockaddr_in *)address->bytes;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address->bytes;
  four->sin_port = htons((uint16_t)address->port);
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    address->length = sizeof *four;
  } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    address->length = sizeof *six;
  } else {
    return -EINVAL;
  }
  return 0;
}

long cposix_socket_address(int fd, cposix_address_t *address) {
  socklen_t length = sizeof address->bytes;
  memset(address, 0, sizeof *address);
  if (getsockname(fd, (struct sockaddr *)address->bytes, &length) < 0) return -errno;
  address->length = length;
  struct sockaddr *any = (struct sockaddr *)address->bytes;
  // The port is at the same place for both families.
  address->port = any->sa_family == AF_UNIX ? -1 : ntohs(((struct sockaddr_in *)any)->sin_port);
  return 0;
}

static char *put_number(char *to, unsigned value, unsigned base) {
  if (value >= base) to = put_number(to, value / base, base);
  *to = "0123456789abcdef"[value % base];
  return to + 1;
}

size_t cposix_address_text(const cposix_address_t *address, char *text) {
  const struct sockaddr *any = (const struct sockaddr *)address->bytes;
  char *to = text;
  if (any->sa_family == AF_UNIX) {
    const char *path = ((const struct sockaddr_un *)any)->sun_path;
    size_t most = address->length - offsetof(struct sockaddr_un, sun_path);
    // An abstract name begins with a NUL.
    for (size_t i = 0; i < most && (path[i] || i == 0); i++) *to++ = path[i] ? path[i] : '@';
  } else if (any->sa_family == AF_INET) {
    const uint8_t *bytes = (const uint8_t *)&((const struct sockaddr_in *)any)->sin_addr;
    for (int i = 0; i < 4; i++) {
      if (i) *to++ = '.';
      to = put_number(to, bytes[i], 10);
    }
  } else {
    const uint8_t *bytes = (const uint8_t *)&((const struct sockaddr_in6 *)any)->sin6_addr;
    // "::" stands for the first run of zeros.
    int group = 0, is_cut = 0;
    while (group < 8) {
      unsigned value = (unsigned)bytes[2 * group] << 8 | bytes[2 * group + 1];
      if (!is_cut && value == 0 && (group == 7 || !(bytes[2 * group + 2] | bytes[2 * group + 3]))) {
        is_cut = 1;
        if (group == 0) *to++ = ':';
        *to++ = ':';
        while (group < 8 && !(bytes[2 * group] | bytes[2 * group + 1])) group++;
        continue;
      }
      to = put_number(to, value, 16);
      if (++group < 8) *to++ = ':';
    }
  }
  return (size_t)(to - text);
}

// MARK: Listening

static long open_socket(const cposix_address_t *address, int reuse) {
  const struct sockaddr *any = (const struct sockaddr *)address->bytes;
  int fd = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // Else connections of an earlier server, which are closing, keep the address.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (bind(fd, any, address->length) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

long cposix_listen(const cposix_address_t *address) {
  long fd = open_socket(address, 1);
  if (fd < 0) return fd;
  // The kernel lowers this to net.core.somaxconn.
  if (listen((int)fd, 65535) == 0) return fd;
  int error = errno;
  close((int)fd);
  return -error;
}

long cposix_hold_port(const cposix_address_t *address) {
  // With SO_REUSEADDR, two sockets that don't listen may share a port.
  long fd = open_socket(address, 0);
  if (fd != -EADDRINUSE) return fd;
  // Connections of an earlier server keep the port. Another program that listens would have it.
  fd = cposix_listen(address);
  if (fd < 0) return fd;
  // The port stays bound. From now on nobody shares it.
  const int no = 0;
  shutdown((int)fd, SHUT_RD);
  setsockopt((int)fd, SOL_SOCKET, SO_REUSEADDR, &no, sizeof no);
  return fd;
}

long cposix_is_stale(const cposix_address_t *address) {
  // A datagram socket can't connect to a socket of another type, so the program that has it notices nothing.
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int is_stale = connect(fd, (const struct sockaddr *)address->bytes, address->length) < 0 && errno == ECONNREFUSED;
  close(fd);
  return is_stale;
}

long cposix_move_descriptor(int fd, int to) {
  int flags = fcntl(to, F_GETFD);
  // What the program was to inherit under this number stays open under another one.
  if (fd != to && flags == 0 && fcntl(to, F_DUPFD, to + 1) < 0) return -errno;
  if (fd != to) return cposix_result(dup2(fd, to));
  return cposix_set_close_on_exec(fd, 0);
}

int cposix_copy_descriptor(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }

// MARK: Who listens

static void put_hex(char *to, uint32_t value) {
  for (int i = 0; i < 8; i++) to[i] = "0123456789ABCDEF"[value >> (28 - 4 * i) & 15];
}

static int is_zero(const char *digits, size_t count) {
  while (count && digits[count - 1] == '0') count--;
  return count == 0;
}

// What the lines of a table in proc_pid_net(5) are compared with.
typedef struct {
  // Of the address, in the kernel's hexadecimal digits, or the path of a Unix socket.
  const char *host;
  size_t length;
  // The port in four digits; 0 for a Unix socket.
  const char *port;
} wanted_socket;

// Whether a line is of a socket that listens where `wanted` can't. Sets `inode` to its word of that meaning.
static int is_wanted(char **words, int count, const char *end, const wanted_socket *wanted, char **inode) {
  if (!wanted->port) {
    // "Num: RefCount Protocol Flags Type St Inode Path"; the flag says that it listens.
    if (count < 8 || memcmp(words[3], "00010000 ", 9) != 0) return 0;
    *inode = words[6];
    return (size_t)(end - words[7]) == wanted->length && memcmp(words[7], wanted->host, wanted->length) == 0;
  }
  // "sl: HOST:PORT HOST:PORT STATE ...", and the inode is the tenth word.
  if (count < 10 || memcmp(words[3], "0A ", 3) != 0) return 0;
  *inode = words[9];
  const char *colon = memchr(words[1], ':', (size_t)(end - words[1]));
  size_t width = colon ? (size_t)(colon - words[1]) : 0;
  return width && memcmp(colon + 1, wanted->port, 4) == 0 &&
         (is_zero(words[1], width) || is_zero(wanted->host, wanted->length) ||
          (width == wanted->length && memcmp(words[1], wanted->host, width) == 0));
}

// The text "socket:[INODE]" of that socket; empty if there is none in this table.
static void find_socket(const char *table, const wanted_socket *wanted, char *link) {
  char buffer[4096];
  size_t have = 0;
  int fd = openat(AT_FDCWD, table, O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && !*link) {
    ssize_t count = read(fd, buffer + have, sizeof buffer - have);
    if (count <= 0) break;
    have += (size_t)count;
    char *line = buffer, *end;
    while (!*link && (end = memchr(line, '\n', have - (size_t)(line - buffer)))) {
      char *words[10], *inode;
      int word = 0, is_space = 1;
      for (char *c = line; c < end && word < 10; c++) {
        if (*c != ' ' && is_space) words[word++] = c;
        is_space = *c == ' ';
      }
      if (is_wanted(words, word, end, wanted, &inode)) {
        char *to = stpcpy(link, "socket:[");
        while (*inode != ' ') *to++ = *inode++;
        stpcpy(to, "]");
      }
      line = end + 1;
    }
    have -= (size_t)(line - buffer);
    memmove(buffer, line, have);
  }
  if (fd >= 0) close(fd);
}

static int has_descriptor(const char *directory, const char *link) {
  char records[4096], target[64];
  int fd = openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int found = 0;
  long count;
  while (fd >= 0 && !found && (count = syscall(SYS_getdents64, fd, records, sizeof records)) > 0) {
    for (long at = 0; at < count && !found; at += *(unsigned short *)(records + at + 16)) {
      ssize_t length = readlinkat(fd, records + at + 19, target, sizeof target - 1);
      if (length < 0) continue;
      target[length] = 0;
      found = strcmp(target, link) == 0;
    }
  }
  if (fd >= 0) close(fd);
  return found;
}

int cposix_listening_process(const cposix_address_t *address) {
  char link[48] = "", records[4096], host[32], port[8];
  const struct sockaddr *any = (const struct sockaddr *)address->bytes;
  if (any->sa_family == AF_UNIX) {
    const char *path = ((const struct sockaddr_un *)any)->sun_path;
    find_socket("/proc/net/unix", &(wanted_socket){path, strlen(path), 0}, link);
  } else {
    size_t digits = any->sa_family == AF_INET ? 8 : 32;
    for (size_t i = 0; i < digits / 8; i++) {
      uint32_t word;
      memcpy(&word, (const char *)any + (digits == 8 ? 4 : 8) + 4 * i, 4);
      put_hex(host + 8 * i, word);
    }
    put_hex(port, (uint32_t)address->port);
    wanted_socket wanted = {host, digits, port + 4};
    find_socket("/proc/net/tcp", &wanted, link);
    if (!*link) find_socket("/proc/net/tcp6", &wanted, link);
  }
  int fd = *link ? openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  int found = 0;
  long count;
  while (fd >= 0 && !found && (count = syscall(SYS_getdents64, fd, records, sizeof records)) > 0) {
    for (long at = 0; at < count && !found; at += *(unsigned short *)(records + at + 16)) {
      const char *name = records + at + 19;
      char path[40] = "/proc/";
      if (*name < '1' || *name > '9' || strlen(name) > 10) continue;
      stpcpy(stpcpy(path + 6, name), "/fd");
      if (has_descriptor(path, link)) {
        for (; *name; name++) found = found * 10 + (*name - '0');
      }
    }
  }
  if (fd >= 0) close(fd);
  return found;
}

// MARK: Other processes

long cposix_read_process_file(int process, const char *name, void *text, size_t size) {
  char path[40] = "/proc/";
  stpcpy(put_number(path + 6, (unsigned)process, 10), name);
  int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  long count = cposix_result(read(fd, text, size));
  close(fd);
  return count;
}

uint64_t cposix_resident_bytes(int process) {
  char text[64];
  long count = cposix_read_process_file(process, "/statm", text, sizeof text - 1);
  if (count <= 0) return 0;
  text[count] = 0;
  const char *c = strchr(text, ' ');
  uint64_t pages = 0;
  while (c && *++c >= '0' && *c <= '9') pages = pages * 10 + (uint64_t)(*c - '0');
  return pages * getauxval(AT_PAGESZ);
}

long cposix_lock_of_process(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return cposix_result(fcntl(fd, F_SETLK, &lock));
}

long cposix_process_with_lock(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_GETLK, &lock) < 0) return -errno;
  return lock.l_type == F_UNLCK ? -ESRCH : lock.l_pid;
}

long cposix_open_process(int process) {
  return cposix_result(syscall(434 /* SYS_pidfd_open */, process, 0));
}

long cposix_signal_process(int pidfd, int number) {
  return cposix_result(syscall(424 /* SYS_pidfd_send_signal */, pidfd, number, 0, 0));
}

long cposix_wait_for_process(int pidfd, int milliseconds) {
  struct pollfd wanted = {pidfd, POLLIN, 0};
  return cposix_result(poll(&wanted, 1, milliseconds));
}

// MARK: Death with a descriptor

long cposix_signal_at_close(int fd, int number) {
  struct stat info;
  if (fstat(fd, &info) < 0) return -errno;
  if (!S_ISFIFO(info.st_mode) && !S_ISSOCK(info.st_mode)) return -EINVAL;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETOWN, getpid()) < 0 || fcntl(fd, F_SETSIG, number) < 0 ||
      fcntl(fd, F_SETFL, flags | O_ASYNC) < 0 || cposix_set_close_on_exec(fd, 0) < 0)
    return -errno;
  struct pollfd end = {fd, 0, 0};
  if (poll(&end, 1, 0) < 0) return -errno;
  return (end.revents & (POLLHUP | POLLERR)) != 0;
}
