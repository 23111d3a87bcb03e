import CFilter
import TestSupport
import Testing

@Suite struct Arm64FilterTests {
  /// Follows docs/format.md, "Filters", word for word. The bytes before `start`, a multiple of 4, must be zeros.
  private func reference(_ bytes: [UInt8], undo: Bool, from start: Int = 0) -> [UInt8] {
    var b = bytes
    var p = start
    while p + 4 <= b.count {
      defer { p += 4 }
      let w = word(b, at: p)
      if w & 0xFC00_0000 == 0x9400_0000 {
        let v = moved(w & 0x3FF_FFFF, by: p / 4, width: 26, undo: undo)
        put(w & 0xFC00_0000 | v, into: &b, at: p)
      } else if w & 0x9F00_0000 == 0x9000_0000 {
        let operand = 4 * (w >> 5 & 0x7FFFF) + (w >> 29 & 3)
        let v = moved(operand, by: p / 4096, width: 21, undo: undo)
        put(w & 0x9F00_001F | (v / 4) << 5 | (v % 4) << 29, into: &b, at: p)
      }
    }
    return b
  }

  private func moved(_ v: UInt32, by q: Int, width: Int, undo: Bool) -> UInt32 {
    let modulus = 1 << width
    return UInt32((Int(v) + (undo ? modulus - q % modulus : q)) % modulus)
  }

  private func word(_ bytes: [UInt8], at place: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
  }

  private func put(_ word: UInt32, into bytes: inout [UInt8], at place: Int) {
    for k in 0..<4 { bytes[place + k] = UInt8(truncatingIfNeeded: word >> UInt32(8 * k)) }
  }

  /// Filters `shift` bytes after an aligned address. The bytes around must not change.
  private func filtered(_ bytes: [UInt8], undo: Bool = false, shift: Int = 0) -> [UInt8] {
    let before = [UInt8](repeating: 0x97, count: shift)
    let after = [UInt8](repeating: 0x97, count: 16)
    var memory = before + bytes + after
    memory.withUnsafeMutableBytes {
      let start = $0.baseAddress! + shift
      undo ? cfilter_arm64_undo(start, bytes.count) : cfilter_arm64_apply(start, bytes.count)
    }
    #expect(Array(memory[..<shift]) == before && Array(memory[(shift + bytes.count)...]) == after)
    return Array(memory[shift..<shift + bytes.count])
  }

  /// Mostly instructions that the filter changes, with any operand.
  private func crowded(_ count: Int, seed: UInt64) -> [UInt8] {
    let highest: [UInt8] = [
      0x94, 0x95, 0x96, 0x97, 0x90, 0xB0, 0xD0, 0xF0, 0x91, 0x93, 0x98, 0x14, 0x10, 0xB4,
    ]
    var bytes = noise(count, seed: seed)
    for place in stride(from: 3, to: count, by: 4) {
      bytes[place] = highest[Int(bytes[place]) % highest.count]
    }
    return bytes
  }

  @Test(arguments: Array(0...40) + [100, 1000, 4095, 4096, 4099, 4100, 70_001])
  func followsTheSpecificationAndIsUndone(count: Int) {
    for seed in 0..<20 {
      let bytes =
        seed % 2 == 0 ? crowded(count, seed: UInt64(seed)) : noise(count, seed: UInt64(seed))
      let changed = filtered(bytes, shift: seed % 16)
      // Arrays of this length do not help in a message.
      let follows = changed == reference(bytes, undo: false)
      let isUndone = filtered(changed, undo: true, shift: seed % 5) == bytes
      let undoes = filtered(bytes, undo: true) == reference(bytes, undo: true)
      #expect(follows && isUndone && undoes, "seed \(seed)")
    }
  }

  /// The highest pages and instructions of the longest frame.
  @Test func positionsUpToTheLongestFrame() {
    let start = (16 << 20) - 8192
    let bytes = zeros(start) + crowded(8192, seed: 1)
    let changed = filtered(bytes)
    let isUndone = filtered(changed, undo: true) == bytes
    let follows = reference(bytes, undo: false, from: start) == changed
    #expect(isUndone && follows)
  }

  private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  @Test(
    arguments: [
      // The examples of docs/format.md.
      (0x1008, 0x97FF_FFFF, 0x9400_0401), (0x3000, 0xD000_0001, 0xB000_0021),
      // The operand wraps: the highest one becomes the lowest. Register and opcode stay.
      (4, 0x97FF_FFFF, 0x9400_0000), (0x1000, 0xF0FF_FFFE, 0x9000_001E),
      (0x1FFC, 0xF07F_FFE3, 0x9080_0003),
      // Instructions in the first page of a frame.
      (0xFFC, 0x9000_0000, 0x9000_0000), (0, 0x9400_0001, 0x9400_0001),
      // B, ADR, LDR and BLR stay unchanged.
      (0x5000, 0x1400_0001, 0x1400_0001), (0x5000, 0x1000_0001, 0x1000_0001),
      (0x5000, 0x5800_0001, 0x5800_0001), (0x5000, 0xD63F_0000, 0xD63F_0000),
    ] as [(Int, UInt32, UInt32)])
  func oneInstruction(_ place: Int, _ raw: UInt32, _ expected: UInt32) {
    var bytes = zeros(place + 4)
    put(raw, into: &bytes, at: place)
    let changed = filtered(bytes)
    #expect(word(changed, at: place) == expected)
    #expect(filtered(changed, undo: true) == bytes)
  }
}
