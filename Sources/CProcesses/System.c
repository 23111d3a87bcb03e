#include "CProcesses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

// MARK: Sockets

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

long cprocess_free_port(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  struct sockaddr_in address = address_of(0);
  socklen_t length = sizeof address;
  long result = bind(fd, (struct sockaddr *)&address, length);
  if (result == 0) result = getsockname(fd, (struct sockaddr *)&address, &length);
  result = result < 0 ? -errno : ntohs(address.sin_port);
  close(fd);
  return result;
}

long cprocess_connect_to_port(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  struct sockaddr_in address = address_of(port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
    long result = -errno;
    close(fd);
    return result;
  }
  return fd;
}

long cprocess_connection_result(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
  return -error;
}

// MARK: Page cache

long cprocess_cached_bytes(int fd, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), count = (size + page - 1) / page;
  if (count == 0) return 0;
  void *address = mmap(0, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return -errno;
  unsigned char *pages = malloc(count);
  long result = pages == NULL ? -ENOMEM : mincore(address, size, pages) < 0 ? -errno : 0;
  for (size_t i = 0; result >= 0 && i < count; i++) result += (pages[i] & 1) * (long)page;
  free(pages);
  munmap(address, size);
  return result > (long)size ? (long)size : result;
}
