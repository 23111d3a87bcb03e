import CFilter
import TestSupport
import Testing

@Suite struct FrameFilterTests {
  /// Follows docs/format.md, "Filters", word for word.
  private func reference(_ bytes: [UInt8], undo: Bool) -> [UInt8] {
    var b = bytes
    var i = 0
    while i + 64 <= b.count {
      let a: Int
      if b[i] == 0xE8 {
        a = i + 1
      } else if [0x89, 0x8B, 0x8D, 0x8F, 0xFF].contains(b[i]) && b[i + 1] & 0xC7 == 0x05 {
        a = i + 2
      } else {
        i += 1
        continue
      }
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(b[a + $1]) << UInt32(8 * $1) }
      var v = Int(Int32(bitPattern: bits))
      i = a + 4
      guard v >= -1 << 26 && v < 1 << 26 else { continue }
      v = undo ? v - a - 4 : v + a + 4
      let modulus = 1 << 27
      v = ((v + modulus / 2) % modulus + modulus) % modulus - modulus / 2
      for k in 0..<4 { b[a + k] = UInt8(truncatingIfNeeded: v >> (8 * k)) }
    }
    return b
  }

  private func applied(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    result.withUnsafeMutableBytes { cfilter_x86_apply($0.baseAddress, $0.count) }
    return result
  }

  private func undone(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    result.withUnsafeMutableBytes { cfilter_x86_undo($0.baseAddress, $0.count) }
    return result
  }

  /// Mostly bytes that the filter examines.
  private func crowded(_ count: Int, seed: UInt64) -> [UInt8] {
    let common: [UInt8] = [
      0xE8, 0xE9, 0x89, 0x8B, 0x8D, 0x8F, 0xFF, 0x05, 0x0D, 0x3D, 0x00, 0x01, 0x80, 0x88, 0xC7,
    ]
    return noise(count, seed: seed).map { $0 < 200 ? common[Int($0) % common.count] : $0 }
  }

  @Test(arguments: [0, 1, 63, 64, 65, 79, 80, 81, 100, 1000, 4158, 4159, 4160, 70_000])
  func followsTheSpecificationAndIsUndone(count: Int) {
    for seed in 0..<20 {
      let bytes =
        seed % 2 == 0 ? crowded(count, seed: UInt64(seed)) : noise(count, seed: UInt64(seed))
      let filtered = applied(bytes)
      // Arrays of this length do not help in a message.
      let follows = filtered == reference(bytes, undo: false)
      let isUndone = undone(filtered) == bytes
      let undoes = undone(bytes) == reference(bytes, undo: true)
      #expect(follows && isUndone && undoes, "seed \(seed)")
    }
  }

  @Test func usesOfOneAddressBecomeEqual() {
    var code = [UInt8](repeating: 0x90, count: 128)
    // call 0x1000; call 0x1000; mov rax, [0x2000]; lea rax, [0x2000]
    code.replaceSubrange(0..<5, with: [0xE8, 0xFB, 0x0F, 0x00, 0x00])
    code.replaceSubrange(8..<13, with: [0xE8, 0xF3, 0x0F, 0x00, 0x00])
    code.replaceSubrange(16..<23, with: [0x48, 0x8B, 0x05, 0xE9, 0x1F, 0x00, 0x00])
    code.replaceSubrange(24..<31, with: [0x48, 0x8D, 0x05, 0xE1, 0x1F, 0x00, 0x00])
    let filtered = applied(code)
    #expect(Array(filtered[1..<5]) == [0x00, 0x10, 0x00, 0x00])
    #expect(Array(filtered[9..<13]) == [0x00, 0x10, 0x00, 0x00])
    #expect(Array(filtered[19..<23]) == [0x00, 0x20, 0x00, 0x00])
    #expect(Array(filtered[27..<31]) == [0x00, 0x20, 0x00, 0x00])
  }

  @Test func addressesOfMoreThan64MiBStay() {
    let far: [UInt8] = [0xE8, 0x00, 0x00, 0x00, 0x04] + [UInt8](repeating: 0x90, count: 70)
    #expect(applied(far) == far)
    // The address wraps at the end of the range.
    let near: [UInt8] = [0xE8, 0xFF, 0xFF, 0xFF, 0x03] + [UInt8](repeating: 0x90, count: 70)
    #expect(applied(near)[..<5] == [0xE8, 0x04, 0x00, 0x00, 0xFC])
  }
}
