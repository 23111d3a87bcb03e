/// Base64 of RFC 4648, section 4, with padding. It accepts only what `encode` writes.
enum Base64 {
  private static let digits = [UInt8](
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let padding = UInt8(ascii: "=")

  /// The number of digits, with padding, for so many bytes.
  static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

  /// Writes the digits of `bytes` to `result`, which must have `encodedCount` bytes.
  static func encode(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer) {
    precondition(result.count == encodedCount(bytes.count))
    for group in 0..<result.count / 4 {
      var word: UInt32 = 0
      for index in 0..<3 {
        let position = 3 * group + index
        word = word << 8 | (position < bytes.count ? UInt32(bytes[position]) : 0)
      }
      for index in 0..<4 {
        let isPadding = 3 * group + index > bytes.count
        let digit = digits[Int(word >> UInt32(18 - 6 * index) & 63)]
        result[4 * group + index] = isPadding ? padding : digit
      }
    }
  }

  static func encode(_ bytes: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: encodedCount(bytes.count))
    bytes.withUnsafeBytes { source in result.withUnsafeMutableBytes { encode(source, into: $0) } }
    return result
  }

  /// Fills `result` with the bytes that `text` stands for. Returns false if it does not stand for exactly so many.
  static func decode(_ text: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer)
    -> Bool
  {
    guard text.count == encodedCount(result.count) else { return false }
    for group in 0..<text.count / 4 {
      var word: UInt32 = 0
      for index in 0..<4 {
        let digit = text[4 * group + index]
        if 3 * group + index > result.count {
          guard digit == padding else { return false }
          word <<= 6
        } else {
          guard let value = value(of: digit) else { return false }
          word = word << 6 | value
        }
      }
      for index in 0..<3 {
        let byte = UInt8(truncatingIfNeeded: word >> UInt32(16 - 8 * index))
        let position = 3 * group + index
        if position < result.count {
          result[position] = byte
        } else if byte != 0 {
          return false
        }
      }
    }
    return true
  }

  /// The `count` bytes that `text` stands for; nil if it stands for others.
  static func decode(_ text: UnsafeRawBufferPointer, count: Int) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: count)
    let isValid = result.withUnsafeMutableBytes { decode(text, into: $0) }
    return isValid ? result : nil
  }

  private static func value(of digit: UInt8) -> UInt32? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
