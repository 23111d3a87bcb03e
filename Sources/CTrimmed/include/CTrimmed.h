// Stands in for parts of liblzma that a onefile never needs, so that the linker leaves them out of the static
// bootloader: the checks and filters that docs/format.md, "Codecs", excludes. What liblzma has a second time, or
// as tables that can be computed, is replaced by smaller code that does the same.
//
// The linker finds these definitions before those in the archive. Each fails as the library fails for a format
// that it was built without. Only the bootloader links this; dist/onefold has the whole library.

#ifndef ONEFOLD_CTRIMMED_H
#define ONEFOLD_CTRIMMED_H

#endif
