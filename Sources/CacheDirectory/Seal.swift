internal import CLZMA
internal import ContentHash
internal import PayloadFormat
internal import Posix

/// The record that a tree was unpacked completely, beside it (docs/launch.md, "The seal").
struct Seal {
  /// The boot in which it was written.
  var bootID: [UInt8]
  /// Whether the tree was checked in full after a reboot, or its data was written to the disk for sure.
  var isDurable: Bool
  var treeID: Digest
  private var table: [UInt8]
  private var directoryCount: Int

  static var fileName: Path { Path("seal") }
  private static var headerLength: Int { 128 }
  /// 200,000 directories with long paths; more is not ours.
  private static var longestTable: Int { 64 << 20 }

  // MARK: Reading

  /// Reads the seal in `directory`. Returns nil where there is none, or none that is whole and for
  /// `treeID`. `withTable` reads the table of directories as well, which `directoriesMatch` needs.
  static func read(in directory: DirectoryHandle, treeID: Digest, withTable: Bool) -> Seal? {
    guard let file = try? FileDescriptor.open(fileName, in: directory, .readNoFollow),
      let header = try? file.bytes(at: 0, count: headerLength), header.count == headerLength
    else { return nil }
    let span = header.span
    guard SHA256Hasher.digest(of: span.extracting(0..<96)) == Digest(span, at: 96) else {
      return nil
    }
    let fields = header.span.bytes
    guard fields.unsafeLoad(fromByteOffset: 0, as: UInt32.self) == magic,
      fields.unsafeLoad(fromByteOffset: 4, as: UInt16.self) == 1,
      Digest(span, at: 16) == treeID
    else { return nil }
    let length = Int(fields.unsafeLoad(fromByteOffset: 12, as: UInt32.self))
    guard length <= longestTable else { return nil }
    var table: [UInt8] = []
    if withTable {
      guard let bytes = try? file.bytes(at: Int64(headerLength), count: length),
        bytes.count == length,
        checksum(of: bytes.span) == fields.unsafeLoad(fromByteOffset: 64, as: UInt32.self)
      else { return nil }
      table = bytes
    }
    return Seal(
      bootID: [UInt8](header[48..<64]),
      isDurable: fields.unsafeLoad(fromByteOffset: 6, as: UInt16.self) & 1 != 0, treeID: treeID,
      table: table,
      directoryCount: Int(fields.unsafeLoad(fromByteOffset: 8, as: UInt32.self)))
  }

  /// Whether every directory of the tree is as it was when sealed: same permissions and same time of the
  /// last added, removed or renamed name.
  func directoriesMatch(in root: DirectoryHandle) -> Bool {
    // On one thread: a second one wakes too late to help (docs/benchmarks.md, "Warm launches").
    let table = self.table.span
    var offset = 0
    for _ in 0..<directoryCount {
      guard let row = Row(table, at: offset), row.matches(root, table) else { return false }
      offset = row.end
    }
    return offset == table.count
  }

  /// A row of the table: time (i64 seconds, u32 nanoseconds), mode (u16), length of the path with its NUL
  /// (u16), path.
  private struct Row {
    var seconds: Int64
    var nanoseconds: UInt32
    var mode: UInt16
    var path: Range<Int>
    var end: Int { path.upperBound }

