#include "CTrimmed.h"

// Finds out whether the processor has SHA instructions. libcrypto calls it from its part of the section
// .init, which is run only if the linker finds crti.o before libcrypto; as a constructor it always is.
// Without it SHA-256 takes four times as long. Calling it twice does no harm.
extern void OPENSSL_cpuid_setup(void);

__attribute__((constructor)) static void find_processor_features(void) { OPENSSL_cpuid_setup(); }
