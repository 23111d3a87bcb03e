// Stands in for parts of libzstd and liblzma that a onefile never needs, so that the linker leaves them out
// of the static bootloader: decoders of zstd's formats before RFC 8878 (92 kB, and code that hostile bytes
// could reach), and of liblzma the checks and filters that docs/format.md, "Codecs", excludes.
//
// The definitions are found before those in the archives. Each fails as the library fails for a format
// that it was built without. Only the bootloader links this; dist/onefold has the whole libraries.

#ifndef ONEFOLD_CTRIMMED_H
#define ONEFOLD_CTRIMMED_H

#endif
