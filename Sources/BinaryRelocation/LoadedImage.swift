internal import PayloadFormat
import Posix

/// The memory that a loader makes of a file's `PT_LOAD` segments, page by page.
///
/// A segment is mapped in whole pages, and a later one replaces the pages it overlaps: System V ABI, "Program Loading".
struct LoadedImage {
  /// Addresses with one source and one set of permissions.
  struct Piece {
    var addresses: Range<UInt64>
    /// `PF_X` is 1, `PF_W` is 2, `PF_R` is 4.
    var flags: UInt32
    /// The file offset of the first address; nil for zeros.
    var offset: UInt64?

    func cut(to range: Range<UInt64>) -> Piece {
      Piece(
        addresses: range, flags: flags,
        offset: offset.map { $0 + (range.lowerBound - addresses.lowerBound) })
    }
  }

  static let writable: UInt32 = 2
  static let executable: UInt32 = 1

  /// In ascending order, without overlaps.
  private(set) var pieces: [Piece] = []

  /// Nil if a segment cannot be mapped with pages of `pageSize` bytes (a power of two).
  init?(_ segments: [ElfFile.Segment], pageSize: UInt64) {
    let mask = pageSize - 1
    for segment in segments where segment.isLoaded && segment.memorySize > 0 {
      // No real file comes near the end of the address space. Below this limit no sum overflows.
      guard max(segment.address, segment.offset, segment.memorySize, segment.fileSize) < 1 << 60,
        segment.address & mask == segment.offset & mask, segment.fileSize <= segment.memorySize
      else { return nil }
      let start = segment.address & ~mask
      let fileEnd = segment.address + segment.fileSize
      let end = (segment.address + segment.memorySize + mask) & ~mask
      let zeros = segment.memorySize > segment.fileSize ? fileEnd : end
      if segment.fileSize > 0 && start < zeros {
        add(
          Piece(
            addresses: start..<zeros, flags: segment.flags,
            offset: segment.offset - (segment.address - start)))
      }
      let first = segment.fileSize > 0 ? zeros : start
      if first < end { add(Piece(addresses: first..<end, flags: segment.flags, offset: nil)) }
    }
  }

  private mutating func add(_ piece: Piece) {
    var result: [Piece] = []
    for old in pieces {
      let before = old.addresses.clamped(to: 0..<piece.addresses.lowerBound)
      let after = old.addresses.clamped(to: piece.addresses.upperBound..<UInt64.max)
      if !before.isEmpty { result.append(old.cut(to: before)) }
      if !after.isEmpty { result.append(old.cut(to: after)) }
    }
    result.append(piece)
    pieces = result.sorted { $0.addresses.lowerBound < $1.addresses.lowerBound }
  }

  /// The pieces of `range`; nil if part of it is not mapped.
  func pieces(in range: Range<UInt64>) -> [Piece]? {
    var result: [Piece] = []
    var next = range.lowerBound
    for piece in pieces {
      let common = piece.addresses.clamped(to: range)
      if common.isEmpty { continue }
      guard common.lowerBound == next else { return nil }
      result.append(piece.cut(to: common))
      next = common.upperBound
    }
    return next == range.upperBound ? result : nil
  }

  /// The file offset that `address` is loaded from.
  func offset(of address: UInt64) -> UInt64? {
    pieces.first { $0.addresses.contains(address) }
      .flatMap { piece in piece.offset.map { $0 + (address - piece.addresses.lowerBound) } }
  }
}

/// An ELF file's bytes, and the memory made from them.
struct LoadedFile: ~Copyable {
  let file: FileDescriptor
  let image: LoadedImage

  /// Up to `count` bytes from a file offset. Zeros follow the end of the file, as in its last page.
  func bytes(at offset: UInt64, count: Int) throws(Failure) -> [UInt8] {
    var bytes = try file.bytes(at: Int64(offset), count: count)
    bytes += [UInt8](repeating: 0, count: count - bytes.count)
    return bytes
  }

  /// The loaded bytes at `addresses`; nil if not all are mapped, or if there are too many for a table.
  func bytes(_ addresses: Range<UInt64>) throws(Failure) -> [UInt8]? {
    guard addresses.count < 1 << 30, let pieces = image.pieces(in: addresses) else { return nil }
    var result: [UInt8] = []
    for piece in pieces {
      if let offset = piece.offset {
        result += try bytes(at: offset, count: piece.addresses.count)
      } else {
        result += [UInt8](repeating: 0, count: piece.addresses.count)
      }
    }
    return result
  }
}

extension Array where Element == UInt8 {
  /// A little-endian number; nil beyond the end.
  func number<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    at offset: Int, as: Value.Type = Value.self
  )
    -> Value?
  {
    let size = Value.bitWidth / 8
    guard offset >= 0, offset <= count - size else { return nil }
    return span.number(at: offset)
  }

  /// The bytes from `start` to the next NUL.
  func text(at start: UInt64) -> ArraySlice<UInt8>? {
    guard let start = Int(exactly: start), start < count,
      let end = self[start...].firstIndex(of: 0)
    else { return nil }
    return self[start..<end]
  }

  mutating func append<Value: FixedWidthInteger>(little value: Value) {
    for shift in stride(from: 0, to: Value.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: value >> Value(shift)))
    }
  }
}
