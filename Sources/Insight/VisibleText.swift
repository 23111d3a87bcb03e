import Posix

/// Text for a page: what cannot be seen, or changes the direction of what follows, is written out as "\u202e".
///
/// Names in a file are anybody's. Without this, a name could look like another one.
func visibleText(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: isInvisible) else { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    if isInvisible(scalar) {
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    } else {
      result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// The same for bytes. Those that are not UTF-8 become `\x` and two digits, as in messages.
func visibleText(_ bytes: [UInt8]) -> String {
  visibleText(String(validating: bytes, as: UTF8.self) ?? escapedText(bytes).string)
}

private func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
  isControl(scalar) || (0x200B...0x200F).contains(scalar.value)
    || (0x2028...0x202E).contains(scalar.value) || (0x2060...0x206F).contains(scalar.value)
    || scalar.value == 0xFEFF
}
