import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import CacheDirectory

@Suite struct SealTests {
  private let sample: UnpackedSample
  private let place: TemporaryDirectory
  private let handle: FileDescriptorBox

  init() throws {
    sample = try UnpackedSample()
    place = try TemporaryDirectory()
    handle = FileDescriptorBox(try FileDescriptor.open(place.path, .directory))
  }

  private func read(withTable: Bool = true) -> Seal? {
    Seal.read(in: handle.handle, treeID: sample.payload.treeID, withTable: withTable)
  }

  private func write(_ bytes: [UInt8]) throws {
    try? place.remove("seal")
    try place.write("seal", bytes, mode: 0o600)
  }

  // MARK: Reading and writing

  @Test(arguments: [false, true])
  func roundTrip(_ isDurable: Bool) throws {
    let boot = noise(16)
    try sample.seal(bootID: boot, isDurable: isDurable).write(in: handle.handle)
    #expect(try place.list() == ["seal"])
    #expect(try place.status("seal").mode == 0o644)
    for withTable in [false, true] {
      let seal = try #require(read(withTable: withTable))
      #expect(seal.bootID == boot)
      #expect(seal.isDurable == isDurable)
      #expect(seal.treeID == sample.payload.treeID)
    }
    let bytes = try readFile(place("seal"))
    #expect(read()?.encoded() == bytes)
  }

  @Test func writingReplaces() throws {
    try sample.seal().write(in: handle.handle)
    try sample.seal(isDurable: true).write(in: handle.handle)
    #expect(try place.list() == ["seal"])
    #expect(read()?.isDurable == true)
  }

  @Test func theLayoutIsThatOfTheDocument() throws {
    let bytes = try sample.seal(bootID: noise(16), isDurable: true).encoded()
    #expect(Array(bytes[..<8]) == [0x4F, 0x46, 0x53, 0x4C, 3, 0, 1, 0])
    #expect(Array(bytes[8..<12]) == [2, 0, 0, 0])
    #expect(Array(bytes[16..<48]) == sample.payload.treeID.bytes)
    #expect(Array(bytes[48..<64]) == noise(16))
    #expect(Array(bytes[64..<68]) == checksum(bytes))
    #expect(Array(bytes[68..<80]) == [30, 0, 3, 3, 7, 0, 0, 0, 0, 0, 0, 0])
    let place = [UInt8](sample.directory("cache").bytes) + [0] + [UInt8]("7".utf8)
    #expect(Array(bytes[80..<96]) == Array(digest(place).bytes[..<16]))
    #expect(Array(bytes[96..<128]) == digest(Array(bytes[..<96])).bytes)
    // The root, then "directory".
    #expect(bytes.count == 128 + 37 + 37 + 9 + 6)
    #expect(Array(bytes.suffix(16)) == [UInt8]("directory".utf8) + [0] + [UInt8]("app1.0".utf8))
  }

  @Test func everyFlippedByteIsRefused() throws {
    let bytes = try sample.seal().encoded()
    for index in bytes.indices {
      for bit in [0x01, 0x80] as [UInt8] {
        var changed = bytes
        changed[index] ^= bit
        try write(changed)
        #expect(read() == nil, "byte \(index)")
        // The table is read and used only on request.
        #expect((read(withTable: false) == nil) == (index < 128), "byte \(index)")
      }
    }
  }

  @Test func everyCutIsRefused() throws {
    let bytes = try sample.seal().encoded()
    for count in bytes.indices {
      try write(Array(bytes[..<count]))
      #expect(read() == nil, "\(count) bytes")
    }
  }

  @Test func aSealOfAnotherTreeIsRefused() throws {
    try sample.seal().write(in: handle.handle)
    #expect(Seal.read(in: handle.handle, treeID: .zero, withTable: false) == nil)
  }

