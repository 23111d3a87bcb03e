#include "CTrimmed.h"

#include <stddef.h>
#include <stdint.h>

// LZMA_OPTIONS_ERROR (lzma/base.h).
enum { options_error = 8 };

// Branch filters and the delta filter.
#define FILTER(name)                                                                 \
  int lzma_##name##_decoder_init(void *next, const void *allocator, const void *filters) { \
    (void)next, (void)allocator, (void)filters;                                      \
    return options_error;                                                            \
  }

FILTER(simple_x86)
FILTER(simple_powerpc)
FILTER(simple_ia64)
FILTER(simple_arm)
FILTER(simple_armthumb)
FILTER(simple_arm64)
FILTER(simple_sparc)
FILTER(delta)

int lzma_simple_props_decode(void **options, const void *allocator, const uint8_t *properties,
                             size_t size) {
  (void)options, (void)allocator, (void)properties, (void)size;
  return options_error;
}

int lzma_delta_props_decode(void **options, const void *allocator, const uint8_t *properties,
                            size_t size) {
  (void)options, (void)allocator, (void)properties, (void)size;
  return options_error;
}

uint64_t lzma_delta_coder_memusage(const void *options) {
  (void)options;
  return UINT64_MAX;
}

// The check CRC64: its values never match. (SHA-256 stays: liblzma compares its index by it.)
uint64_t lzma_crc64(const uint8_t *bytes, size_t size, uint64_t crc) {
  (void)bytes, (void)size;
  return ~crc;
}
