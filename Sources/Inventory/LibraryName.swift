/// The name of a library without the hash that auditwheel adds: "libgfortran.so.5.0.0" for
/// "libgfortran-040039e1.so.5.0.0".
public func libraryName(_ file: String) -> String {
  guard let dot = file.firstRange(of: ".so") else { return file }
  var parts = file[..<dot.lowerBound].split(separator: "-", omittingEmptySubsequences: false)
  // auditwheel of 2023 and later adds two hashes.
  while parts.count > 1, let last = parts.last, last.utf8.count >= 8,
    last.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) })
  {
    parts.removeLast()
  }
  return parts.joined(separator: "-") + file[dot.lowerBound...]
}
