// Filters of frames (docs/format.md, "Filters"): bytes in, as many bytes out, in place.
#ifndef CFILTER_H
#define CFILTER_H

#include <stddef.h>

// x86: addresses of x86-64 code that are relative become absolute.
void cfilter_x86_apply(void *bytes, size_t count);
// Gives back what was filtered. Takes any bytes.
void cfilter_x86_undo(void *bytes, size_t count);

// arm64: the same for AArch64 code. The bytes may stand anywhere in memory.
void cfilter_arm64_apply(void *bytes, size_t count);
// Gives back what was filtered. Takes any bytes.
void cfilter_arm64_undo(void *bytes, size_t count);

#endif
