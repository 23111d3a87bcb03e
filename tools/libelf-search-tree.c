// libelf.a of elfutils 0.192 calls these functions and does not define them: they are in a library that is not
// installed (elfutils bug 32293, mended in 0.193). tools/static-libraries adds them to its copy.
#define _GNU_SOURCE  // tdestroy
#include <elfutils/version.h>
#include <search.h>
#include <stddef.h>

#if _ELFUTILS_VERSION != 192
#error "libelf.a lacks eu_search_tree_init, and is not of elfutils 0.192: install another version of libelf-dev"
#endif

// A tree of <search.h>. What follows the root is a lock, which none but these functions would take.
typedef struct {
  void *root;
} search_tree;

typedef int comparison(const void *, const void *);

void eu_search_tree_init(search_tree *tree) { tree->root = NULL; }

void eu_search_tree_fini(search_tree *tree, void (*free_node)(void *)) {
  tdestroy(tree->root, free_node);
}

void *eu_tsearch(const void *key, search_tree *tree, comparison *compare) {
  return tsearch(key, &tree->root, compare);
}

void *eu_tfind(const void *key, search_tree *tree, comparison *compare) {
  return tfind(key, &tree->root, compare);
}

void *eu_tdelete(const void *key, search_tree *tree, comparison *compare) {
  return tdelete(key, &tree->root, compare);
}

void eu_tdestroy(search_tree *tree, void (*free_node)(void *)) {
  tdestroy(tree->root, free_node);
  tree->root = NULL;
}
