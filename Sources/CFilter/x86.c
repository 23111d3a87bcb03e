#include "CFilter.h"

#include <stdint.h>
#include <string.h>

// An opcode counts only where there are as many bytes from it on: 16 places are looked at at once, and more may be by
// another reader.
#define BYTES_AFTER 64

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef char mask16 __attribute__((vector_size(16)));

static bytes16 load(const uint8_t *at) {
  bytes16 value;
  memcpy(&value, at, sizeof value);
  return value;
}

// Behind which of 16 opcodes an address stands; the first in the lowest bit.
static unsigned places(const uint8_t *at) {
  bytes16 opcodes = load(at);
  bytes16 operands = load(at + 1);
  mask16 moves = (mask16)((opcodes & 0xF9) == 0x89) | (mask16)(opcodes == 0xFF);
  mask16 found = (mask16)(opcodes == 0xE8) | (moves & (mask16)((operands & 0xC7) == 0x05));
#ifdef __SSE2__
  return (unsigned)__builtin_ia32_pmovmskb128(found);
#else
  unsigned bits = 0;
  for (int i = 0; i < 16; i++) bits |= (unsigned)(found[i] & 1) << i;
  return bits;
#endif
}

// `sign` is 1 to make addresses absolute, -1 to make them relative.
static inline __attribute__((always_inline)) void convert(
    uint8_t *bytes, size_t count, uint32_t sign) {
  size_t place = 0;
  while (place + BYTES_AFTER <= count) {
    unsigned found = places(bytes + place);
    if (!found) {
      place += 16;
      continue;
    }
    place += (size_t)__builtin_ctz(found);
    if (place + BYTES_AFTER > count) return;
    uint8_t *address = bytes + place + (bytes[place] == 0xE8 ? 1 : 2);
    // Behind it also where it stays: what undoing looks at must not have been changed.
    place = (size_t)(address - bytes) + 4;
    uint32_t value = (uint32_t)address[0] | (uint32_t)address[1] << 8 | (uint32_t)address[2] << 16
        | (uint32_t)address[3] << 24;
    if (value + (1u << 26) >= 1u << 27) continue;
    value += (uint32_t)place * sign;
    value = (uint32_t)((int32_t)(value << 5) >> 5);
    for (int i = 0; i < 4; i++) address[i] = (uint8_t)(value >> (8 * i));
  }
}

void cfilter_x86_apply(void *bytes, size_t count) { convert(bytes, count, 1); }
void cfilter_x86_undo(void *bytes, size_t count) { convert(bytes, count, (uint32_t)-1); }
