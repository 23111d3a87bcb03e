import Posix
import TestSupport
import Testing

@Suite struct FileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The error of opening; nil if it succeeds.
  private func failure(_ name: String, _ options: OpenOptions) -> Errno? {
    do throws(Failure) {
      _ = try FileDescriptor.open(directory(name), options, mode: 0o600)
      return nil
    } catch { return error.errno }
  }

  @Test func newFilesAreNewAndFollowNoSymlink() throws {
    try directory.write("file", [1])
    try directory.symlink("dangling", to: "target")
    try directory.symlink("link", to: "file")
    #expect(failure("file", .createNew) == .exists)
    #expect(failure("dangling", .createNew) == .exists)
    #expect(failure("link", .createNew) == .exists)
    #expect(try !directory.exists("target"))
    #expect(failure("new", .createNew) == nil)
  }

  @Test func symlinksAreFollowedOnlyOnRequest() throws {
    try directory.write("file")
    try directory.makeDirectory("directory")
    try directory.symlink("to-file", to: "file")
    try directory.symlink("to-directory", to: "directory")
    #expect(failure("to-file", .read) == nil)
    #expect(failure("to-file", .readNoFollow) == .symlinkLoop)
    #expect(failure("to-file", .write) == .symlinkLoop)
    #expect(failure("to-file", .createLock) == .symlinkLoop)
    #expect(failure("to-directory", .directoryFollow) == nil)
    #expect(failure("to-directory", .directory) == .notDirectory)
    #expect(failure("file", .directory) == .notDirectory)
    #expect(failure("none", .read) == .noSuchFile)
  }

  @Test func errorsNameTheWholePath() throws {
    let opened = try FileDescriptor.open(directory.path, .directory)
    do throws(Failure) {
      _ = try FileDescriptor.open(Path("a/b"), in: opened.handle, .read)
      Issue.record("it opened")
    } catch {
      #expect(error.path.elementsEqual(directory("a/b")))
      #expect(error.errno == .noSuchFile)
    }
  }

  @Test func readingStopsAtTheEnd() throws {
    let file = try FileDescriptor.open(try directory.write("file", [1, 2, 3, 4]), .read)
    #expect(try file.bytes(at: 0, count: 4) == [1, 2, 3, 4])
    #expect(try file.bytes(at: 2, count: 100) == [3, 4])
    #expect(try file.bytes(at: 4, count: 1) == [])
    #expect(try file.bytes(at: 1000, count: 1) == [])
    #expect(try file.bytes(at: 0, count: 0) == [])
  }

  @Test func writingAtAnOffset() throws {
    let path = try directory.write("file", [1, 2, 3, 4])
    let file = try FileDescriptor.open(path, .write)
    try [UInt8]([9, 8]).withUnsafeBytes { bytes in try file.write(bytes, at: 5) }
    try file.close()
    #expect(try readFile(path) == [1, 2, 3, 4, 0, 9, 8])
  }

  @Test func resizingModeAndTime() throws {
    let path = try directory.write("file", [1, 2, 3, 4])
    let file = try FileDescriptor.open(path, .write)
    try file.resize(to: 1 << 20)
    try file.setMode(0o4755)
    try file.setModificationTime(FileTime(seconds: -1, nanoseconds: 999_999_999))
    let status = try file.status()
    #expect(status.kind == .file)
    #expect(status.size == 1 << 20)
    #expect(status.mode == 0o4755)
    #expect(status.modified == FileTime(seconds: -1, nanoseconds: 999_999_999))
  }

  @Test func theOwnerClosesTheDescriptor() throws {
    let path = try directory.write("file")
    #expect(!isOpen(try opened(path)))
    let kept = try FileDescriptor.open(path, .read).release()
    #expect(isOpen(kept))
    let again = FileDescriptor(owning: kept, path: path)
    try again.close()
    // Another test may have got the same number since.
    #expect(!isOpen(kept, at: path))
  }

  /// The number of a descriptor whose owner has ended.
  private func opened(_ path: Path) throws -> Int32 {
    let file = try FileDescriptor.open(path, .read)
    #expect(isOpen(file.rawValue, at: path))
    return file.rawValue
  }

  private func isOpen(_ descriptor: Int32, at path: Path? = nil) -> Bool {
    let link = Path("/proc/self/fd/\(descriptor)")
    guard let target = try? DirectoryHandle.current.symlinkTarget(of: link) else { return false }
    return target.elementsEqual(path ?? directory("file"))
  }

  @Test func descriptorsAreClosedOnExec() throws {
    let file = try FileDescriptor.open(try directory.write("file"), .read)
    #expect(try flags(file.rawValue) & 0o2000000 != 0)
    try file.keepAcrossExec()
    #expect(try flags(file.rawValue) & 0o2000000 == 0)
  }

  /// Reads octal flags from `/proc/self/fdinfo`; O_CLOEXEC is 02000000 on Linux.
  private func flags(_ descriptor: Int32) throws -> Int {
    let file = try FileDescriptor.open(Path("/proc/self/fdinfo/\(descriptor)"), .read)
    let text = String(decoding: try file.bytes(at: 0, count: 4096), as: UTF8.self)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("flags:") })
    return try #require(Int(line.dropFirst(6).drop { $0 == "\t" }, radix: 8))
  }

  @Test func unnamedFilesGetANameOnce() throws {
    do {
      let file = try FileDescriptor.openUnnamed(in: directory.path, mode: 0o600)
      try file.write([5, 6])
      #expect(try directory.list() == [])
      try file.link(as: directory("named"))
    }
    #expect(try readFile(directory("named")) == [5, 6])
    let other = try FileDescriptor.openUnnamed(in: directory.path, mode: 0o600)
    do throws(Failure) {
      try other.link(as: directory("named"))
      Issue.record("it replaced the file")
    } catch { #expect(error.errno == .exists) }
  }

  /// In its own process: a process that another test starts shares the locks for a moment.
  @Test func locksExcludeOneAnother() async {
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      let path = try directory.write("file")
      let first = try FileDescriptor.open(path, .read)
      let second = try FileDescriptor.open(path, .read)
      try #require(try first.lock(exclusive: false, wait: false))
      try #require(try second.lock(exclusive: false, wait: false))
      try #require(try !second.lock(exclusive: true, wait: false))
      try first.close()
      try #require(try second.lock(exclusive: true, wait: false))
    }
  }

  @Test func manyNamesAreListed() throws {
    // More than the kernel returns at once.
    let names = (0..<1000).map { "\($0)-" + String(repeating: "n", count: 100) }
    for name in names { try directory.write(name) }
    let opened = try FileDescriptor.open(directory.path, .directory)
    let listed = try opened.handle.names().map { String(decoding: $0, as: UTF8.self) }
    #expect(listed.sorted() == names.sorted())
  }

  @Test func aRemovedDirectoryHasNoList() throws {
    try directory.makeDirectory("a")
    let opened = try FileDescriptor.open(directory.path.appending("a"), .directory)
    let parent = try FileDescriptor.open(directory.path, .directory)
    try parent.handle.removeDirectory(Path("a"))
    let failure = #expect(throws: Failure.self) { try opened.handle.names() }
    #expect(failure?.errno == .noSuchFile)
  }

  @Test func namesAreListedWithoutDots() throws {
    try directory.write("b")
    try directory.write("...")
    try directory.makeDirectory("a")
    let name: [UInt8] = [0xFF, 0x0A]
    try FileDescriptor.open(directory.path.appending(name), .createNew, mode: 0o600).close()
    let opened = try FileDescriptor.open(directory.path, .directory)
    let listed = try opened.handle.names().sorted { $0.lexicographicallyPrecedes($1) }
    #expect(listed == [[0x2E, 0x2E, 0x2E], [0x61], [0x62], name])
    #expect(try opened.handle.names(in: Path("a")) == [])
  }

  @Test func longSymlinkTargetsAreReadWhole() throws {
    for length in [1, 255, 256, 257, 1023, 1024, 4095] {
      let target = String(repeating: "t", count: length)
      try directory.symlink("link-\(length)", to: target)
      let read = try DirectoryHandle.current.symlinkTarget(of: directory("link-\(length)"))
      #expect(read.string == target)
    }
  }

  @Test func renamingWithoutReplacing() throws {
    try directory.makeDirectory("a")
    try directory.write("b/file")
    let opened = try FileDescriptor.open(directory.path, .directory)
    do throws(Failure) {
      try opened.handle.renameWithoutReplacing(Path("a"), to: Path("b"))
      Issue.record("it replaced the directory")
    } catch { #expect(error.errno == .exists || error.errno == .notEmpty) }
    try opened.handle.renameWithoutReplacing(Path("a"), to: Path("c"))
    try opened.handle.exchange(Path("b"), with: Path("c"))
    #expect(try directory.list() == ["b", "c"])
    #expect(try directory.list("c") == ["file"])
  }

  @Test func kindsOfFiles() throws {
    try directory.write("file")
    try directory.symlink("link", to: "file")
    #expect(try directory.status("link").kind == .symlink)
    #expect(
      try DirectoryHandle.current.status(of: directory("link"), follow: true).kind == .file)
    #expect(try DirectoryHandle.current.status(of: Path("/dev/null")).kind == .device)
    #expect(try DirectoryHandle.current.status(of: directory.path).kind == .directory)
    #expect(try DirectoryHandle.current.statusIfExists(of: directory("none")) == nil)
    let status = try directory.status("file")
    #expect(status.isSameFile(as: try directory.status("file")))
    #expect(!status.isSameFile(as: try directory.status("link")))
  }

  @Test func buffersStartZeroed() throws {
    let buffer = try Buffer(count: 10_000)
    #expect(buffer.bytes.count == 10_000)
    #expect(buffer.bytes.allSatisfy { $0 == 0 })
    #expect(try Buffer(count: 0).bytes.count == 1)
  }

  @Test func randomBytesDiffer() throws {
    #expect(try randomBytes(0).isEmpty)
    #expect(try randomBytes(32) != randomBytes(32))
  }
}
