internal import BinaryRelocation
internal import CArchive

/// The versions of the libraries that read archives and ELF files, such as ("libarchive", "3.6.2").
public var stagingLibraryVersions: [(name: String, version: String)] {
  // "libarchive 3.6.2"
  let archive = String(cString: archive_version_string())
  return [
    ("libarchive", archive.replacing("libarchive ", with: "")), ("elfutils", elfutilsVersion),
  ]
}