  /// An attacker who can write the hashes can write anything, but no bytes may end the process.
  @Test func sealsWithRightHashesAndWrongFieldsAreHarmless() throws {
    let bytes = try sample.seal().encoded()
    for index in Array(0..<16) + Array(68..<80) + Array(128..<bytes.count) {
      for value in [0, 1, 0x7F, 0x80, 0xFF] as [UInt8] {
        var changed = bytes
        changed[index] = value
        changed.replaceSubrange(64..<68, with: checksum(changed))
        changed.replaceSubrange(96..<128, with: digest(Array(changed[..<96])).bytes)
        try write(changed)
        if let seal = read() { _ = seal.directoriesMatch(in: sample.root.handle) }
      }
    }
  }

  @Test func aSymlinkIsNoSeal() throws {
    try place.write("elsewhere", try sample.seal().encoded())
    try place.symlink("seal", to: "elsewhere")
    #expect(read() == nil)
  }

  @Test func noSealIsThere() {
    #expect(read() == nil)
  }

  @Test func aSealIsConfirmedInItsBootOrWhenItIsDurable() throws {
    #expect(currentBootID().count == 16)
    #expect(currentBootID() == currentBootID())
    #expect(try sample.seal().isConfirmed())
    #expect(try sample.seal(bootID: noise(16), isDurable: true).isConfirmed())
    #expect(try !sample.seal(bootID: noise(16)).isConfirmed())
  }

  // MARK: Directories

  /// Whether the seal written before `change` still matches.
  private func matches(after change: () throws -> Void) throws -> Bool {
    try sample.seal().write(in: handle.handle)
    let seal = try #require(read())
    #expect(seal.directoriesMatch(in: sample.root.handle))
    try change()
    return seal.directoriesMatch(in: sample.root.handle)
  }

  /// Most directories are below `library/packages` and are looked up from there; others have names that begin the
  /// same way.
  @Test func everyOneOfManyDirectoriesCounts() throws {
    var onefile = Onefile()
    onefile.add("bin", .directory())
    let library = onefile.add("library", .directory())
    let other = onefile.add("library-2", .directory())
    let packages = onefile.add("packages", in: library, .directory())
    onefile.add("packages-2", in: library, .directory())
    let others = onefile.add("packages", in: other, .directory())
    let names = (0..<100).map { "package-\(100 + $0)" }
    let first = names.map { onefile.add($0, in: packages, .directory()) }[0]
    onefile.add("package-100", in: others, .directory())
    onefile.add("package-100", in: first, .directory())

    let many = try UnpackedSample(onefile)
    let seal = try many.seal()
    // Not inside the expectation, which would print the whole table.
    let isUnchanged = seal.directoriesMatch(in: many.root.handle)
    #expect(isUnchanged)
    for index in 0..<many.manifest.entryCount {
      let path = many(String(decoding: many.manifest.path(of: index), as: UTF8.self))
      let mode = try many.directory.status(path).mode
      try DirectoryHandle.current.setMode(of: many.directory(path), 0o700)
      let isNoticed = !seal.directoriesMatch(in: many.root.handle)
      #expect(isNoticed, "\(path)")
      try DirectoryHandle.current.setMode(of: many.directory(path), mode)
    }
  }

  @Test func anUnchangedTreeFits() throws {
    #expect(try matches {})
  }

  @Test(arguments: ["added", "directory/added"])
  func addedNames(_ name: String) throws {
    #expect(try !matches { try sample.directory.write(sample(name)) })
  }

  @Test(arguments: ["big", "directory/link", "directory/again", "directory"])
  func removedNames(_ name: String) throws {
    #expect(try !matches { try sample.directory.remove(sample(name)) })
  }

