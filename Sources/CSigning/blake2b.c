#include "CSigning.h"

#include <string.h>

// RFC 7693, section 3. Names are those of the document.

static const uint64_t IV[8] = {
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
};

static const uint8_t SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t rotated(uint64_t word, int count) { return word >> count | word << (64 - count); }

static void G(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = rotated(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = rotated(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 63);
}

// `block` has 128 bytes. `t` is the number of bytes up to the end of the block; memory has no room for more than 2^64.
static void F(uint64_t *h, const uint8_t *block, uint64_t t, int is_last) {
  uint64_t v[16], m[16];
  for (int i = 0; i < 16; i++) {
    m[i] = 0;
    for (int j = 0; j < 8; j++) m[i] |= (uint64_t)block[8 * i + j] << 8 * j;
  }
  for (int i = 0; i < 8; i++) {
    v[i] = h[i];
    v[i + 8] = IV[i];
  }
  v[12] ^= t;
  if (is_last) v[14] = ~v[14];
  for (int round = 0; round < 12; round++) {
    const uint8_t *s = SIGMA[round % 10];
    for (int i = 0; i < 4; i++) G(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
    for (int i = 0; i < 4; i++) {
      G(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
  }
  for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
  csigning_wipe(v, sizeof v);
  csigning_wipe(m, sizeof m);
}

void csigning_blake2b(const void *bytes, size_t count, void *result, size_t result_count) {
  uint64_t h[8];
  uint8_t block[128];
  const uint8_t *next = bytes;
  size_t left = count;
  memcpy(h, IV, sizeof h);
  h[0] ^= 0x01010000 ^ result_count;
  for (; left > sizeof block; left -= sizeof block, next += sizeof block) F(h, next, count - left + sizeof block, 0);
  memset(block, 0, sizeof block);
  if (left) memcpy(block, next, left);
  F(h, block, count, 1);
  for (size_t i = 0; i < result_count; i++) ((uint8_t *)result)[i] = (uint8_t)(h[i / 8] >> 8 * (i % 8));
  csigning_wipe(h, sizeof h);
  csigning_wipe(block, sizeof block);
}
