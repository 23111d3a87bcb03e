import BinaryRelocation
import Posix
import TestSupport
import Testing

/// `tools/patchelf-versions` compares the output of every patchelf version through this test: one pair of paths per
/// line.
private let pairs = ProcessContext.environment("ONEFOLD_ELF_PAIRS")
/// Measures the savings of stripping (docs/decisions/0020): one pair of paths per line.
private let toStrip = ProcessContext.environment("ONEFOLD_STRIP_PAIRS")

struct GivenFilesTests {
  private func lines(_ path: Path?) throws -> [(Path, Path)] {
    let path = try #require(path)
    let file = try FileDescriptor.open(path, .read)
    let bytes = try file.bytes(at: 0, count: Int(file.status().size))
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
      let parts = line.split(separator: "\t")
      return (Path(String(parts[0])), Path(String(parts[1])))
    }
  }

  @Test(.enabled(if: pairs != nil)) func rewrittenFilesLoadTheSame() throws {
    for (old, new) in try lines(pairs) {
      let before = try #require(try ElfFile.read(old))
      let written = try #require(try ElfFile.read(new))
      // As the packer does with the output of patchelf.
      try before.correctProperties(original: old, rewritten: new, written)
      let after = try #require(try ElfFile.read(new))
      let difference = try before.difference(original: old, rewritten: new, after)
      #expect(difference == nil, "\(new.string)")
    }
  }

  @Test(.enabled(if: toStrip != nil)) func filesAreStripped() throws {
    for (old, new) in try lines(toStrip) {
      let before = try #require(try ElfFile.read(old))
      if let reason = try before.writeStripped(old, to: new) {
        print("NOT STRIPPED\t\(old.string)\t\(reason)")
        continue
      }
      let after = try #require(try ElfFile.read(new))
      #expect(after.segments == before.segments && after.isStripped && !after.hasDebugSections)
      let difference = try before.difference(original: old, rewritten: new, after)
      #expect(difference == nil, "\(old.string)")
    }
  }
}
