#include <gelf.h>
#include <libelf.h>
#include <elfutils/version.h>
