// The plain SHA256_* calls are deprecated in favour of EVP, which costs the static bootloader
// 3.4 MB and 0.9 ms a start (docs/decisions/0001-embedded-bootloader.md).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/opensslv.h>
#include <openssl/sha.h>

// Asks the processor whether it has SHA instructions, without which hashing takes four times as long.
// libcrypto does so itself as it is loaded, and in a static program from its part of the section .init, which
// the bootloader leaves out: under a hypervisor each CPUID instruction traps (6 us), and a warm launch hashes
// too little to gain by it. Weak, because a shared libcrypto hides the function. Calling it twice does no harm.
extern void OPENSSL_cpuid_setup(void) __attribute__((weak));
static inline void ccrypto_find_processor_features(void) {
  if (OPENSSL_cpuid_setup) OPENSSL_cpuid_setup();
}
