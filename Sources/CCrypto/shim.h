// The plain SHA256_* calls are deprecated in favour of EVP, which costs the static bootloader
// 3.4 MB and 0.9 ms a start (docs/decisions/0001-embedded-bootloader.md).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
