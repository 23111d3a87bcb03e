#include "ctoml.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

struct ctoml_document {
  // Owns the text that the nodes point to.
  toml::parse_result result;
  std::vector<ctoml_node> nodes;
};

namespace {

ctoml_text text(std::string_view view) { return {view.data(), view.size()}; }

void append(std::vector<ctoml_node> &nodes, const toml::node &node, const toml::key *key);

// toml++ sorts tables by key.
void append_members(std::vector<ctoml_node> &nodes, const toml::table &table) {
  using member = std::pair<const toml::key *, const toml::node *>;
  std::vector<member> members;
  for (auto &&[key, value] : table) members.emplace_back(&key, &value);
  std::stable_sort(members.begin(), members.end(), [](const member &a, const member &b) {
    return a.first->source().begin < b.first->source().begin;
  });
  for (const auto &[key, value] : members) append(nodes, *value, key);
}

void append(std::vector<ctoml_node> &nodes, const toml::node &node, const toml::key *key) {
  ctoml_node result{};
  result.line = node.source().begin.line;
  if (key) {
    result.key = text(key->str());
    result.key_line = key->source().begin.line;
  }
  switch (node.type()) {
    case toml::node_type::string:
      result.type = CTOML_STRING;
      result.text = text(node.as_string()->get());
      break;
    case toml::node_type::integer:
      result.type = CTOML_INTEGER;
      result.integer = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      result.type = CTOML_FLOAT;
      result.number = node.as_floating_point()->get();
      break;
    case toml::node_type::boolean:
      result.type = CTOML_BOOLEAN;
      result.boolean = node.as_boolean()->get();
      break;
    case toml::node_type::array:
      result.type = CTOML_ARRAY;
      result.count = node.as_array()->size();
      break;
    case toml::node_type::table:
      result.type = CTOML_TABLE;
      result.count = node.as_table()->size();
      break;
    default:
      result.type = CTOML_TIME;
      break;
  }
  nodes.push_back(result);
  if (const toml::array *array = node.as_array()) {
    for (const toml::node &item : *array) append(nodes, item, nullptr);
  } else if (const toml::table *table = node.as_table()) {
    append_members(nodes, *table);
  }
}

}  // namespace

ctoml_document *ctoml_parse(const uint8_t *bytes, size_t count) {
  const std::string_view source(reinterpret_cast<const char *>(bytes), count);
  auto *document = new (std::nothrow) ctoml_document{toml::parse(source), {}};
  if (document && document->result) append(document->nodes, document->result.table(), nullptr);
  return document;
}

void ctoml_free(ctoml_document *document) { delete document; }

size_t ctoml_node_count(const ctoml_document *document) { return document->nodes.size(); }

ctoml_node ctoml_node_at(const ctoml_document *document, size_t index) {
  return document->nodes[index];
}

ctoml_error ctoml_parse_error(const ctoml_document *document) {
  const toml::parse_error &error = document->result.error();
  return {text(error.description()), error.source().begin.line, error.source().begin.column};
}
