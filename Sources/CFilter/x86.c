#include "CFilter.h"

#include <stdint.h>
#include <string.h>

// An opcode counts only if at least this many bytes follow from its first byte on, so that many are examined at
// once.
#define BYTES_AFTER 64
// The search works in stretches of this many bytes: their places fit in the first-level cache and in 16 bits.
#define STRETCH 4096
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "addresses are read as they are");

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef char mask16 __attribute__((vector_size(16)));

static bytes16 load(const uint8_t *at) {
  bytes16 value;
  memcpy(&value, at, sizeof value);
  return value;
}

// Finds which of 16 opcodes precede an address; the first is the lowest bit. Reads 17 bytes.
static uint64_t opcodes16(const uint8_t *at) {
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

// Finds the places of opcodes among the first `count` bytes, at most STRETCH, in order. Returns their number, and
// may write up to three more. Has no branch for each opcode, because no CPU can predict it.
static size_t find(const uint8_t *bytes, size_t count, uint16_t *places) {
  size_t found = 0;
  for (size_t block = 0; block < count; block += 64) {
    uint64_t bits = 0;
    if (count - block >= 64) {
      for (size_t i = 0; i < 64; i += 16) bits |= opcodes16(bytes + block + i) << i;
    } else {
      for (size_t i = 0; i < count - block; i += 16) bits |= opcodes16(bytes + block + i) << i;
      bits &= (UINT64_C(1) << (count - block)) - 1;
    }
    size_t more = (size_t)__builtin_popcountll(bits);
    for (size_t i = 0; i < 4; i++) {
      // The extra bit keeps the count of zeros defined; its result is overwritten later.
      places[found + i] = (uint16_t)(block + (size_t)__builtin_ctzll(bits | UINT64_C(1) << 63));
      bits &= bits - 1;
    }
    for (size_t i = 4; i < more; i++) {
      places[found + i] = (uint16_t)(block + (size_t)__builtin_ctzll(bits));
      bits &= bits - 1;
    }
    found += more;
  }
  return found;
}

// `sign` is 1 to make addresses absolute, -1 to make them relative.
static inline __attribute__((always_inline)) void convert(
    uint8_t *bytes, size_t count, uint32_t sign) {
  uint16_t places[STRETCH + 3];
  if (count < BYTES_AFTER) return;
  size_t end = count - BYTES_AFTER + 1;
  // The end of the last address, even of an unchanged one: undoing must examine only bytes that were not changed.
  size_t next = 0;
  for (size_t start = 0; start < end; start += STRETCH) {
    size_t found = find(bytes + start, end - start < STRETCH ? end - start : STRETCH, places);
    for (size_t i = 0; i < found; i++) {
      size_t place = start + places[i];
      if (place < next) continue;
      uint8_t *address = bytes + place + (bytes[place] == 0xE8 ? 1 : 2);
      next = (size_t)(address - bytes) + 4;
      uint32_t value;
      memcpy(&value, address, sizeof value);
      uint32_t changed = (uint32_t)((int32_t)((value + (uint32_t)next * sign) << 5) >> 5);
      // An unchanged address is written too: a CPU could not predict this branch either.
      if (value + (1u << 26) >= 1u << 27) changed = value;
      memcpy(address, &changed, sizeof changed);
    }
  }
}

void cfilter_x86_apply(void *bytes, size_t count) { convert(bytes, count, 1); }
void cfilter_x86_undo(void *bytes, size_t count) { convert(bytes, count, (uint32_t)-1); }
