internal import CLZMA
internal import ContentHash
internal import PayloadFormat
internal import PayloadReader
internal import Posix

/// The record beside a tree that it was unpacked completely (docs/launch.md, "The seal").
struct Seal {
  /// The boot in which it was written.
  var bootID: [UInt8]
  /// Whether the tree was checked in full after a reboot, or its data was synced to disk.
  var isDurable: Bool
  var treeID: Digest
  /// Whether a directory held names that were not packed when the tree was sealed again: a program may have
  /// written files.
  private(set) var hasOtherNames: Bool
  /// The onefile that sealed the tree. Its name and version are only read with the table.
  var owner: TreeOwner
  /// The path and the user for which all directories above the cache directory were found safe; zeros: none.
  var place: Place
  /// The layout of the cache directory: `Seal.version`, or an older launcher's version, whose trees are only
  /// removed.
  private(set) var layout: UInt16
  private var table: [UInt8]
  private var directoryCount: Int

  static var fileName: Path { Path("seal") }
  static var headerLength: Int { 128 }
  /// Enough for 200,000 directories with long paths; a longer table is not Onefold's.
  private static var longestTable: Int { 64 << 20 }

  // MARK: Reading

  /// Reads the seal in `directory`. Returns nil if there is no intact seal for `treeID`. If `treeID` is nil, any
  /// seal is accepted, even of older launchers. `withTable` also reads the part after the header: the table of
  /// directories for `directoriesMatch`, and the owner's name and version.
  @inline(never)
  static func read(in directory: DirectoryHandle, treeID: Digest?, withTable: Bool) -> Seal? {
    guard let file = open(in: directory) else { return nil }
    return Seal(reading: file, treeID: treeID, withTable: withTable)
  }

  static func open(in directory: DirectoryHandle) -> FileDescriptor? {
    try? FileDescriptor.open(fileName, in: directory, .readNoFollow)
  }

  /// Reads the seal from the open file.
  init?(reading file: borrowing FileDescriptor, treeID: Digest?, withTable: Bool) {
    guard let header = try? file.bytes(at: 0, count: Seal.headerLength),
      let seal = Seal(header: header.span),
      treeID == nil || (seal.treeID == treeID && seal.layout == Seal.version)
    else { return nil }
    self = seal
    guard withTable else { return }
    guard let body = try? file.bytes(at: Int64(Seal.headerLength), count: bodyLength),
      take(body: body)
    else { return nil }
  }

  /// Parses the first 128 bytes of a seal; nil if they are damaged. Never traps, whatever the bytes.
  init?(header: Span<UInt8>) {
    guard header.count == Seal.headerLength,
      SHA256Hasher.digest(of: header.extracting(0..<96)) == Digest(header, at: 96)
    else { return nil }
    let fields = header.bytes
    layout = fields.unsafeLoad(fromByteOffset: 4, as: UInt16.self)
    guard fields.unsafeLoad(fromByteOffset: 0, as: UInt32.self) == Seal.magic,
      layout == Seal.version || layout == Seal.olderVersion
    else { return nil }
    tableLength = Int(fields.unsafeLoad(fromByteOffset: 12, as: UInt32.self))
    guard tableLength <= Seal.longestTable else { return nil }
    let flags = fields.unsafeLoad(fromByteOffset: 6, as: UInt16.self)
    isDurable = flags & 1 != 0
    hasOtherNames = flags & 2 != 0
    directoryCount = Int(fields.unsafeLoad(fromByteOffset: 8, as: UInt32.self))
    treeID = Digest(header, at: 16)
    bootID = []
    for index in 48..<64 { bootID.append(header[index]) }
    bodyChecksum = fields.unsafeLoad(fromByteOffset: 64, as: UInt32.self)
    nameLength = Int(header[70])
    versionLength = Int(header[71])
    owner = TreeOwner(
      name: [], version: [], bytes: fields.unsafeLoad(fromByteOffset: 72, as: UInt64.self),
      keepDays: Int(fields.unsafeLoad(fromByteOffset: 68, as: UInt16.self)))
    place = Place(
      high: fields.unsafeLoad(fromByteOffset: 80, as: UInt64.self),
      low: fields.unsafeLoad(fromByteOffset: 88, as: UInt64.self))
    table = []
  }

