/// What happens to a frame's raw bytes before compression, and is undone after it (docs/format.md, "Filters").
public enum FrameFilter: UInt8, CaseIterable, Sendable {
  case none = 0
  case x86 = 1

  /// Filters `bytes`, in place.
  public func apply(to bytes: UnsafeMutableRawBufferPointer) {
    if self == .x86 { convertAddresses(bytes, toAbsolute: true) }
  }

  /// Gives back the bytes that were filtered, in place. Any bytes will do: never traps.
  public func undo(on bytes: UnsafeMutableRawBufferPointer) {
    if self == .x86 { convertAddresses(bytes, toAbsolute: false) }
  }
}

/// Replaces the relative addresses of x86-64 calls and memory operands by absolute ones, or
/// those by relative ones. Looks at eight places at once: an address stands behind about one byte of 40 of
/// machine code, and less often elsewhere.
@inline(never)
private func convertAddresses(_ bytes: UnsafeMutableRawBufferPointer, toAbsolute: Bool) {
  var place = 0
  while place + 16 <= bytes.count {
    let opcodes = load(bytes, place)
    let calls = zeros(among: opcodes ^ repeated(0xE8))
    let moves = zeros(among: opcodes & repeated(0xF9) ^ repeated(0x89))
    let groups = zeros(among: ~opcodes)
    let operands = zeros(among: load(bytes, place + 1) & repeated(0xC7) ^ repeated(0x05))
    let found = calls | (moves | groups) & operands
    if found == 0 {
      place += 8
      continue
    }
    place += found.trailingZeroBitCount / 8
    if place + 16 > bytes.count { return }
    let address = place + (bytes[place] == 0xE8 ? 1 : 2)
    // Also where it stays: what undoing looks at must not have been changed.
    place = address + 4
    let value = UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: address, as: UInt32.self))
    guard value &+ 0x400_0000 < 0x800_0000 else { continue }
    let end = UInt32(truncatingIfNeeded: place)
    let shifted = (toAbsolute ? value &+ end : value &- end) << 5
    let result = UInt32(bitPattern: Int32(bitPattern: shifted) >> 5)
    bytes.storeBytes(of: result.littleEndian, toByteOffset: address, as: UInt32.self)
  }
}

@inline(always)
private func load(_ bytes: UnsafeMutableRawBufferPointer, _ place: Int) -> UInt64 {
  UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
}

@inline(always)
private func repeated(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

/// The top bit of each byte that is zero.
@inline(always)
private func zeros(among bytes: UInt64) -> UInt64 {
  ~(((bytes & repeated(0x7F)) &+ repeated(0x7F)) | bytes | repeated(0x7F))
}
