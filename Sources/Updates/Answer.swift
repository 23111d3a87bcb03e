import Posix

/// The head of an answer of an HTTP server: the status and the fields that a fetch needs.
struct AnswerHead: Equatable, Sendable {
  var status: Int
  /// First byte, last byte and size of the file; nil if a field is missing or not valid.
  var contentRange: ContentRange?
  /// In bytes.
  var contentLength: UInt64?
  var contentType = ""
  /// With its quotes, and `W/` if it is weak.
  var entityTag = ""
  var lastModified = ""

  struct ContentRange: Equatable, Sendable {
    var range: Range<UInt64>
    var size: UInt64
  }

  /// Parses the lines of a head without their ends, the status line first (RFC 9112). Nil if that is none.
  init?(_ lines: [[UInt8]]) {
    let parts = (lines.first ?? []).split(separator: UInt8(ascii: " "))
    guard parts.count >= 2, parts[0].starts(with: "HTTP/".utf8),
      let status = decimalNumber([UInt8](parts[1])), (100...999).contains(status)
    else { return nil }
    self.status = Int(status)
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      let value = AnswerHead.trimmed(String(decoding: line[(colon + 1)...], as: UTF8.self))
      switch name {
      case "content-range": contentRange = AnswerHead.range(value)
      case "content-length": contentLength = UInt64(value)
      case "content-type": contentType = value
      case "etag": entityTag = value
      case "last-modified": lastModified = value
      default: break
      }
    }
  }

  /// What a request with `If-Range` names, so that the server answers with the whole file if it is another one
  /// (RFC 9110, section 13.1.5); nil if the server gave nothing that can serve.
  var condition: String? {
    if !entityTag.isEmpty && !entityTag.hasPrefix("W/") { return entityTag }
    return lastModified.isEmpty ? nil : lastModified
  }

  /// "bytes 0-499/1234".
  private static func range(_ value: String) -> ContentRange? {
    guard value.lowercased().hasPrefix("bytes ") else { return nil }
    let parts = value.dropFirst(6).split(separator: "/")
    guard parts.count == 2, let size = UInt64(parts[1]) else { return nil }
    let ends = parts[0].split(separator: "-")
    guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]), first <= last,
      last < size
    else { return nil }
    return ContentRange(range: first..<last + 1, size: size)
  }

  private static func trimmed(_ text: String) -> String {
    let scalars = text.unicodeScalars.drop { $0 == " " || $0 == "\t" }
    var result = String(scalars)
    while result.last == " " || result.last == "\t" { result.removeLast() }
    return result
  }
}
