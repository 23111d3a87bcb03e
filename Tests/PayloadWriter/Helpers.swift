import Posix
import TestSupport
import Testing

@testable import PayloadWriter

/// What begins like a static program for x86-64: an ELF header, and nothing that runs.
func elf(_ machine: UInt16 = 62, count: Int = 100, class bits: UInt8 = 2) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  bytes.replaceSubrange(0..<6, with: [0x7F, 0x45, 0x4C, 0x46, bits, 1])
  bytes[18] = UInt8(truncatingIfNeeded: machine)
  bytes[19] = UInt8(machine >> 8)
  return bytes
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

extension ContentIndex {
  /// The contents of a tree that is in a directory.
  init(of directory: TemporaryDirectory, workers: Int = 1) throws {
    try self.init(try scanTree(directory.path), workers: workers, progress: nil)
  }

  func content(of name: String, in tree: ScannedTree) throws -> Content? {
    let index = try #require(
      tree.entries.indices.first { tree.relativePath($0).string == name })
    return contentOfEntry[index].map { contents[$0] }
  }
}
