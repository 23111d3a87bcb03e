#include "CSigning.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

void csigning_wipe(void *bytes, size_t count) { OPENSSL_cleanse(bytes, count); }

// libcrypto reads its configuration once, at the first use that needs it, unless it was told not to.
static void begin(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); }

// MARK: Ed25519

int csigning_public_key(const uint8_t *seed, uint8_t *public_key) {
  begin();
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
  size_t count = 32;
  int result = key && EVP_PKEY_get_raw_public_key(key, public_key, &count) == 1 && count == 32;
  EVP_PKEY_free(key);
  return result;
}

int csigning_sign(const uint8_t *seed, const void *message, size_t count, uint8_t *signature) {
  begin();
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t length = 64;
  int result = key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
               EVP_DigestSign(context, signature, &length, message, count) == 1 && length == 64;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return result;
}

int csigning_verify(const uint8_t *public_key, const void *message, size_t count, const uint8_t *signature) {
  begin();
  EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, 32);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  int result = key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
               EVP_DigestVerify(context, signature, 64, message, count) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return result;
}

// MARK: scrypt

int csigning_scrypt(const void *password, size_t password_count, const void *salt, size_t salt_count, uint64_t n,
                    uint64_t r, uint64_t p, void *key, size_t key_count) {
  begin();
  // The table, the blocks of all lanes and the working memory.
  uint64_t most = 128 * r * (n + p + 2) + 1024;
  return EVP_PBE_scrypt(password, password_count, salt, salt_count, n, r, p, most, key, key_count) == 1;
}

// MARK: BLAKE2b-512

struct csigning_hash;
static EVP_MD_CTX *context_of(csigning_hash *hash) { return (EVP_MD_CTX *)hash; }

csigning_hash *csigning_hash_new(void) {
  begin();
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (context && EVP_DigestInit_ex(context, EVP_blake2b512(), NULL) != 1) {
    EVP_MD_CTX_free(context);
    context = NULL;
  }
  return (csigning_hash *)context;
}

int csigning_hash_update(csigning_hash *hash, const void *bytes, size_t count) {
  return EVP_DigestUpdate(context_of(hash), bytes, count) == 1;
}

int csigning_hash_finish(csigning_hash *hash, uint8_t *result) {
  unsigned count = 64;
  return EVP_DigestFinal_ex(context_of(hash), result, &count) == 1 && count == 64;
}

void csigning_hash_free(csigning_hash *hash) { EVP_MD_CTX_free(context_of(hash)); }
