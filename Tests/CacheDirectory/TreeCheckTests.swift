import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import CacheDirectory

@Suite struct TreeCheckTests {
  private let sample: UnpackedSample

  init() throws { sample = try UnpackedSample() }

  private func matches(hashing: Hashing) throws -> Bool {
    try treeMatches(sample.root.handle, sample.manifest, hashing: hashing, progress: nil)
  }

  private func damaged(hashing: Hashing = .all) throws -> [String] {
    let found = try damagedEntries(
      of: sample.root.handle, sample.manifest, hashing: hashing, progress: nil)
    let indices = (0..<sample.manifest.entryCount).filter { found.contains($0) }
    #expect(found.isEmpty == indices.isEmpty)
    return indices.map { String(decoding: sample.manifest.path(of: $0), as: UTF8.self) }
  }

  /// Whether the comparison notices the damage, without and with hashing.
  private func isNoticed(_ damage: (TemporaryDirectory) throws -> Void) throws -> [Bool] {
    #expect(try matches(hashing: .whereTimesDiffer) && matches(hashing: .all))
    try damage(sample.directory)
    return [try !matches(hashing: .whereTimesDiffer), try !matches(hashing: .all)]
  }

  private static let both = [true, true]
  private static let none = [false, false]

  /// Overwrites the start of a file and keeps its time.
  private func overwrite(_ name: String, _ bytes: [UInt8]) throws {
    let time = try sample.directory.status(sample(name)).modified
    let file = try FileDescriptor.open(sample.directory(sample(name)), .write)
    try file.write(bytes)
    try file.setModificationTime(time)
  }

  @Test func anUndamagedTree() throws {
    #expect(try isNoticed { _ in } == TreeCheckTests.none)
  }

  @Test(
    arguments: ["big", "empty", "program", "directory", "directory/again", "directory/link"])
  func whatIsMissing(_ name: String) throws {
    #expect(try isNoticed { try $0.remove(sample(name)) } == TreeCheckTests.both)
  }

  @Test(arguments: [("big", 0), ("big", 5000), ("program", 0), ("directory/inner", 0)])
  func changedContentOfTheSameLengthAndTime(_ name: String, _ offset: Int) throws {
    let found = try isNoticed { _ in
      if offset == 0 {
        try overwrite(name, [0xEE])
      } else {
        let bytes = try readFile(sample.directory(sample(name)))
        try overwrite(name, Array(bytes[..<offset]) + [0xEE])
      }
    }
    #expect(found == [false, true])
  }

  @Test func aHoleThatIsNoLongerZeros() throws {
    let found = try isNoticed { _ in
      var bytes = try readFile(sample.directory(sample("big")))
      bytes[100_000] = 1
      try overwrite("big", bytes)
    }
    #expect(found == [false, true])
  }

  @Test(arguments: [-1, 1])
  func otherLengths(_ difference: Int64) throws {
    let found = try isNoticed { directory in
      let status = try directory.status(sample("big"))
      let file = try FileDescriptor.open(directory(sample("big")), .write)
      try file.resize(to: status.size + difference)
      try file.setModificationTime(status.modified)
    }
    #expect(found == TreeCheckTests.both)
  }

  @Test func anEmptyFileThatIsNoLongerEmpty() throws {
    #expect(try isNoticed { _ in try overwrite("empty", [1]) } == TreeCheckTests.both)
  }

  @Test(
    arguments: [
      ("program", 0o776), ("program", 0o4777), ("empty", 0o644), ("empty", 0o600),
      ("directory", 0o755), ("", 0o700),
    ] as [(String, UInt32)])
  func otherModes(_ name: String, _ mode: UInt32) throws {
    let found = try isNoticed {
      try DirectoryHandle.current.setMode(of: $0(sample(name)), mode)
    }
    #expect(found == TreeCheckTests.both)
  }

  /// Content decides, and not time (docs/launch.md, "Checks").
  @Test(arguments: ["big", "empty", "program"])
  func otherTimesOfFiles(_ name: String) throws {
    #expect(try isNoticed { try $0.setTime(sample(name), seconds: 1) } == TreeCheckTests.none)
  }

  @Test func otherContentOfAnotherTime() throws {
    let found = try isNoticed {
      try overwrite("big", [0xEE])
      try $0.setTime(sample("big"), seconds: 1)
    }
    #expect(found == TreeCheckTests.both)
    #expect(try matches(hashing: .none))
  }