  private var tableLength: Int
  private var nameLength: Int
  private var versionLength: Int
  private var bodyChecksum: UInt32

  /// The number of bytes after the header.
  var bodyLength: Int { tableLength + nameLength + versionLength }

  /// Takes the `bodyLength` bytes after the header. Returns false if they are damaged.
  mutating func take(body: consuming [UInt8]) -> Bool {
    guard body.count == bodyLength, Seal.checksum(of: body.span) == bodyChecksum else {
      return false
    }
    owner.name = [UInt8](body[tableLength..<tableLength + nameLength])
    owner.version = [UInt8](body[(tableLength + nameLength)...])
    // Shortened in place to avoid a copy.
    body.removeLast(nameLength + versionLength)
    table = body
    return true
  }

  /// Whether every directory of the tree is as it was when sealed. It must belong to the user or root and have
  /// the same permissions. The time of the last added, removed or renamed name must be the same, and so must the
  /// time of the last change, which no program can set. `leavesOpen`: a directory opened for this stays open
  /// until `execve` closes it.
  func directoriesMatch(in root: DirectoryHandle, leavesOpen: Bool = false) -> Bool {
    // The directory above most others is looked up only once.
    let base = commonBase
    if !base.isEmpty,
      let near = try? FileDescriptor.open(Path([UInt8](table[base])), in: root, .directory)
    {
      let matches = directoriesMatch(in: root, near: near.handle, base)
      if leavesOpen { _ = near.release() }
      return matches
    }
    return directoriesMatch(in: root, near: root, 0..<0)
  }

  /// Whether the tree is a copy of the sealed one: a restored backup, or an image layer. In a copy every
  /// directory was created or changed again, but has the sealed names and permissions. Its time is one that
  /// copying gives: the sealed time, to the second at least, or the same time for all directories. Only changes
  /// in place give it other times.
  func isOfCopy(in root: DirectoryHandle) -> Bool {
    let table = self.table.span
    let user = ProcessContext.owner
    var common: FileTime? = nil
    var isCommon = true
    var isSealed = true
    var offset = 0
    for _ in 0..<directoryCount {
      guard let row = Row(table, at: offset), let directory = open(row, in: root),
        let status = try? directory.status(), row.matches(status, user, withTimes: false),
        status.changed != row.changed,
        let names = NameList(of: directory.handle), names == row.names
      else { return false }
      let time = status.modified
      isSealed = isSealed && isStored(row.modified, as: time)
      isCommon = isCommon && time.nanoseconds == 0 && time == common ?? time
      common = time
      offset = row.end
    }
    return offset == table.count && (isSealed || isCommon)
  }

  /// Whether the tree holds entries that were not packed and appeared after `time`, as far as names show it.
  func holdsOthers(in root: DirectoryHandle, since time: FileTime) -> Bool {
    if hasOtherNames { return true }
    // Rows of older seals hold no names.
    guard !isOlder, let device = (try? root.status(of: Path(".")))?.device else { return false }
    var offset = 0
    for _ in 0..<directoryCount {
      guard let row = Row(table.span, at: offset) else { return false }
      offset = row.end
      // A file system mounted there is not part of the tree.
      guard let directory = open(row, in: root), (try? directory.status())?.device == device,
        let names = try? directory.handle.names(), names.count >= Int(row.names.count),
        NameList(names) != row.names
      else { continue }
      for name in names {
        let status = try? directory.handle.status(of: Path(name))
        if let status, status.changed.isLater(than: time) { return true }
      }
    }
    return false
  }

  @inline(never)
  private func open(_ row: Row, in root: DirectoryHandle) -> FileDescriptor? {
    var path = Path([UInt8](table[row.path]))
    path.truncate(to: path.count - 1)
    if path.isEmpty { path = Path(".") }
    return try? FileDescriptor.open(path, in: root, .directory)
  }

