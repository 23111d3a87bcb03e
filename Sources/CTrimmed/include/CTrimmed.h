// Stands in for parts of libzstd and liblzma that a onefile never needs, so that the linker leaves them out
// of the static bootloader: decoders of zstd's formats before RFC 8878 (92 kB, and code that hostile bytes
// could reach), and of liblzma the checks and filters that docs/format.md, "Codecs", excludes. What liblzma has a
// second time, or as tables that can be computed, is replaced by what does the same in less room.
//
// The definitions are found before those in the archives. Each fails as the library fails for a format
// that it was built without. Only the bootloader links this; dist/onefold has the whole libraries.

#ifndef ONEFOLD_CTRIMMED_H
#define ONEFOLD_CTRIMMED_H

#endif
