// Little-endian access to bytes. Callers must check the bounds; a mistake traps, and never reads outside the
// span.

extension Span<UInt8> {
  /// The little-endian number that begins at `offset`.
  ///
  /// - Precondition: All its bytes are inside the span.
  @inlinable @inline(always)
  public func number<Value: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, as: Value.Type = Value.self
  ) -> Value {
    Value(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self))
  }

  /// `number(at:)` of 16 bits.
  @inlinable @inline(always)
  public func u16(_ offset: Int) -> UInt16 { number(at: offset) }

  /// `number(at:)` of 32 bits.
  @inlinable @inline(always)
  public func u32(_ offset: Int) -> UInt32 { number(at: offset) }

  /// `number(at:)` of 64 bits.
  @inlinable @inline(always)
  public func u64(_ offset: Int) -> UInt64 { number(at: offset) }

  func hasPrefix(_ prefix: StaticString) -> Bool {
    guard count >= prefix.utf8CodeUnitCount else { return false }
    for index in 0..<prefix.utf8CodeUnitCount where self[index] != prefix.utf8Start[index] {
      return false
    }
    return true
  }

  func isZero(_ range: Range<Int>) -> Bool {
    for index in range where self[index] != 0 { return false }
    return true
  }

  func array(_ range: Range<Int>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    for index in range { result.append(self[index]) }
    return result
  }
}

extension [UInt8] {
  mutating func append(ascii text: StaticString) {
    append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  public mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
    var rest = value
    for _ in 0..<(Value.bitWidth / 8) {
      append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  mutating func append(decimal value: Int) {
    if value < 0 { append(UInt8(ascii: "-")) }
    let magnitude = value.magnitude
    if magnitude >= 10 { append(decimal: Int(magnitude / 10)) }
    append(UInt8(ascii: "0") + UInt8(magnitude % 10))
  }

  mutating func append(zeros count: Int) {
    for _ in 0..<count { append(0) }
  }
}

/// A SHA-256 value: 32 bytes (FIPS 180-4). This module never computes one.
public struct Digest: Equatable, Hashable, Sendable {
  // Four words compare and copy faster than an array, and need no allocation.
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64

  public static var byteCount: Int { 32 }

  /// All zeros: "no content".
  public static var zero: Digest { Digest() }

  private init() { (a, b, c, d) = (0, 0, 0, 0) }

  /// - Precondition: 32 bytes from `offset` are inside `bytes`.
  public init(_ bytes: Span<UInt8>, at offset: Int) {
    a = bytes.u64(offset)
    b = bytes.u64(offset + 8)
    c = bytes.u64(offset + 16)
    d = bytes.u64(offset + 24)
  }

  public var bytes: [UInt8] {
    var result: [UInt8] = []
    for word in [a, b, c, d] { result.append(littleEndian: word) }
    return result
  }
}
