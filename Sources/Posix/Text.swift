/// Text of a message: bytes of UTF-8.
///
/// Replaces `String` in all parts of the bootloader: in Embedded Swift, `String` costs 50 kB more for the same
/// messages. Literals and interpolation look the same as for `String`.
public struct Text: Sendable, ExpressibleByStringInterpolation {
  public private(set) var bytes: [UInt8]

  public init(utf8 bytes: [UInt8]) { self.bytes = bytes }

  @inline(never)
  public init(stringLiteral value: StaticString) {
    bytes = []
    append(literal: value)
  }

  public init(stringInterpolation: Interpolation) { bytes = stringInterpolation.text.bytes }

  public var isEmpty: Bool { bytes.isEmpty }

  @inline(never)
  public mutating func append(_ text: Text) { bytes.append(contentsOf: text.bytes) }

  @inline(never)
  public mutating func append(literal text: StaticString) {
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(utf8 source: ArraySlice<UInt8>) { bytes.append(contentsOf: source) }

  @inline(never)
  public mutating func append(number value: UInt64) {
    var digits: [UInt8] = []
    var rest = value
    repeat {
      digits.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    for digit in digits.reversed() { bytes.append(digit) }
  }

  /// Appends spaces until the text has `width` bytes.
  @inline(never)
  public mutating func pad(to width: Int) {
    while bytes.count < width { bytes.append(UInt8(ascii: " ")) }
  }

  /// The text with leading spaces, so that it is at least `width` bytes long.
  @inline(never)
  public func right(in width: Int) -> Text {
    var result = Text(utf8: [])
    result.pad(to: width - bytes.count)
    return result + self
  }

  public static func + (left: Text, right: Text) -> Text {
    var result = left
    result.append(right)
    return result
  }

  public static func += (left: inout Text, right: Text) { left.append(right) }

  public struct Interpolation: StringInterpolationProtocol {
    var text = Text(utf8: [])

    public init(literalCapacity: Int, interpolationCount: Int) {}
    public mutating func appendLiteral(_ literal: StaticString) { text.append(literal: literal) }
    public mutating func appendInterpolation(_ value: Text) { text.append(value) }
    public mutating func appendInterpolation(_ value: StaticString) { text.append(literal: value) }
    public mutating func appendInterpolation(_ value: UInt64) { text.append(number: value) }
    public mutating func appendInterpolation(_ value: Int) {
      if value < 0 { text.append(literal: "-") }
      text.append(number: UInt64(value.magnitude))
    }
    public mutating func appendInterpolation(_ value: Int32) { appendInterpolation(Int(value)) }
  }
}
