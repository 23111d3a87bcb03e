internal import CLZMA
internal import CZstd
internal import ContentHash

/// The versions of the compression and hash libraries, such as ("zstd", "1.5.4").
public var payloadLibraryVersions: [(name: String, version: String)] {
  [
    ("zstd", String(cString: ZSTD_versionString())),
    ("xz", String(cString: lzma_version_string())),
    ("OpenSSL", opensslVersion),
  ]
}
