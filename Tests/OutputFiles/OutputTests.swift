import Glibc
import OutputFiles
import Posix
import TestSupport
import Testing

/// The places where files are written: `OutputPlace`, `OutputFile`.
@Suite struct OutputTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func path(_ given: Path, followsLinks: Bool = true) throws -> String? {
    do throws(Failure) {
      let place = try OutputPlace(given, followsLinks: followsLinks)
      return place.path.string
    } catch {
      let text = error.description.string
      #expect(text.contains(given.string) && !text.hasSuffix("."))
      return nil
    }
  }

  @Test func filesAndNewNamesAreTakenAsTheyAre() throws {
    try directory.write("file")
    #expect(try path(directory("file")) == directory("file").string)
    #expect(try path(directory("new")) == directory("new").string)
    #expect(try path(directory("new"), followsLinks: false) == directory("new").string)
  }

  @Test func outputsThatAreNotFilesAreRefused() throws {
    try directory.makeDirectory("directory")
    #expect(mkfifo(directory("fifo").string, 0o600) == 0)
    for name in ["directory", "fifo", "missing/file", "new/", ""] {
      #expect(try path(name.isEmpty ? Path() : directory(name)) == nil)
    }
    for device in ["/dev/null", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/0"] {
      #expect(try path(Path(device)) == nil)
    }
  }

  @Test func symlinksAreFollowed() throws {
    try directory.write("sub/file")
    try directory.symlink("link", to: "sub/other")
    try directory.symlink("sub/other", to: "file")
    try directory.symlink("dangling", to: "sub/new")
    try directory.symlink("loop", to: "loop")
    try directory.symlink("null", to: "/dev/null")
    try directory.symlink("lost", to: "missing/file")
    #expect(try path(directory("link")) == directory("sub/file").string)
    #expect(try path(directory("dangling")) == directory("sub/new").string)
    for name in ["loop", "null", "lost"] { #expect(try path(directory(name)) == nil) }
    #expect(try path(directory("link"), followsLinks: false) == nil)
  }

  private func write(_ name: String, replaces: Bool = true) throws {
    let file = try OutputFile(try OutputPlace(directory(name)), mode: 0o644)
    try file.write([1, 2])
    try file.write([3])
    try file.publish(replaces: replaces)
  }

  @Test func aFileIsReplacedWhereTheLinkLeads() throws {
    try directory.write("sub/file")
    try directory.symlink("link", to: "sub/file")
    try write("link")
    #expect(try directory.status("link").kind == .symlink)
    #expect(try readFile(directory("sub/file")) == [1, 2, 3])
    #expect(try directory.list("sub") == ["file"])
    #expect(try directory.list() == ["link", "sub"])
  }

  @Test func existingFilesAreReplacedOnlyOnRequest() throws {
    try write("new", replaces: false)
    #expect(try readFile(directory("new")) == [1, 2, 3])
    try directory.write("old", [9])
    #expect(throws: Failure.self) { try write("old", replaces: false) }
    #expect(try readFile(directory("old")) == [9])
    #expect(try directory.list() == ["new", "old"])
  }

  /// The FIFO was created after the place was examined.
  @Test func aFIFOIsNotReplacedEither() throws {
    let file = try OutputFile(try OutputPlace(directory("fifo")), mode: 0o644)
    try file.write([1])
    #expect(mkfifo(directory("fifo").string, 0o600) == 0)
    #expect(throws: Failure.self) { try file.publish() }
    #expect(try directory.status("fifo").kind == .fifo)
  }
}
