#include "CTrimmed.h"

#include <stddef.h>

// -ZSTD_error_version_unsupported (zstd_errors.h), as libzstd returns errors.
#define UNSUPPORTED ((size_t)-12)

#define LEGACY(version)                                                                          \
  void *ZSTDv##version##_createDCtx(void) { return NULL; }                                       \
  size_t ZSTDv##version##_freeDCtx(void *context) { return (void)context, (size_t)0; }           \
  size_t ZSTDv##version##_decompress_usingDict(void *context, void *to, size_t to_size,          \
                                               const void *from, size_t from_size,               \
                                               const void *dictionary, size_t dictionary_size) { \
    (void)context, (void)to, (void)to_size, (void)from, (void)from_size;                         \
    (void)dictionary, (void)dictionary_size;                                                     \
    return UNSUPPORTED;                                                                          \
  }                                                                                              \
  void ZSTDv##version##_findFrameSizeInfoLegacy(const void *from, size_t from_size,              \
                                                size_t *stored, unsigned long long *bound) {     \
    (void)from, (void)from_size;                                                                 \
    *stored = UNSUPPORTED;                                                                       \
    *bound = (unsigned long long)-2;                                                             \
  }                                                                                              \
  size_t ZSTDv##version##_getFrameParams(void *parameters, const void *from, size_t size) {      \
    (void)parameters, (void)from, (void)size;                                                    \
    return UNSUPPORTED;                                                                          \
  }                                                                                              \
  void *ZBUFFv##version##_createDCtx(void) { return NULL; }                                      \
  size_t ZBUFFv##version##_freeDCtx(void *context) { return (void)context, (size_t)0; }          \
  size_t ZBUFFv##version##_decompressInitDictionary(void *context, const void *dictionary,       \
                                                    size_t size) {                               \
    (void)context, (void)dictionary, (void)size;                                                 \
    return UNSUPPORTED;                                                                          \
  }                                                                                              \
  size_t ZBUFFv##version##_decompressContinue(void *context, void *to, size_t *to_size,          \
                                              const void *from, size_t *from_size) {             \
    (void)context, (void)to, (void)to_size, (void)from, (void)from_size;                         \
    return UNSUPPORTED;                                                                          \
  }

LEGACY(05)
LEGACY(06)
LEGACY(07)
