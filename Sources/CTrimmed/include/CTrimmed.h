// Replaces parts of liblzma that a onefile never needs, so that the linker leaves them out of the static
// bootloader: the checks and filters that docs/format.md, "Codecs", excludes. Smaller code also replaces
// functions that liblzma duplicates, and tables that can be computed.
//
// The linker finds these definitions before those in the archive. Each unsupported function fails as the library
// fails for a format that it was built without. Only the bootloader links this; dist/onefold has the whole
// library.

#ifndef ONEFOLD_CTRIMMED_H
#define ONEFOLD_CTRIMMED_H

#endif
