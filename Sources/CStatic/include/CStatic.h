// Replacements for functions of glibc when tools/build links `onefold` statically
// (docs/decisions/0018-static-packer.md).
//
// No code calls them by these names: the linker's option --wrap=NAME sends calls of NAME to __wrap_NAME.
#ifndef ONEFOLD_CSTATIC_H
#define ONEFOLD_CSTATIC_H

#include <netdb.h>

// Always fails: a static program must not load a shared library, which would bring a second C library of another
// version.
void *__wrap_dlopen(const char *file, int mode);

// Always fails with EINVAL, as for encodings unknown to the C library: glibc loads converters as shared libraries.
//
// libarchive then returns names as they stand in the archive.
void *__wrap_iconv_open(const char *to, const char *from);

// Always fail: glibc asks modules for names of hosts, which are shared libraries. libcrypto has calls of these, which
// nothing reaches.
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result);
struct hostent *__wrap_gethostbyname(const char *name);

#endif
