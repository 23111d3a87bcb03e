import Posix
import TestSupport
import Testing

@testable import PayloadWriter

/// The beginning of a static program for x86-64: an ELF header without executable code.
func elf(_ machine: UInt16 = 62, count: Int = 100, class bits: UInt8 = 2) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  bytes.replaceSubrange(0..<6, with: [0x7F, 0x45, 0x4C, 0x46, bits, 1])
  bytes[18] = UInt8(truncatingIfNeeded: machine)
  bytes[19] = UInt8(machine >> 8)
  return bytes
}

/// The beginning of a library for x86-64, full of calls of three functions. Only the filter makes it smaller.
func machineCode(_ calls: Int) -> [UInt8] {
  var bytes = elf()
  for number in 0..<calls {
    bytes += noise(3, seed: UInt64(number)).map { $0 & 0x3F }
    let target = [0x1234_50, 0x4567_80, 0x789A_B0][Int(noise(1, seed: UInt64(number))[0]) % 3]
    let address = UInt32(bitPattern: Int32(target - bytes.count - 5))
    bytes.append(0xE8)
    for shift in stride(from: 0, to: 32, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: address >> UInt32(shift)))
    }
  }
  return bytes
}

/// The beginning of a library for AArch64, full of calls of three functions. Only its filter makes it smaller.
func arm64Code(_ calls: Int) -> [UInt8] {
  var bytes = elf(183)
  for number in 0..<calls {
    bytes += noise(3, seed: UInt64(number)) + [0]
    let target = [0x1234_50, 0x4567_80, 0x789A_B0][Int(noise(1, seed: UInt64(number))[0]) % 3]
    let distance = UInt32(bitPattern: Int32((target - bytes.count) / 4))
    let call = 0x9400_0000 | distance & 0x3FF_FFFF
    for shift in stride(from: 0, to: 32, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: call >> UInt32(shift)))
    }
  }
  return bytes
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

extension ContentIndex {
  /// Reads the contents of the tree in a directory.
  init(of directory: TemporaryDirectory, frameSize: Int = 64 << 10, workers: Int = 1) throws {
    try self.init(
      try scanTree(directory.path), frameSize: frameSize, workers: workers, progress: nil)
  }

  func content(of name: String, in tree: ScannedTree) throws -> Content? {
    let index = try #require(
      tree.entries.indices.first { tree.relativePath($0).string == name })
    return contentOfEntry[index].map { contents[$0] }
  }
}
