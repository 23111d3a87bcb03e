import BuildTools
import ContentHash
import PayloadFormat
import Posix

/// Makes every distribution's `RECORD` match its files (PyPA specification "Recording installed projects").
///
/// Removed files are dropped, byte code is added, and hashes are updated. Installer notes about the build machine are
/// removed.
func rewriteRecords(
  _ layout: Layout, _ distributions: [Distribution], _ form: ByteCodeForm, workers: Int
) throws(Failure) {
  try forEach(distributions.count, workers) { (index) throws(Failure) in
    try rewriteRecord(layout, distributions[index], form)
  }
}

private func rewriteRecord(
  _ layout: Layout, _ distribution: Distribution, _ form: ByteCodeForm
) throws(Failure) {
  let directory = "\(layout.site)/\(distribution.directory)"
  for name in ["direct_url.json", "REQUESTED", "uv_cache.json", "uv_build.json"] {
    try removeIfPresent(layout.root.appending("\(directory)/\(name)"))
  }
  // The same text for every installer.
  let installer = layout.root.appending("\(directory)/INSTALLER")
  if exists(installer) { try writeFile(installer, "onefold\n") }
  let record = "\(directory)/RECORD"
  guard exists(layout.root.appending(record)) else { return }
  var lines = Set<String>()
  for file in distribution.files where file != record {
    let path = layout.root.appending(file)
    if exists(path), !isDirectory(path) { lines.insert(try line(file, path, layout)) }
    for code in byteCode(of: file, form.suffix(layout.version))
    where exists(layout.root.appending(code)) {
      lines.insert("\(quoted(relative(code, to: layout.site))),,")
    }
  }
  lines.insert("\(quoted(relative(record, to: layout.site))),,")
  try writeFile(
    layout.root.appending(record), lines.sorted().joined(separator: "\n") + "\n")
}

private func line(_ file: String, _ path: Path, _ layout: Layout) throws(Failure) -> String {
  let bytes = try readFile(path)
  let hash = base64(SHA256Hasher.digest(of: bytes.span).bytes)
  return "\(quoted(relative(file, to: layout.site))),sha256=\(hash),\(bytes.count)"
}

/// The paths that a `RECORD` lists, as it writes them: the first fields of a list in CSV (RFC 4180).
public func recordedPaths(_ bytes: [UInt8]) -> [[UInt8]] {
  let quote = UInt8(ascii: "\"")
  let newline = UInt8(ascii: "\n")
  var paths: [[UInt8]] = []
  var index = 0
  while index < bytes.count {
    var path: [UInt8] = []
    if bytes[index] == quote {
      index += 1
      while index < bytes.count {
        let isDoubled = index + 1 < bytes.count && bytes[index + 1] == quote
        if bytes[index] == quote && !isDoubled { break }
        path.append(bytes[index])
        index += bytes[index] == quote ? 2 : 1
      }
    } else {
      while index < bytes.count, bytes[index] != UInt8(ascii: ","), bytes[index] != newline {
        path.append(bytes[index])
        index += 1
      }
    }
    while index < bytes.count && bytes[index] != newline { index += 1 }
    index += 1
    if !path.isEmpty { paths.append(path) }
  }
  return paths
}

/// The possible places of a source's byte code: in `__pycache__`, or in place of the source.
private func byteCode(of file: String, _ suffix: String) -> [String] {
  guard file.hasSuffix(".py") else { return [] }
  let path = Path(file)
  let name = String(decoding: path.lastComponent.dropLast(3), as: UTF8.self)
  return ["\(path.parent.string)/__pycache__/\(name)\(suffix)", file + "c"]
}

/// `path` relative to `directory`; both start at the tree's root.
private func relative(_ path: String, to directory: String) -> String {
  if path.hasPrefix(directory + "/") { return String(path.dropFirst(directory.utf8.count + 1)) }
  var from = directory.split(separator: "/")[...]
  var to = path.split(separator: "/")[...]
  while let a = from.first, let b = to.first, a == b {
    from = from.dropFirst()
    to = to.dropFirst()
  }
  return (from.map { _ in ".." } + to.map(String.init)).joined(separator: "/")
}

/// A field of a CSV file.
private func quoted(_ text: String) -> String {
  guard text.contains(where: { $0 == "," || $0 == "\"" }) else { return text }
  return "\""
    + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
    + "\""
}

/// URL-safe base64 without padding (RFC 4648, section 5).
func base64(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
  var text = ""
  var bits: UInt32 = 0
  var count = 0
  for byte in bytes {
    bits = bits << 8 | UInt32(byte)
    count += 8
    while count >= 6 {
      count -= 6
      text.append(digits[Int(bits >> UInt32(count)) & 63])
    }
  }
  if count > 0 { text.append(digits[Int(bits << UInt32(6 - count)) & 63]) }
  return text
}