  /// NTFS and CIFS keep seven decimals, others six, three or none.
  @Test func timesOfFileSystemsThatKeepFewerDecimals() {
    let given = FileTime(seconds: -7, nanoseconds: 987_654_321)
    for kept: UInt32 in [
      987_654_321, 987_654_320, 987_654_300, 987_654_000, 987_000_000, 900_000_000, 0,
    ] {
      #expect(isStored(given, as: FileTime(seconds: -7, nanoseconds: kept)), "\(kept)")
    }
    for kept: UInt32 in [1, 987_654_322, 987_654_301, 987_655_000, 654_321, 999_999_999] {
      #expect(!isStored(given, as: FileTime(seconds: -7, nanoseconds: kept)), "\(kept)")
    }
    #expect(!isStored(given, as: FileTime(seconds: -8, nanoseconds: 987_654_321)))
    #expect(
      isStored(FileTime(seconds: 0, nanoseconds: 0), as: FileTime(seconds: 0, nanoseconds: 0)))
  }

  @Test func otherTargets() throws {
    let found = try isNoticed {
      try $0.remove(sample("directory/link"))
      try $0.symlink(sample("directory/link"), to: "../big")
    }
    #expect(found == TreeCheckTests.both)
  }

  @Test func aSymlinkThatBecameAFile() throws {
    let found = try isNoticed {
      try $0.remove(sample("directory/link"))
      try $0.write(sample("directory/link"), [UInt8]("../program".utf8))
    }
    #expect(found == TreeCheckTests.both)
  }

  @Test func aFileThatBecameASymlinkToItsLike() throws {
    let found = try isNoticed {
      try DirectoryHandle.current.rename($0(sample("big")), to: $0("moved"))
      try $0.symlink(sample("big"), to: "../moved")
    }
    #expect(found == TreeCheckTests.both)
  }

  @Test func aDirectoryThatBecameASymlinkToItsLike() throws {
    let found = try isNoticed {
      try DirectoryHandle.current.rename($0(sample("directory")), to: $0("moved"))
      try $0.symlink(sample("directory"), to: "../moved")
    }
    #expect(found == TreeCheckTests.both)
  }

  @Test func aHardLinkThatBecameACopy() throws {
    let found = try isNoticed {
      let status = try $0.status(sample("program"))
      try $0.remove(sample("directory/again"))
      try $0.write(
        sample("directory/again"), try readFile($0(sample("program"))), mode: status.mode)
      try $0.setTime(
        sample("directory/again"), seconds: status.modified.seconds,
        nanoseconds: status.modified.nanoseconds)
    }
    #expect(found == TreeCheckTests.both)
  }

  @Test func aFileThatBecameADirectory() throws {
    let found = try isNoticed {
      try $0.remove(sample("empty"))
      try $0.makeDirectory(sample("empty"), mode: 0o640)
    }
    #expect(found == TreeCheckTests.both)
  }

  // MARK: Which entries are damaged

  @Test func theDamagedEntriesAreNamed() throws {
    #expect(try damaged() == [])
    try overwrite("big", [0xEE])
    try sample.directory.remove(sample("directory/link"))
    #expect(try damaged() == ["big", "directory/link"])
    #expect(try damaged(hashing: .whereTimesDiffer) == ["directory/link"])
  }

  @Test func allBelowADirectoryThatIsNotThere() throws {
    try sample.directory.remove(sample("directory"))
    let all = ["directory", "directory/again", "directory/inner", "directory/link"]
    #expect(try damaged() == all)
    // The same through a symlink, which leads to every name.
    try sample.directory.makeDirectory("elsewhere", mode: 0o711)
    _ = try extract(sample.payload, to: sample.directory("whole"))
    try sample.directory.symlink(sample("directory"), to: "../whole/directory")
    #expect(try damaged() == all)
  }

  @Test func aFileWithSeveralNames() throws {
    try overwrite("program", [0xEE])
    #expect(try damaged() == ["program"])
    try sample.directory.remove(sample("program"))
    #expect(try damaged() == ["program", "directory/again"])
  }

  @Test func theRootsModeHidesNothing() throws {
    try DirectoryHandle.current.setMode(of: sample.directory("tree"), 0o700)
    #expect(try damaged() == [""])
  }

  @Test func furtherEntriesAreLeftAlone() throws {
    #expect(
      try isNoticed { try $0.write(sample("directory/__pycache__/x.pyc")) } == TreeCheckTests.none)
  }
}
