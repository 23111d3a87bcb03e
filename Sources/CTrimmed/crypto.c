#include "CTrimmed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Debian compiles libcrypto for glibc. These are the glibc functions that musl lacks and that the used parts of
// OpenSSL 1.1 to 3.6 call on either architecture. The linker leaves out those that a version does not call.

// OpenSSL prints a message before it aborts because of an internal error. Hashing has no such error, and musl's
// vfprintf would add 10 kB.
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list arguments) {
  (void)file, (void)flag, (void)format, (void)arguments;
  return -1;
}

unsigned long __isoc23_strtoul(const char *text, char **end, int base) {
  return strtoul(text, end, base);
}

_Noreturn void __longjmp_chk(jmp_buf environment, int value) { longjmp(environment, value); }
