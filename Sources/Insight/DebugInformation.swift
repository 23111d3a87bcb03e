/// The places in an ELF file (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html) that say how much of it is
/// loaded when it runs.
public struct SectionTable: Equatable, Sendable {
  /// Bytes at the start of a file that `init(header:fileSize:)` reads.
  public static let headerByteCount: UInt64 = 64
  private static let rowByteCount = 64
  private static let allocated: UInt64 = 2
  /// The types of sections with debug information, symbols, and the names of symbols.
  private static let types: Set<UInt32> = [1, 2, 3]

  /// The offset of the table in the file, and its length in bytes.
  public let range: Range<UInt64>

  /// Nil for files that are no ELF file of 64 bits in little-endian order, have no table, or lie about its place.
  public init?(header: [UInt8], fileSize: UInt64) {
    guard header.count == Self.headerByteCount,
      header.starts(with: [0x7F, UInt8(ascii: "E"), UInt8(ascii: "L"), UInt8(ascii: "F"), 2, 1])
    else { return nil }
    let offset = Self.number(header, 40, 8)
    let count = Self.number(header, 60, 2)
    guard Self.number(header, 58, 2) == Self.rowByteCount, count > 0, offset >= 64,
      offset <= fileSize, count * UInt64(Self.rowByteCount) <= fileSize - offset
    else { return nil }
    range = offset..<offset + count * UInt64(Self.rowByteCount)
  }

  /// The bytes of sections that are not loaded: debug information, symbols and notes of compilers. Never more than the
  /// file has.
  ///
  /// - Parameter table: the bytes at `range`.
  public func unloadedBytes(_ table: [UInt8], fileSize: UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for row in stride(from: 0, to: table.count - Self.rowByteCount + 1, by: Self.rowByteCount) {
      let type = UInt32(Self.number(table, row + 4, 4))
      let flags = Self.number(table, row + 8, 8)
      guard Self.types.contains(type), flags & Self.allocated == 0 else { continue }
      sum += min(Self.number(table, row + 32, 8), fileSize - sum)
    }
    return sum
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
