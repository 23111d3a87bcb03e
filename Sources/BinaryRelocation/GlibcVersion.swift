public import PayloadFormat

extension GlibcVersion {
  /// The glibc that the symbol version `name` requires.
  ///
  /// "GLIBC_2.17" requires 2.17, "GLIBC_2.2.5" requires 2.2, and "GLIBC_ABI_DT_RELR" (the loader supports `DT_RELR`)
  /// requires 2.36. Nil for versions of other libraries, for `GLIBC_PRIVATE`, and for loader marks that distributions
  /// backported to older versions.
  public init?(symbolVersion name: String) {
    let prefix = "GLIBC_"
    guard name.utf8.starts(with: prefix.utf8) else { return nil }
    let version = name == "GLIBC_ABI_DT_RELR" ? "2.36" : String(name.dropFirst(prefix.count))
    let parts = version.split(separator: ".", omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count) else { return nil }
    self.init(parsing: Array(parts.prefix(2).joined(separator: ".").utf8).span)
  }
}