  @Test func renamedNames() throws {
    #expect(
      try !matches {
        try DirectoryHandle.current.rename(
          sample.directory(sample("directory/inner")),
          to: sample.directory(sample("directory/other")))
      })
  }

  @Test func renamedDirectories() throws {
    #expect(
      try !matches {
        try DirectoryHandle.current.rename(
          sample.directory(sample("directory")), to: sample.directory(sample("other")))
      })
  }

  @Test(arguments: ["", "directory"])
  func changedModes(_ name: String) throws {
    #expect(
      try !matches {
        try DirectoryHandle.current.setMode(of: sample.directory(sample(name)), 0o700)
      })
  }

  @Test func aDirectoryThatBecameASymlink() throws {
    #expect(
      try !matches {
        let root = try sample.directory.status("tree").modified
        try DirectoryHandle.current.rename(
          sample.directory(sample("directory")), to: sample.directory("moved"))
        try sample.directory.symlink(sample("directory"), to: "../moved")
        try sample.directory.setTime(
          "tree", seconds: root.seconds, nanoseconds: root.nanoseconds)
      })
  }

  /// Like a cleaner that removes files and sets the time back (docs/launch.md, "Checks").
  @Test func aTimeThatWasSetBack() throws {
    #expect(
      try !matches {
        let before = try sample.directory.status(sample("directory")).modified
        try sample.directory.remove(sample("directory/inner"))
        try sample.directory.setTime(
          sample("directory"), seconds: before.seconds, nanoseconds: before.nanoseconds)
      })
  }

  // MARK: Copies

  /// Whether the tree counts as a copy of the sealed one after `change` and a change of every directory's times.
  private func isCopy(times: FileTime? = nil, after change: () throws -> Void = {}) throws -> Bool {
    let seal = try sample.seal()
    try change()
    for name in ["tree/directory", "tree"] {
      let time = try times ?? sample.directory.status(name).modified
      try sample.directory.setTime(name, seconds: time.seconds, nanoseconds: time.nanoseconds)
    }
    return seal.isOfCopy(in: sample.root.handle)
  }

  @Test func copiesKeepTheirTimes() throws {
    #expect(try isCopy())
  }

  @Test func layersMayGiveAllOneTime() throws {
    #expect(try isCopy(times: FileTime(seconds: 1_700_000_000, nanoseconds: 0)))
    #expect(try !isCopy(times: FileTime(seconds: 1_700_000_000, nanoseconds: 1)))
  }

  @Test func theSealedTreeIsNoCopyOfItself() throws {
    let isOfCopy = try sample.seal().isOfCopy(in: sample.root.handle)
    #expect(!isOfCopy)
  }

  @Test(arguments: ["big", "directory/link"])
  func copiesThatLackNames(_ name: String) throws {
    let time = FileTime(seconds: 1_700_000_000, nanoseconds: 0)
    #expect(try !isCopy(times: time) { try sample.directory.remove(sample(name)) })
  }

  @Test func copiesWithOtherNamesOrModes() throws {
    let time = FileTime(seconds: 1_700_000_000, nanoseconds: 0)
    #expect(
      try !isCopy(times: time) {
        let current = DirectoryHandle.current
        try current.rename(sample.directory(sample("big")), to: sample.directory(sample("gib")))
      })
    #expect(try !isCopy(times: time) { try sample.directory.write(sample("directory/more")) })
  }

  @Test func theNamesOfTheManifestAreThoseOfANewTree() throws {
    let of = (try sample.seal(isNew: true).encoded(), try sample.seal(isNew: false).encoded())
    #expect(of.0 == of.1)
  }

  @Test func contentsAreNotLookedAt() throws {
    #expect(
      try matches {
        let file = try FileDescriptor.open(sample.directory(sample("big")), .write)
        try file.write([1, 2, 3])
      })
  }
}

/// CRC-32 of a seal's table (ISO 3309), little-endian, bit by bit.
private func checksum(_ seal: [UInt8]) -> [UInt8] {
  var crc = UInt32.max
  for byte in seal[128...] {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
  }
  return (0..<4).map { UInt8(truncatingIfNeeded: ~crc >> (8 * $0)) }
}
