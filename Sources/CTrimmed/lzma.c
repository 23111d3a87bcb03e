#include "CTrimmed.h"

#define OPENSSL_SUPPRESS_DEPRECATED

#include <lzma.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// These functions and the layout of lzma_check_state are private to liblzma. They are the same in these versions.
// tools/build-bootloader checks that the archive defines each function that is replaced here.
#if LZMA_VERSION < 50020000 || LZMA_VERSION >= 50090000
#error "Sources/CTrimmed/lzma.c replaces private functions of liblzma 5.2 to 5.8: compare it with \
this version's src/liblzma, run tools/check-bootloaders, and change the versions above"
#endif

// Branch filters and the delta filter.
#define FILTER(name)                                                                 \
  int lzma_##name##_decoder_init(void *next, const void *allocator, const void *filters) { \
    (void)next, (void)allocator, (void)filters;                                      \
    return LZMA_OPTIONS_ERROR;                                                            \
  }

FILTER(simple_x86)
FILTER(simple_powerpc)
FILTER(simple_ia64)
FILTER(simple_arm)
FILTER(simple_armthumb)
FILTER(simple_arm64)
FILTER(simple_sparc)
FILTER(simple_riscv)
FILTER(delta)

int lzma_simple_props_decode(void **options, const void *allocator, const uint8_t *properties,
                             size_t size) {
  (void)options, (void)allocator, (void)properties, (void)size;
  return LZMA_OPTIONS_ERROR;
}

int lzma_delta_props_decode(void **options, const void *allocator, const uint8_t *properties,
                            size_t size) {
  (void)options, (void)allocator, (void)properties, (void)size;
  return LZMA_OPTIONS_ERROR;
}

uint64_t lzma_delta_coder_memusage(const void *options) {
  (void)options;
  return UINT64_MAX;
}

// liblzma compares its index by SHA-256. This uses libcrypto's, which the bootloader has anyway. Between calls,
// the state is kept where liblzma keeps it, because liblzma owns the memory (lzma_check_state of its
// check/check.h).
typedef struct {
  uint8_t buffer[64];
  uint32_t state[8];
  uint64_t size;
} check_state;

static void load(SHA256_CTX *context, const check_state *check) {
  memcpy(context->h, check->state, sizeof check->state);
  memcpy(context->data, check->buffer, sizeof check->buffer);
  context->Nl = (SHA_LONG)(check->size << 3);
  context->Nh = (SHA_LONG)(check->size >> 29);
  context->num = (unsigned)(check->size % sizeof check->buffer);
  context->md_len = SHA256_DIGEST_LENGTH;
}

static void store(const SHA256_CTX *context, check_state *check) {
  memcpy(check->state, context->h, sizeof check->state);
  memcpy(check->buffer, context->data, sizeof check->buffer);
  check->size = ((uint64_t)context->Nh << 32 | context->Nl) >> 3;
}

void lzma_sha256_init(check_state *check) {
  SHA256_CTX context;
  SHA256_Init(&context);
  memset(context.data, 0, sizeof context.data);
  store(&context, check);
}

void lzma_sha256_update(const uint8_t *bytes, size_t size, check_state *check) {
  SHA256_CTX context;
  load(&context, check);
  SHA256_Update(&context, bytes, size);
  store(&context, check);
}

void lzma_sha256_finish(check_state *check) {
  SHA256_CTX context;
  load(&context, check);
  SHA256_Final(check->buffer, &context);
}

// CRC-32 with tables that are computed on first use, in microseconds, and take no space in the file.
static uint32_t crc_tables[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void fill_crc_tables(void) {
  for (unsigned byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    crc_tables[0][byte] = crc;
  }
  for (int table = 1; table < 8; table++) {
    for (unsigned byte = 0; byte < 256; byte++) {
      uint32_t crc = crc_tables[table - 1][byte];
      crc_tables[table][byte] = crc >> 8 ^ crc_tables[0][crc & 0xFF];
    }
  }
}

uint32_t lzma_crc32(const uint8_t *bytes, size_t size, uint32_t crc) {
  pthread_once(&crc_once, fill_crc_tables);
  crc = ~crc;
  // Little-endian, like all targets.
  for (; size >= 8; size -= 8, bytes += 8) {
    uint32_t low, high;
    memcpy(&low, bytes, 4);
    memcpy(&high, bytes + 4, 4);
    low ^= crc;
    crc = crc_tables[7][low & 0xFF] ^ crc_tables[6][low >> 8 & 0xFF] ^
          crc_tables[5][low >> 16 & 0xFF] ^ crc_tables[4][low >> 24] ^
          crc_tables[3][high & 0xFF] ^ crc_tables[2][high >> 8 & 0xFF] ^
          crc_tables[1][high >> 16 & 0xFF] ^ crc_tables[0][high >> 24];
  }
  while (size-- > 0) crc = crc >> 8 ^ crc_tables[0][(crc ^ *bytes++) & 0xFF];
  return ~crc;
}

// CRC64 is not supported: its values never match.
uint64_t lzma_crc64(const uint8_t *bytes, size_t size, uint64_t crc) {
  (void)bytes, (void)size;
  return ~crc;
}
