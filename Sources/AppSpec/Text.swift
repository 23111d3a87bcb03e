import Posix

extension Path {
  /// The path of `name` in this directory, without a leading ".".
  func child(_ name: String) -> Path {
    (elementsEqual(Path(".")) ? Path() : self).appending(name.utf8)
  }

  /// The path in messages: without quotes, with control characters escaped.
  var shown: String { printable(String(decoding: bytes, as: UTF8.self)) }
}

/// A spec's value in messages: in single quotes, escaped, and cut if it is long.
func quoted(_ text: String) -> String {
  let bytes = [UInt8](text.utf8)
  guard bytes.count > 80 else { return quotedText(bytes).string }
  return quotedText(text.prefix(60).utf8).string + "..."
}

/// "a", "a or b", "a, b or c".
public func alternatives(_ items: [String]) -> String {
  guard let last = items.last, items.count > 1 else { return items.first ?? "" }
  return items.dropLast().joined(separator: ", ") + " or " + last
}

/// Removes surrounding white space.
public func trimmed(_ text: some StringProtocol) -> String {
  let start = text.drop { $0.isWhitespace }
  return String(start.reversed().drop { $0.isWhitespace }.reversed())
}
