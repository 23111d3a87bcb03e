#ifndef ONEFOLD_CTOML_H
#define ONEFOLD_CTOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A parsed TOML document, or its error.
//
// A walk that visits a container before its members numbers the nodes. Members of a table are in the order of the file.
// Node 0 is the root table.
//
// All pointers into a document are valid until ctoml_free.
typedef struct ctoml_document ctoml_document;

typedef enum {
  CTOML_STRING,
  CTOML_INTEGER,
  CTOML_FLOAT,
  CTOML_BOOLEAN,
  CTOML_TIME,
  CTOML_ARRAY,
  CTOML_TABLE,
} ctoml_type;

// UTF-8 bytes without a final NUL.
typedef struct {
  const char *bytes;
  size_t count;
} ctoml_text;

typedef struct {
  ctoml_type type;
  // From 1; 0 if the parser does not know it.
  uint32_t line;
  // The node's key in its table, and the key's line; empty in an array.
  ctoml_text key;
  uint32_t key_line;
  // The type decides which of these is set. CTOML_TIME has no value.
  ctoml_text text;
  int64_t integer;
  double number;
  bool boolean;
  // The number of direct members of an array or a table.
  size_t count;
} ctoml_node;

typedef struct {
  ctoml_text message;
  // From 1; 0 if the parser does not know them.
  uint32_t line;
  uint32_t column;
} ctoml_error;

// The version of toml++, such as "3.3.0".
const char *ctoml_library_version(void);

// Parses UTF-8. Returns NULL if memory cannot be allocated.
ctoml_document *ctoml_parse(const uint8_t *bytes, size_t count);
void ctoml_free(ctoml_document *document);

// 0 if the text is not valid TOML.
size_t ctoml_node_count(const ctoml_document *document);
// `index` must be less than the count.
ctoml_node ctoml_node_at(const ctoml_document *document, size_t index);
// Call this only if the count is 0.
ctoml_error ctoml_parse_error(const ctoml_document *document);

#ifdef __cplusplus
}
#endif

#endif
