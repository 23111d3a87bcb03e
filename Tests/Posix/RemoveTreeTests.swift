import Glibc
import Posix
import TestSupport
import Testing

@Suite struct RemoveTreeTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func remove(_ name: String) throws {
    let opened = try FileDescriptor.open(directory.path, .directory)
    try removeTree(Path(name), in: opened.handle)
  }

  @Test func everythingBelowIsRemoved() throws {
    try directory.write("keep")
    try directory.write("tree/a/b/c")
    try directory.write("tree/a/d", mode: 0)
    try directory.makeDirectory("tree/empty")
    try remove("tree")
    #expect(try directory.list() == ["keep"])
  }

  @Test func symlinksAreRemovedAndNotFollowed() throws {
    try directory.write("outside/file")
    try directory.symlink("tree/to-directory", to: "../outside")
    try directory.symlink("tree/to-file", to: "../outside/file")
    try directory.symlink("tree/dangling", to: "nowhere")
    try remove("tree")
    #expect(try directory.list() == ["outside"])
    #expect(try directory.list("outside") == ["file"])
  }

  @Test func aSymlinkItselfIsRemoved() throws {
    try directory.write("outside/file")
    try directory.symlink("link", to: "outside")
    try remove("link")
    #expect(try directory.list() == ["outside"])
    #expect(try directory.list("outside") == ["file"])
  }

  /// The clock is checked before each entry, also within one directory.
  @Test func theDeadlineEndsItWithinADirectory() throws {
    let count = 20_000
    for number in 0..<count { try directory.write("tree/\(number)") }
    let above = try FileDescriptor.open(directory.path, .directory)
    let failure = #expect(throws: Failure.self) {
      try removeTree(Path("tree"), in: above.handle, deadline: MonotonicClock.now + 2_000_000)
    }
    #expect(failure?.errno == .timedOut)
    #expect(try directory.list("tree").count > 0)
  }

  @Test func aFileIsRemoved() throws {
    try directory.write("file")
    try remove("file")
    #expect(try directory.list() == [])
  }

  @Test func missingEntriesAreNotAnError() throws {
    try remove("none")
    try remove("none/below")
  }

  @Test func hardLinkedFilesElsewhereStay() throws {
    let file = try directory.write("outside", [1])
    try directory.makeDirectory("tree")
    try DirectoryHandle.current.createHardLink(directory("tree/name"), to: file, in: .current)
    try remove("tree")
    #expect(try readFile(file) == [1])
  }

  /// In its own process, as a user whom modes restrict.
  @Test(arguments: [0, 0o100, 0o200, 0o400, 0o500] as [UInt32])
  func directoriesWithoutPermissions(_ mode: UInt32) async throws {
    await #expect(processExitsWith: .success) { [mode = mode as UInt32] in
      if geteuid() == 0 {
        try #require(setgid(65_534) == 0)
        try #require(setuid(65_534) == 0)
      }
      let directory = try TemporaryDirectory()
      try directory.write("tree/closed/below/file")
      try DirectoryHandle.current.setMode(of: directory("tree/closed/below"), mode)
      try DirectoryHandle.current.setMode(of: directory("tree/closed"), mode)
      try DirectoryHandle.current.setMode(of: directory("tree"), mode)
      let opened = try FileDescriptor.open(directory.path, .directory)
      try removeTree(Path("tree"), in: opened.handle)
      try #require(try directory.list() == [])
    }
  }
}