  /// `near` is the directory whose path is at `base` in the table; an empty `base` means none.
  @inline(never)
  private func directoriesMatch(
    in root: DirectoryHandle, near: DirectoryHandle, _ base: Range<Int>
  ) -> Bool {
    // Single-threaded: a second thread helps only if a CPU is idle (docs/decisions/0006-targets-not-reached.md).
    let table = self.table.span
    let user = ProcessContext.owner
    var offset = 0
    for _ in 0..<directoryCount {
      guard let row = Row(table, at: offset) else { return false }
      let isNear = !base.isEmpty && row.isBelow(base, table)
      let path = isNear ? row.path.lowerBound + base.count + 1..<row.end : row.path
      guard row.matches(isNear ? near : root, table.extracting(path), user) else { return false }
      offset = row.end
    }
    return offset == table.count
  }

  /// The position in the table of the path of a directory that is above most others. Empty if there is none, or
  /// if opening it would not pay off.
  private var commonBase: Range<Int> {
    guard directoryCount >= 64 else { return 0..<0 }
    let table = self.table.span
    // Most rows between a quarter and three quarters of the table share the common prefix of those two rows.
    var first = 0
    var last = 0
    var offset = 0
    for index in 0...directoryCount / 4 * 3 {
      guard let row = Row(table, at: offset) else { return 0..<0 }
      last = row.path.lowerBound
      if index == directoryCount / 4 { first = last }
      offset = row.end
    }
    var count = 0
    var index = 0
    while table[first + index] == table[last + index] && table[first + index] != 0 {
      if table[first + index] == UInt8(ascii: "/") { count = index }
      index += 1
    }
    // At least 8 bytes, because paths are compared 8 bytes at a time.
    return count < 8 ? 0..<0 : first..<first + count
  }

  /// A row of the table: the state of a directory when it was sealed (docs/launch.md, "The seal").
  private struct Row {
    var modified: FileTime
    var changed: FileTime
    var names: NameList
    var mode: UInt16
    var path: Range<Int>
    var end: Int { path.upperBound }

    /// Bytes before the path.
    static var headLength: Int { 36 }

    @inline(never)
    init?(_ table: Span<UInt8>, at offset: Int) {
      guard table.count - offset >= Row.headLength + 1 else { return nil }
      let bytes = table.bytes
      modified = FileTime(bytes, at: offset)
      changed = FileTime(bytes, at: offset + 12)
      names = NameList(
        count: bytes.unsafeLoadUnaligned(fromByteOffset: offset + 24, as: UInt32.self),
        sum: bytes.unsafeLoadUnaligned(fromByteOffset: offset + 28, as: UInt32.self))
      mode = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 32, as: UInt16.self)
      let length = Int(bytes.unsafeLoadUnaligned(fromByteOffset: offset + 34, as: UInt16.self))
      let start = offset + Row.headLength
      guard length >= 1, table.count - start >= length, table[start + length - 1] == 0
      else { return nil }
      path = start..<start + length
    }

    /// Whether it is below the directory whose path is at `base` in the table, with 8 bytes or more.
    func isBelow(_ base: Range<Int>, _ table: Span<UInt8>) -> Bool {
      let end = path.lowerBound + base.count
      guard end < path.upperBound, table[end] == UInt8(ascii: "/") else { return false }
      let bytes = table.bytes
      var index = 0
      while index < base.count {
        let start = min(index, base.count - 8)
        let own = bytes.unsafeLoadUnaligned(
          fromByteOffset: path.lowerBound + start, as: UInt64.self)
        let other = bytes.unsafeLoadUnaligned(
          fromByteOffset: base.lowerBound + start, as: UInt64.self)
        if own != other { return false }
        index += 8
      }
      return true
    }

