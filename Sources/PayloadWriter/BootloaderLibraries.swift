import ContentHash
import PayloadFormat
import Posix

extension Bootloader {
  /// The name of the section that lists the linked libraries, one "NAME VERSION" a line. `tools/build-bootloader`
  /// writes it; no loader reads it.
  static let librariesSection = ".onefold.libraries"

  /// The SHA-256 of the whole bootloader, in hexadecimal.
  public var sha256: String { hexText(SHA256Hasher.digest(of: bytes.span).bytes).string }

  /// The libraries that are linked into the bootloader. Those that every bootloader has are named without a version if it
  /// has no list.
  public var libraries: [(name: String, version: String)] {
    guard let section = section(named: Bootloader.librariesSection) else {
      return ["musl", "openssl", "swift", "xz", "zstd"].map { ($0, "") }
    }
    return section.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard let name = words.first, words.count <= 2 else { return nil }
      return (String(name), words.count > 1 ? String(words[1]) : "")
    }
  }

  /// The bytes of a section (System V gABI, chapter 4); nil if there is none, or the file's headers are damaged.
  private func section(named wanted: String) -> ArraySlice<UInt8>? {
    let entrySize = 64
    let table = Int(clamping: bytes.span.u64(40))
    let count = Int(bytes.span.u16(60))
    let names = Int(bytes.span.u16(62))
    guard Int(bytes.span.u16(58)) == entrySize, names < count, table >= 0,
      table <= bytes.count - count * entrySize
    else { return nil }
    func range(_ index: Int) -> Range<Int>? {
      let header = table + index * entrySize
      let offset = bytes.span.u64(header + 24)
      let size = bytes.span.u64(header + 32)
      guard offset <= UInt64(bytes.count), size <= UInt64(bytes.count) - offset else { return nil }
      return Int(offset)..<Int(offset + size)
    }
    guard let texts = range(names) else { return nil }
    for index in 0..<count {
      let start = texts.lowerBound + Int(bytes.span.u32(table + index * entrySize))
      guard start < texts.upperBound,
        bytes[start..<texts.upperBound].prefix(while: { $0 != 0 }).elementsEqual(wanted.utf8)
      else { continue }
      return range(index).map { bytes[$0] }
    }
    return nil
  }
}
