import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import PayloadReader

/// Unpacking of some entries.
@Suite struct PartialUnpackTests {
  private let directory: TemporaryDirectory
  private let names = [
    "": 0, "big": 1, "directory": 2, "empty": 3, "program": 4, "directory/again": 5,
    "directory/inner": 6, "directory/link": 7,
  ]

  init() throws { directory = try TemporaryDirectory() }

  private func entries(_ wanted: [String]) -> EntrySet {
    var result = EntrySet(count: names.count)
    for name in wanted { result.insert(names[name]!) }
    return result
  }

  /// Unpacks the entries to `out`.
  private func unpack(_ wanted: [String], of onefile: Onefile = .sample()) throws {
    let payload = try onefile.open(in: directory)
    let manifest = try payload.readManifest()
    try directory.makeDirectory("out")
    let root = try FileDescriptor.open(directory("out"), .directory)
    try unpackTree(
      of: payload, manifest, only: entries(wanted), into: root.handle, modes: .archived, workers: 2)
  }

  @Test func theWantedEntriesAndTheDirectoriesAboveThem() throws {
    try unpack(["directory/inner", "empty"])
    #expect(try directory.list("out") == ["directory", "empty"])
    #expect(try directory.list("out/directory") == ["inner"])
    #expect(try readFile(directory("out/directory/inner")) == noise(10))
    #expect(try directory.status("out/directory/inner").mode == 0o600)
    #expect(try directory.status("out/directory/inner").modified.seconds == Onefile.time)
    // Its content can be moved away, whatever its final mode.
    #expect(try directory.status("out/directory").mode == 0o700)
  }

  @Test func aFileOfSeveralFramesAndALink() throws {
    try unpack(["big", "directory/link"])
    #expect(try directory.list("out") == ["big", "directory"])
    #expect(try directory.status("out/big").size == 205_300)
    #expect(try directory.status("out/big").mode == 0o600)
    #expect(try directory.list("out/directory") == ["link"])
  }

  @Test func progressEndsWithAllThatIsUnpacked() throws {
    let payload = try Onefile.sample().open(in: directory)
    let manifest = try payload.readManifest()
    try directory.makeDirectory("out")
    let root = try FileDescriptor.open(directory("out"), .directory)
    // The callback runs on this thread.
    nonisolated(unsafe) var last: [UInt64] = []
    try unpackTree(
      of: payload, manifest, only: entries(["directory/inner"]), into: root.handle,
      modes: .archived, workers: 1,
      progress: { last = [$0, $1] })
    #expect(last == [10, 10])
  }

  @Test func nothing() throws {
    try unpack([])
    #expect(try directory.list("out") == [])
  }

  @Test func framesThatHoldNothingWantedAreNotRead() throws {
    var onefile = Onefile.sample()
    onefile.frames[1].hash = .zero
    try unpack(["program", "empty", "directory/inner"], of: onefile)
    #expect(try directory.list("out") == ["directory", "empty", "program"])
    try directory.remove("out")
    try directory.remove("onefile")
    let failed = failure { () throws(Failure) in
      do { try unpack(["big"], of: onefile) } catch let error as Failure { throw error } catch {}
    }
    #expect(failed == "frame 1")
  }

  @Test func theRoomThatIsNeeded() throws {
    let manifest = try Manifest(parsing: Onefile.sample().manifest())
    let size = UnpackedSize(manifest, only: entries(["big", "directory/link"]))
    // The root and the link's directory; holes need no space.
    #expect([size.fileCount, size.directoryCount, size.symlinkCount] == [1, 2, 1])
    #expect(size.bytes == 5300)
    #expect(size.bytesNeeded == 5300 + 3 * 2048)
    let whole = UnpackedSize(manifest)
    #expect(whole.bytes == manifest.allocatedLength)
    #expect([whole.fileCount, whole.directoryCount, whole.symlinkCount] == [4, 2, 1])
    let none = UnpackedSize(manifest, only: entries([]))
    #expect([none.fileCount, none.directoryCount, none.symlinkCount] == [0, 1, 0])
  }
}