    /// - Parameter path: The path in `directory`, with its NUL.
    func matches(_ directory: DirectoryHandle, _ path: Span<UInt8>, _ user: UInt32) -> Bool {
      guard let status = directory.statusIfPresent(ofCString: path) else { return false }
      return matches(status, user, withTimes: true)
    }

    func matches(_ status: FileStatus, _ user: UInt32, withTimes: Bool) -> Bool {
      status.kind == .directory && status.belongs(to: user) && status.mode & 0o777 == UInt32(mode)
        && (!withTimes || (status.modified == modified && status.changed == changed))
    }
  }

  /// CRC-32, cheap enough for every launch. Like all checks of the seal, it is against accidents only: an
  /// attacker who can write one seal can write any.
  private static func checksum(of table: Span<UInt8>) -> UInt32 { crc32(table) }

  // MARK: Writing

  private static var magic: UInt32 { 0x4C53_464F }
  private static var version: UInt16 { 3 }
  private static var olderVersion: UInt16 { 2 }
  /// Whether an older launcher wrote it; older launchers name trees differently.
  var isOlder: Bool { layout != Seal.version }

  /// Makes a seal of the tree in `root` in its present state. `isNew`: the tree was just unpacked and holds only
  /// the manifest's names.
  init(
    of manifest: Manifest, treeID: Digest, owner: TreeOwner, in root: DirectoryHandle, isNew: Bool,
    place: Place, bootID: [UInt8], isDurable: Bool
  ) throws(Failure) {
    layout = Seal.version
    self.place = place
    self.treeID = treeID
    self.owner = owner
    self.bootID = bootID
    self.isDurable = isDurable
    hasOtherNames = false
    table = []
    directoryCount = 0
    tableLength = 0
    nameLength = owner.name.count
    versionLength = owner.version.count
    bodyChecksum = 0
    let packed = NameList.all(of: manifest)
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      guard entry.type == .directory else { continue }
      let path = Path(manifest.path(of: index))
      let status = try root.status(of: path)
      var names = packed[index]
      if !isNew {
        names = NameList(try root.names(in: path.isEmpty ? Path(".") : path))
        if names != packed[index] { hasOtherNames = true }
      }
      append(status.modified)
      append(status.changed)
      append(UInt64(names.count), 4)
      append(UInt64(names.sum), 4)
      append(UInt64(status.mode & 0o777), 2)
      append(UInt64(path.count + 1), 2)
      table.append(contentsOf: path.bytes)
      table.append(0)
      directoryCount += 1
    }
    tableLength = table.count
  }

  private mutating func append(_ time: FileTime) {
    append(UInt64(bitPattern: time.seconds), 8)
    append(UInt64(time.nanoseconds), 4)
  }

  private mutating func append(_ value: UInt64, _ count: Int) {
    Seal.append(value, count, to: &table)
  }

  private static func append(_ value: UInt64, _ count: Int, to bytes: inout [UInt8]) {
    for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
  }

  func encoded() -> [UInt8] {
    let body = table + owner.name + owner.version
    var bytes: [UInt8] = []
    Seal.append(UInt64(Seal.magic), 4, to: &bytes)
    Seal.append(UInt64(Seal.version), 2, to: &bytes)
    Seal.append((isDurable ? 1 : 0) | (hasOtherNames ? 2 : 0), 2, to: &bytes)
    Seal.append(UInt64(directoryCount), 4, to: &bytes)
    Seal.append(UInt64(table.count), 4, to: &bytes)
    bytes.append(contentsOf: treeID.bytes)
    bytes.append(contentsOf: bootID)
    Seal.append(UInt64(Seal.checksum(of: body.span)), 4, to: &bytes)
    Seal.append(UInt64(owner.keepDays), 2, to: &bytes)
    Seal.append(UInt64(owner.name.count), 1, to: &bytes)
    Seal.append(UInt64(owner.version.count), 1, to: &bytes)
    Seal.append(owner.bytes, 8, to: &bytes)
    Seal.append(place.high, 8, to: &bytes)
    Seal.append(place.low, 8, to: &bytes)
    let hash = SHA256Hasher.digest(of: bytes.span)
    bytes.append(contentsOf: hash.bytes)
    bytes.append(contentsOf: body)
    return bytes
  }

  /// Writes the seal in `directory`, and renames it into place. `time`: when the tree was complete; nil: now.
  func write(in directory: DirectoryHandle, since time: FileTime? = nil) throws(Failure) {
    let temporary = try hiddenName(for: Seal.fileName.bytes)
    do throws(Failure) {
      let file = try FileDescriptor.open(temporary, in: directory, .createNew, mode: 0o644)
      try file.setMode(0o644)
      try file.write(encoded())
      if let time { try file.setModificationTime(time) }
      try file.close()
      try directory.rename(temporary, to: Seal.fileName)
    } catch {
      try? directory.removeFile(temporary)
      throw error
    }
  }
}

