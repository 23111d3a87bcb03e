// What signatures in the format of minisign need of libcrypto, by EVP. The bootloader does not use it: EVP would cost
// it 3.4 MB (docs/decisions/0001-embedded-bootloader.md).
//
// No function reads the machine's openssl.cnf, so that no module of the machine takes part.
// `Sources/Signatures` is the only client.

#ifndef ONEFOLD_CSIGNING_H
#define ONEFOLD_CSIGNING_H

#include <stddef.h>
#include <stdint.h>

// Overwrites secrets in a way that the compiler does not leave out (OPENSSL_cleanse).
void csigning_wipe(void *bytes, size_t count);

// MARK: Ed25519 (RFC 8032)

// Each returns 1, or 0 on failure. A seed is the secret key of RFC 8032: 32 bytes.
int csigning_public_key(const uint8_t *seed, uint8_t *public_key);
int csigning_sign(const uint8_t *seed, const void *message, size_t count, uint8_t *signature);
// Returns 1 only if the 64 bytes of `signature` are one of `message` by `public_key`.
int csigning_verify(const uint8_t *public_key, const void *message, size_t count, const uint8_t *signature);

// MARK: scrypt (RFC 7914)

// Returns 1, or 0 if there is too little memory: it needs 128 * n * r bytes.
int csigning_scrypt(const void *password, size_t password_count, const void *salt, size_t salt_count, uint64_t n,
                    uint64_t r, uint64_t p, void *key, size_t key_count);

// MARK: BLAKE2b (RFC 7693)

// The state of BLAKE2b-512. NULL if memory cannot be allocated.
typedef struct csigning_hash csigning_hash;
csigning_hash *csigning_hash_new(void);
// Each returns 1, or 0 on failure.
int csigning_hash_update(csigning_hash *hash, const void *bytes, size_t count);
// Stores the 64 bytes of the hash.
int csigning_hash_finish(csigning_hash *hash, uint8_t *result);
void csigning_hash_free(csigning_hash *hash);

// BLAKE2b without a key, of any length: `result_count` is 1 to 64. libcrypto before 3.2 computes only 64. Wipes what it
// used.
void csigning_blake2b(const void *bytes, size_t count, void *result, size_t result_count);

#endif
