public import PayloadFormat

extension GlibcVersion {
  /// What the symbol version `name` asks for: "GLIBC_2.17" is 2.17, "GLIBC_2.2.5" is 2.2, "GLIBC_ABI_DT_RELR" (the loader
  /// understands `DT_RELR`) is 2.36. Nil for the versions of other libraries, for `GLIBC_PRIVATE`, and for marks of the loader
  /// that distributions took over into older versions.
  public init?(symbolVersion name: String) {
    let prefix = "GLIBC_"
    guard name.utf8.starts(with: prefix.utf8) else { return nil }
    let version = name == "GLIBC_ABI_DT_RELR" ? "2.36" : String(name.dropFirst(prefix.count))
    let parts = version.split(separator: ".", omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count) else { return nil }
    self.init(parsing: Array(parts.prefix(2).joined(separator: ".").utf8).span)
  }
}
