import Posix

// The syntax of names, versions and sizes. Each function's comment names the document it follows.

/// Whether a text is an application's name, as the launch record defines it (docs/format.md).
func isApplicationName(_ text: String) -> Bool {
  guard (1...64).contains(text.utf8.count), !text.hasPrefix("."), !text.hasPrefix("-") else {
    return false
  }
  return text.utf8.allSatisfy { isLetterOrDigit($0) || "._+-".utf8.contains($0) }
}

/// Whether a text is a version, as the launch record defines it: at most 128 bytes, no control characters.
func isVersionText(_ text: String) -> Bool {
  text.utf8.count <= 128 && !text.unicodeScalars.contains(where: isControl)
}

/// "3.11" or "3.11.7".
public func isPythonVersion(_ text: String) -> Bool {
  let parts = text.split(separator: ".", omittingEmptySubsequences: false)
  return parts.first == "3" && (2...3).contains(parts.count)
    && parts.allSatisfy {
      (1...3).contains($0.utf8.count) && $0.utf8.allSatisfy(isDigit)
        && ($0 == "0" || $0.first != "0")
    }
}

/// A distribution's name in its normalized form, or nil if it is not a valid name (PEP 508).
public func normalizedDistributionName(_ text: String) -> String? {
  guard let first = text.utf8.first, let last = text.utf8.last, isLetterOrDigit(first),
    isLetterOrDigit(last),
    text.utf8.allSatisfy({ isLetterOrDigit($0) || "-_.".utf8.contains($0) })
  else { return nil }
  return normalizedName(text)
}

/// A name in lower case, with each run of `-`, `_` and `.` as one `-` (PEP 503).
public func normalizedName(_ text: String) -> String {
  var result = ""
  for character in text.lowercased() {
    if character == "-" || character == "_" || character == "." {
      if result.last != "-" { result.append("-") }
    } else {
      result.append(character)
    }
  }
  return result
}

/// Whether a text begins as a requirement does (PEP 508): a distribution's name, then a character that can follow one.
///
/// The helper program that reads requirements checks the rest.
public func isRequirement(_ text: String) -> Bool {
  let name = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
  guard normalizedDistributionName(String(name)) != nil,
    !text.unicodeScalars.contains(where: isControl)
  else { return false }
  let rest = text.dropFirst(name.count).drop { $0 == " " || $0 == "\t" }
  return rest.first.map { "[<>=!~;@(".contains($0) } ?? true
}

/// Converts a name to an application's name; nil if no valid character remains.
public func applicationName(of bytes: some Sequence<UInt8>) -> String? {
  let fit = bytes.map { byte in
    isLetterOrDigit(byte) || "._+-".utf8.contains(byte) ? byte : UInt8(ascii: "-")
  }
  let name = String(decoding: fit.drop { ".-".utf8.contains($0) }.prefix(64), as: UTF8.self)
  return name.isEmpty ? nil : name
}

/// Whether a text is "package.module": Python identifiers, without a close look at non-ASCII characters.
func isDottedName(_ text: String) -> Bool {
  text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
    guard let first = part.utf8.first, !isDigit(first) else { return false }
    return part.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "_") || $0 >= 0x80 }
  }
}

/// Whether a text has the form "package.module:function", as `launch.function` requires.
public func isFunction(_ text: String) -> Bool {
  let parts = text.split(separator: ":", omittingEmptySubsequences: false)
  return parts.count == 2 && parts.allSatisfy { isDottedName(String($0)) }
}

/// Whether a text is a variable's name that `execve` can pass on.
func isVariableName(_ text: String) -> Bool {
  !text.isEmpty && !text.utf8.contains(UInt8(ascii: "="))
}

/// The bytes of a size such as "400 MB" or "1.5 GiB". Fractions of a byte are dropped.
///
/// Returns nil if the text is not a size, is less than 1, or needs more than 64 bits.
func byteCount(_ text: String) -> UInt64? {
  let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
  let unit = trimmed(text.dropFirst(number.count)).lowercased()
  let parts = number.split(separator: ".", omittingEmptySubsequences: false)
  guard let factor = sizeUnits[unit], (1...2).contains(parts.count), !parts.contains(""),
    let whole = UInt64(parts[0])
  else { return nil }
  let (product, overflows) = whole.multipliedReportingOverflow(by: factor)
  guard !overflows else { return nil }
  var fraction: UInt64 = 0
  if parts.count == 2 {
    guard parts[1].utf8.count <= 6, let digits = UInt64(parts[1]) else { return nil }
    let divisor = (0..<parts[1].utf8.count).reduce(UInt64(1)) { power, _ in power * 10 }
    fraction = factor * digits / divisor
  }
  let (sum, sumOverflows) = product.addingReportingOverflow(fraction)
  return sumOverflows || sum == 0 ? nil : sum
}

/// The thousandths of "5", "5%" or "2.5 %": 0 to 100 percent with at most one decimal; nil for any other text.
public func thousandths(ofPercentage text: String) -> UInt64? {
  var number = text[...]
  if number.last == "%" { number = number.dropLast() }
  if number.last == " " { number = number.dropLast() }
  let parts = number.split(separator: ".", omittingEmptySubsequences: false)
  let areDigits = parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isDigit) }
  guard areDigits, parts.count <= 2, parts.count == 1 || parts[1].utf8.count == 1,
    let whole = UInt64(parts[0]), whole <= 100
  else { return nil }
  let result = whole * 10 + (parts.count == 2 ? UInt64(parts[1]) ?? 0 : 0)
  return result <= 1000 ? result : nil
}

// The largest unit times a million fits in 64 bits, as `byteCount` requires.
private let sizeUnits: [String: UInt64] = [
  "": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000,
  "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
]

/// 64 hexadecimal digits in lower case; nil for any other text.
func normalizedSHA256(_ text: String) -> String? {
  let digits = text.lowercased()
  guard digits.utf8.count == 64,
    digits.utf8.allSatisfy({ isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) })
  else { return nil }
  return digits
}

/// Whether a byte is an ASCII digit.
public func isDigit(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}

func isLetterOrDigit(_ byte: UInt8) -> Bool {
  isDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
}

/// A relative path inside the tree, without "." components and final slashes; nil if the text is not one. "" stands for
/// the tree itself.
func normalizedTreePath(_ text: String) -> String? {
  guard !text.hasPrefix("/") else { return nil }
  let parts = text.split(separator: "/").filter { $0 != "." }
  return parts.contains("..") ? nil : parts.joined(separator: "/")
}
