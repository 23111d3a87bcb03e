#include "CFilter.h"

#include <stdint.h>
#include <string.h>

#define INSTRUCTION 4
#define PAGE 4096
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "instructions are read as they are");

// Four instructions. Every CPU of both architectures has registers of this size.
typedef uint32_t words __attribute__((vector_size(16)));

// BL counts in instructions, and wraps at 2^26. `places` are positions in the frame, in instructions.
static inline words convert_calls(words code, words places) {
  words is_call = (words)((code & 0xFC000000) == 0x94000000);
  words changed = 0x94000000 | ((code + places) & 0x03FFFFFF);
  return (changed & is_call) | (code & ~is_call);
}

// ADRP counts in pages, and wraps at 2^21. The lowest two bits of its operand are stored above the others.
static inline words convert_pages(words code, uint32_t page) {
  words operand = (code >> 29 & 3) | (code >> 3 & 0x1FFFFC);
  words is_page = (words)((code & 0x9F000000) == 0x90000000);
  words result = operand + page;
  words changed = (code & 0x9000001F) | (result & 3) << 29 | (result & 0x1FFFFC) << 3;
  return (changed & is_page) | (code & ~is_page);
}

// No instruction is both, and no conversion changes that, so the order does not matter.
static inline words convert_words(words code, uint32_t place, uint32_t sign) {
  words places = (place / INSTRUCTION + (words){0, 1, 2, 3}) * sign;
  return convert_pages(convert_calls(code, places), place / PAGE * sign);
}

// `sign` is 1 to make addresses absolute, -1 to make them relative.
static void convert(uint8_t *bytes, size_t count, uint32_t sign) {
  words code;
  size_t place = 0;
  for (; count - place >= sizeof code; place += sizeof code) {
    memcpy(&code, bytes + place, sizeof code);
    code = convert_words(code, (uint32_t)place, sign);
    memcpy(bytes + place, &code, sizeof code);
  }
  // Bytes after the last whole instruction stay unchanged.
  size_t rest = (count - place) / INSTRUCTION * INSTRUCTION;
  code = (words){0};
  memcpy(&code, bytes + place, rest);
  code = convert_words(code, (uint32_t)place, sign);
  memcpy(bytes + place, &code, rest);
}

void cfilter_arm64_apply(void *bytes, size_t count) { convert(bytes, count, 1); }
void cfilter_arm64_undo(void *bytes, size_t count) { convert(bytes, count, (uint32_t)-1); }
