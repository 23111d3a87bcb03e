internal import Posix

/// The texts of minisign's files: a few lines, which alternate between a comment and base64.
enum Lines {
  static let untrusted = [UInt8]("untrusted comment: ".utf8)
  static let trusted = [UInt8]("trusted comment: ".utf8)

  /// The longest comments that minisign reads, in bytes without their beginnings.
  static let longestUntrusted = 1003
  static let longestTrusted = 8173

  /// A rule that a text breaks, in words that follow "it is not valid: ".
  struct Fault: Error, Equatable {
    var text: String

    init(_ text: String) { self.text = text }
  }

  /// Splits `text` into exactly `count` lines. They end with LF or CR LF; the last need not end.
  static func split(_ text: UnsafeRawBufferPointer, count: Int) throws(Fault)
    -> [UnsafeRawBufferPointer]
  {
    var lines: [UnsafeRawBufferPointer] = []
    var start = 0
    while start < text.count {
      guard lines.count < count else { throw Fault("there is text after line \(count)") }
      let rest = UnsafeRawBufferPointer(rebasing: text[start...])
      let length = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count
      var line = UnsafeRawBufferPointer(rebasing: rest[..<length])
      if line.last == UInt8(ascii: "\r") {
        line = UnsafeRawBufferPointer(rebasing: line.dropLast())
      }
      lines.append(line)
      start += length + 1
    }
    guard lines.count == count else { throw Fault("it ends before line \(lines.count + 1)") }
    return lines
  }

  /// The comment in line `number`, counted from 1.
  static func comment(
    _ line: UnsafeRawBufferPointer, _ number: Int, after beginning: [UInt8], longest: Int
  ) throws(Fault) -> [UInt8] {
    guard line.starts(with: beginning) else {
      throw Fault(
        "line \(number) does not begin with '\(String(decoding: beginning, as: UTF8.self))'")
    }
    let bytes = [UInt8](line.dropFirst(beginning.count))
    guard bytes.count <= longest else {
      throw Fault("the comment in line \(number) has more than \(longest) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Fault("the comment in line \(number) is not UTF-8")
    }
    // Tabs separate the fields of a trusted comment.
    guard text.unicodeScalars.allSatisfy({ $0 == "\t" || !isControl($0) }) else {
      throw Fault("the comment in line \(number) has control characters")
    }
    return bytes
  }
}
