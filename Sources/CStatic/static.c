#include "CStatic.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

void *__wrap_dlopen(const char *file, int mode) {
  (void)file;
  (void)mode;
  return NULL;
}

void *__wrap_iconv_open(const char *to, const char *from) {
  (void)to;
  (void)from;
  errno = EINVAL;
  return (void *)(intptr_t)-1;
}

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  (void)name;
  (void)service;
  (void)hints;
  (void)result;
  return EAI_FAIL;
}

struct hostent *__wrap_gethostbyname(const char *name) {
  (void)name;
  return NULL;
}
