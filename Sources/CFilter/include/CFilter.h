// Filters of frames (docs/format.md, "Filters"). They work in place and keep the number of bytes.
#ifndef CFILTER_H
#define CFILTER_H

#include <stddef.h>

// x86: turns relative addresses in x86-64 code into absolute ones.
void cfilter_x86_apply(void *bytes, size_t count);
// Undoes the filter. Accepts any bytes.
void cfilter_x86_undo(void *bytes, size_t count);

// arm64: the same for AArch64 code. The bytes need no alignment.
void cfilter_arm64_apply(void *bytes, size_t count);
// Undoes the filter. Accepts any bytes.
void cfilter_arm64_undo(void *bytes, size_t count);

#endif