    init?(_ table: Span<UInt8>, at offset: Int) {
      guard table.count - offset >= 17 else { return nil }
      let bytes = table.bytes
      seconds = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Int64.self)
      nanoseconds = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 8, as: UInt32.self)
      mode = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 12, as: UInt16.self)
      let length = Int(bytes.unsafeLoadUnaligned(fromByteOffset: offset + 14, as: UInt16.self))
      guard length >= 1, table.count - offset - 16 >= length,
        table[offset + 16 + length - 1] == 0
      else { return nil }
      path = offset + 16..<offset + 16 + length
    }

    func matches(_ root: DirectoryHandle, _ table: Span<UInt8>) -> Bool {
      guard let status = root.statusIfPresent(ofCString: table.extracting(path)) else {
        return false
      }
      return status.kind == .directory && status.mode & 0o777 == UInt32(mode)
        && status.modified == FileTime(seconds: seconds, nanoseconds: nanoseconds)
    }
  }

  /// CRC-32, which every launch can afford: against accidents, as all in a seal is, because who can write one
  /// can write any.
  private static func checksum(of table: Span<UInt8>) -> UInt32 {
    table.withUnsafeBytes {
      lzma_crc32($0.assumingMemoryBound(to: UInt8.self).baseAddress, $0.count, 0)
    }
  }

  // MARK: Writing

  private static var magic: UInt32 { 0x4C53_464F }

  /// A seal of the tree in `root` as it is now.
  init(
    of manifest: Manifest, treeID: Digest, in root: DirectoryHandle, bootID: [UInt8],
    isDurable: Bool
  ) throws(SystemError) {
    self.treeID = treeID
    self.bootID = bootID
    self.isDurable = isDurable
    table = []
    directoryCount = 0
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      guard entry.type == .directory else { continue }
      let path = Path(manifest.path(of: index))
      let status = try root.status(of: path)
      append(UInt64(bitPattern: status.modified.seconds), 8)
      append(UInt64(status.modified.nanoseconds), 4)
      append(UInt64(status.mode & 0o777), 2)
      append(UInt64(path.count + 1), 2)
      table.append(contentsOf: path.bytes)
      table.append(0)
      directoryCount += 1
    }
  }

  private init(
    bootID: [UInt8], isDurable: Bool, treeID: Digest, table: [UInt8], directoryCount: Int
  ) {
    self.bootID = bootID
    self.isDurable = isDurable
    self.treeID = treeID
    self.table = table
    self.directoryCount = directoryCount
  }

  private mutating func append(_ value: UInt64, _ count: Int) {
    Seal.append(value, count, to: &table)
  }

  private static func append(_ value: UInt64, _ count: Int, to bytes: inout [UInt8]) {
    for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
  }

  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    Seal.append(UInt64(Seal.magic), 4, to: &bytes)
    Seal.append(1, 2, to: &bytes)
    Seal.append(isDurable ? 1 : 0, 2, to: &bytes)
    Seal.append(UInt64(directoryCount), 4, to: &bytes)
    Seal.append(UInt64(table.count), 4, to: &bytes)
    bytes.append(contentsOf: treeID.bytes)
    bytes.append(contentsOf: bootID)
    Seal.append(UInt64(Seal.checksum(of: table.span)), 4, to: &bytes)
    Seal.append(0, 28, to: &bytes)
    let hash = SHA256Hasher.digest(of: bytes.span)
    bytes.append(contentsOf: hash.bytes)
    bytes.append(contentsOf: table)
    return bytes
  }

  /// Writes the seal anew in `directory`, and renames it into place.
  func write(in directory: DirectoryHandle) throws(SystemError) {
    let temporary = try hiddenName(for: Seal.fileName.bytes)
    do throws(SystemError) {
      let file = try FileDescriptor.open(temporary, in: directory, .createNew, mode: 0o644)
      try file.setMode(0o644)
      try file.write(encoded())
      try file.close()
      try directory.rename(temporary, to: Seal.fileName)
    } catch {
      try? directory.removeFile(temporary)
      throw error
    }
  }
}

/// The running boot (random(4), boot_id), 16 bytes; zeros where the system does not tell.
func currentBootID() -> [UInt8] {
  let none = [UInt8](repeating: 0, count: 16)
  guard let file = try? FileDescriptor.open(Path("/proc/sys/kernel/random/boot_id"), .read),
    let text = try? file.bytes(at: 0, count: 64)
  else { return none }
  var digits: [UInt8] = []
  for byte in text {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digits.append(byte - UInt8(ascii: "a") + 10)
    default: continue
    }
  }
  guard digits.count == 32 else { return none }
  var result: [UInt8] = []
  for index in 0..<16 { result.append(digits[2 * index] << 4 | digits[2 * index + 1]) }
  return result
}