private func crc32(_ bytes: Span<UInt8>) -> UInt32 {
  bytes.withUnsafeBytes {
    lzma_crc32($0.assumingMemoryBound(to: UInt8.self).baseAddress, $0.count, 0)
  }
}

extension FileTime {
  fileprivate init(_ bytes: RawSpan, at offset: Int) {
    self.init(
      seconds: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Int64.self),
      nanoseconds: bytes.unsafeLoadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
  }
}

/// The names in a directory in any order: their count, and the sum of their CRC-32 values.
struct NameList: Equatable {
  var count: UInt32 = 0
  var sum: UInt32 = 0

  init(count: UInt32 = 0, sum: UInt32 = 0) {
    self.count = count
    self.sum = sum
  }

  init(_ names: [[UInt8]]) {
    for name in names { add(name.span) }
  }

  /// Nil if the directory cannot be listed.
  init?(of directory: DirectoryHandle) {
    guard let names = try? directory.names() else { return nil }
    self.init(names)
  }

  private mutating func add(_ name: Span<UInt8>) {
    count &+= 1
    sum &+= crc32(name)
  }

  /// The names in each directory of a manifest, by the directory's index.
  static func all(of manifest: Manifest) -> [NameList] {
    var lists = [NameList](repeating: NameList(), count: manifest.entryCount)
    for index in 1..<max(1, manifest.entryCount) {
      let entry = manifest.entry(index)
      lists[entry.parent].add(([UInt8](manifest.name(of: entry))).span)
    }
    return lists
  }
}

/// A path of a cache directory and a user who found everything above it safe: the first 16 bytes of a hash of
/// both.
struct Place: Equatable {
  var high: UInt64
  var low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  init(_ path: Path, seenBy user: UInt32) {
    var bytes = [UInt8](path.bytes)
    bytes.append(0)
    bytes.append(contentsOf: ("\(UInt64(user))" as Text).bytes)
    let digest = SHA256Hasher.digest(of: bytes.span).bytes
    high = digest.span.bytes.unsafeLoad(fromByteOffset: 0, as: UInt64.self)
    low = digest.span.bytes.unsafeLoad(fromByteOffset: 8, as: UInt64.self)
  }
}

/// The facts in a seal about the onefile that sealed the tree, for listing and clean-up.
struct TreeOwner: Equatable, Sendable {
  /// The name in its launch record: at most 64 bytes.
  var name: [UInt8]
  /// At most 128 bytes.
  var version: [UInt8]
  /// Bytes of the content of all files.
  var bytes: UInt64
  /// Days to keep the tree when it is not used.
  var keepDays: Int
}

/// The id of the running boot (random(4), boot_id), 16 bytes; zeros if the system has none. `leavesOpen`: the
/// file stays open until `execve` closes it.
func currentBootID(leavesOpen: Bool = false) -> [UInt8] {
  let none = [UInt8](repeating: 0, count: 16)
  guard let file = try? FileDescriptor.open(Path("/proc/sys/kernel/random/boot_id"), .read),
    let text = try? file.bytes(at: 0, count: 36)
  else { return none }
  if leavesOpen { _ = file.release() }
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
