import Posix

extension Path {
  /// The path of `name` in this directory, without a "." before it.
  func child(_ name: String) -> Path {
    (elementsEqual(Path(".")) ? Path() : self).appending(name.utf8)
  }

  /// As a message names it: without quotes, and with control characters escaped.
  var shown: String { printable(String(decoding: bytes, as: UTF8.self)) }
}

/// A value of a spec as messages show it: in single quotes, escaped, and cut where it is long.
func quoted(_ text: String) -> String {
  let bytes = [UInt8](text.utf8)
  guard bytes.count > 80 else { return quotedText(bytes).string }
  return quotedText(text.prefix(60).utf8).string + "..."
}

/// `text` with control characters as `\xNN`, so that it can't forge output.
func printable(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    if isControl(scalar) {
      for byte in String(scalar).utf8 { result += "\\x" + hexText([byte]).string }
    } else {
      result.unicodeScalars.append(scalar)
    }
  }
  return result
}

func isControl(_ scalar: Unicode.Scalar) -> Bool {
  scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
}

/// "a", "a or b", "a, b or c".
func alternatives(_ items: [String]) -> String {
  guard let last = items.last, items.count > 1 else { return items.first ?? "" }
  return items.dropLast().joined(separator: ", ") + " or " + last
}

/// Without white space around it.
func trimmed(_ text: some StringProtocol) -> String {
  let start = text.drop { $0.isWhitespace }
  return String(start.reversed().drop { $0.isWhitespace }.reversed())
}
