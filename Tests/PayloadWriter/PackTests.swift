import Glibc
import OutputFiles
import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import PayloadWriter

@Suite struct PackTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("bootloader", elf())
    try directory.write("tree/bin/app", [UInt8]("#!/bin/sh\n".utf8), mode: 0o755)
  }

  private func request(
    output: String = "out", entry: String = "bin/app", workers: Int = 1,
    _ change: (inout PackRequest) -> Void = { _ in }
  ) throws -> PackRequest {
    var request = PackRequest(
      tree: directory("tree"), output: directory(output),
      bootloader: try Bootloader(directory("bootloader")),
      record: LaunchRecord(
        name: [UInt8]("app".utf8), entry: [UInt8](entry.utf8), target: [UInt8]("unset".utf8)),
      compression: Compression(codec: .zstd, level: 1, frameSize: 64 << 10), workers: workers)
    change(&request)
    return request
  }

  private func writeSample() throws {
    for number in 0..<40 {
      try directory.write(
        "tree/lib/p\(number % 3)/f\(number).txt", noise(number * 1500, seed: UInt64(number)))
    }
    try directory.write("tree/lib/text", [UInt8](repeating: 0x61, count: 500_000))
    try directory.write("tree/sparse", noise(9) + zeros(1 << 20) + noise(70_000), mode: 0o400)
    try directory.write("tree/empty", mode: 0o640)
    try directory.makeDirectory("tree/empty.d", mode: 0o1711)
    try directory.symlink("tree/link", to: "lib/../bin/app")
    try DirectoryHandle.current.createHardLink(
      directory("tree/lib/a"), to: directory("tree/bin/app"), in: .current)
    for name in ["tree/bin/app", "tree/link", "tree/lib", "tree/empty.d", "tree"] {
      try directory.setTime(name, seconds: 1_600_000_000, nanoseconds: 5)
    }
  }

  // MARK: Reading gives what was packed

  @Test(arguments: Codec.allCases)
  func theTreeComesBack(_ codec: Codec) throws {
    try writeSample()
    let summary = try packTree(
      try request { $0.compression.codec = codec })
    let payload = try Payload.open(directory("out"))
    let manifest = try verify(payload)
    #expect(summary.treeID == payload.treeID)
    #expect(summary.files == manifest.fileCount && summary.files == 44)
    #expect(summary.directories == manifest.directoryCount)
    #expect(summary.hardLinks == 1 && summary.symlinks == 1)
    #expect(summary.bytesIn == manifest.contentLength)
    #expect(summary.bytesOut == UInt64(try directory.status("out").size))
    #expect(payload.record.target == [UInt8]("x86_64-linux".utf8))
    #expect(payload.trailer.bootloaderLength == 100)

    _ = try extract(payload, to: directory("copy"))
    let tree = try scanTree(directory("tree"))
    let copy = try scanTree(directory("copy"))
    #expect(tree.entries.count == copy.entries.count)
    for index in tree.entries.indices {
      let (a, b) = (tree.entries[index], copy.entries[index])
      #expect(a.name == b.name && a.parent == b.parent && a.kind == b.kind, "\(index)")
      #expect(a.mode == b.mode && a.size == b.size, "\(index)")
      // Whole seconds, which every archive and layer keeps.
      #expect(b.modified == FileTime(seconds: a.modified.seconds, nanoseconds: 0), "\(index)")
      if a.kind == .file { #expect(try readFile(tree.path(index)) == readFile(copy.path(index))) }
    }
  }

  @Test func stickyDirectoriesLoseTheBit() throws {
    try writeSample()
    _ = try packTree(try request())
    _ = try extract(try Payload.open(directory("out")), to: directory("copy"))
    #expect(try directory.status("copy/empty.d").mode == 0o711)
  }

  @Test func anEmptyTreeButForTheEntry() throws {
    let summary = try packTree(try request())
    #expect(summary.frames == 1 && summary.contents == 1)
    _ = try verify(try Payload.open(directory("out")))
  }

  @Test(arguments: Codec.allCases, [FrameFilter.x86, .arm64])
  func machineCodeIsFilteredWhereThatHelps(_ codec: Codec, _ filter: FrameFilter) throws {
    let code = filter == .x86 ? machineCode(5000) : arm64Code(5000)
    let header = Array(code[..<100])
    try directory.write("tree/library", code)
    try directory.write("tree/text", Array(code[100...]))
    try directory.write("tree/data", header + noise(60_000).map { $0 & 15 })
    _ = try packTree(try request { $0.compression.codec = codec })
    let payload = try Payload.open(directory("out"))
    let manifest = try verify(payload)
    let filters = (0..<manifest.frameCount).map { manifest.frame($0).filter }
    #expect(filters == (codec == .store ? [.none, .none, .none] : [.none, .none, filter]))
    _ = try extract(payload, to: directory("copy"))
    for name in ["library", "text", "data"] {
      #expect(try readFile(directory("copy/\(name)")) == readFile(directory("tree/\(name)")))
    }
  }

  @Test func incompressibleContentIsStored() throws {
    try directory.write("tree/noise", noise(200_000))
    _ = try packTree(try request())
    let manifest = try Payload.open(directory("out")).readManifest()
    let codecs = (0..<manifest.frameCount).map { manifest.frame($0).codec }
    #expect(codecs.contains(.store))
  }

  @Test(arguments: Codec.allCases)
  func workersMakeNoDifference(_ codec: Codec) throws {
    try writeSample()
    for workers in [1, 4] {
      _ = try packTree(
        try request(output: "out\(workers)", workers: workers) { $0.compression.codec = codec })
    }
    #expect(try readFile(directory("out1")) == readFile(directory("out4")))
  }

  @Test func theTreeIDDependsOnTheTreeAlone() throws {
    try writeSample()
    let first = try packTree(try request())
    try directory.write("other", elf(count: 9000))
    let other = try Bootloader(directory("other"))
    let second = try packTree(
      try request(output: "renamed") {
        $0.bootloader = other
        $0.record.version = [UInt8]("2".utf8)
        $0.record.arguments = [[0x78]]
      })
    #expect(first.treeID == second.treeID)
    try directory.setTime("tree/empty", seconds: 9)
    #expect(try packTree(try request()).treeID != first.treeID)
  }

  @Test func laterTimesAreClamped() throws {
    try writeSample()
    let times: [(name: String, seconds: Int64, nanoseconds: UInt32, expected: FileTime)] = [
      ("tree/lib/text", 1000, 0, FileTime(seconds: 1000, nanoseconds: 0)),
      ("tree/bin/app", 1000, 1, FileTime(seconds: 1000, nanoseconds: 0)),
      ("tree/link", 1001, 7, FileTime(seconds: 1000, nanoseconds: 0)),
      ("tree/empty", 999, 999_999_999, FileTime(seconds: 999, nanoseconds: 0)),
      ("tree/sparse", -5, 3, FileTime(seconds: -5, nanoseconds: 0)),
      ("tree/lib", 5000, 0, FileTime(seconds: 1000, nanoseconds: 0)),
      ("tree", 5000, 9, FileTime(seconds: 1000, nanoseconds: 0)),
    ]
    for (name, seconds, nanoseconds, _) in times {
      try directory.setTime(name, seconds: seconds, nanoseconds: nanoseconds)
    }
    _ = try packTree(try request { $0.latestTime = 1000 })
    _ = try extract(try Payload.open(directory("out")), to: directory("copy"))
    for (name, _, _, expected) in times {
      let copy = "copy" + name.dropFirst("tree".count)
      #expect(try directory.status(copy).modified == expected, "\(name)")
    }
  }

  @Test func theOutputIsExecutableAndReplacesAnother() throws {
    try directory.write("out", [1, 2, 3])
    _ = try packTree(try request())
    #expect(try directory.status("out").mode & 0o100 == 0o100)
    #expect(try directory.list() == ["bootloader", "out", "tree"])
    _ = try verify(try Payload.open(directory("out")))
  }

  // MARK: Errors

  /// The failure of packing. Checks that nothing is left, and that an existing output stays.
  private func failure(_ request: () throws -> PackRequest) throws -> Failure? {
    try? directory.remove("out")
    try directory.write("out", [1, 2, 3])
    let before = try directory.list()
    let made = try request()
    do throws(Failure) {
      _ = try packTree(made)
      return nil
    } catch {
      #expect(try directory.list() == before)
      #expect(try readFile(directory("out")) == [1, 2, 3])
      let text = error.description.string
      #expect(!text.isEmpty && !text.hasSuffix("."))
      return error
    }
  }

  private func failure() throws -> Failure? { try failure { try request() } }

  @Test func unsupportedFiles() throws {
    #expect(directory("tree/fifo").withCString { mkfifo($0, 0o600) } == 0)
    #expect(try failure() == .unsupported(directory("tree/fifo"), .fifo))
  }

  /// docs/format.md, "Entries": a writer refuses files that have them.
  @Test(arguments: [0o4755, 0o2755, 0o6755, 0o1755] as [UInt32])
  func filesWithOtherThanPermissionBits(_ mode: UInt32) throws {
    try directory.write("tree/special", [1], mode: mode)
    #expect(try failure() == .specialBits(directory("tree/special")))
  }

  /// Two sparse files that together have one byte too many. The packer must notice before it reads them.
  @Test func moreThanAOnefileHolds() throws {
    for (name, size) in [("a", Int64(1) << 39), ("b", Int64(1) << 39 + 1)] {
      try directory.write("tree/\(name)")
      let file = try FileDescriptor.open(directory("tree/\(name)"), .write)
      try file.resize(to: size)
    }
    #expect(
      try failure()
        == .tooLarge("its files have more than 1,099,511,627,776 bytes (1 TiB) in all"))
  }

  @Test(arguments: ["/etc", "..", "../tree", "lib/../../x", "./../tree"])
  func symlinksThatLeave(_ target: String) throws {
    try directory.symlink("tree/link", to: target)
    #expect(try failure() == .symlinkLeaves(directory("tree/link"), target: Path(target)))
  }

  @Test func symlinksInTheirDirectoryMayClimbToTheRoot() throws {
    try directory.symlink("tree/a/b/link", to: "../../bin/app")
    try directory.symlink("tree/a/b/root", to: "../..")
    #expect(try failure() == nil)
    try directory.symlink("tree/a/b/out", to: "../../..")
    #expect(try failure() == .symlinkLeaves(directory("tree/a/b/out"), target: Path("../../..")))
  }

  @Test func longPaths() throws {
    let name = String(repeating: "n", count: 254)
    var path = "tree"
    var length = 0
    // Deeper than PATH_MAX allows in one call; created through descriptors.
    var parent = try FileDescriptor.open(directory.path, .directory)
    parent = try FileDescriptor.open(Path("tree"), in: parent.handle, .directory)
    while length + 255 <= 3072 {
      try parent.handle.createDirectory(Path(name), mode: 0o755)
      parent = try FileDescriptor.open(Path(name), in: parent.handle, .directory)
      path += "/\(name)"
      length += length == 0 ? 254 : 255
    }
    let rest = 3072 - length - 1
    try FileDescriptor.open(
      Path(String(repeating: "m", count: rest)), in: parent.handle, .createNew, mode: 0o644
    ).close()
    #expect(try failure() == nil)
    try FileDescriptor.open(
      Path(String(repeating: "o", count: rest + 1)), in: parent.handle, .createNew,
      mode: 0o644
    ).close()
    path += "/" + String(repeating: "o", count: rest + 1)
    #expect(try failure() == .pathTooLong(directory(path)))
  }

  @Test(arguments: ["bootloader", "none", "bootloader/below"])
  func pathsThatAreNotTrees(_ name: String) throws {
    let error = try #require(try failure { try request { $0.tree = directory(name) } })
    #expect(error == .notDirectory(directory(name)))
  }

  @Test func aTreeBehindASymlink() throws {
    try directory.symlink("link", to: "tree")
    let direct = try packTree(try request())
    let linked = try packTree(try request(output: "linked") { $0.tree = directory("link") })
    #expect(direct.treeID == linked.treeID)
  }

  @Test(arguments: ["", "/bin/app", "bin/../bin/app", "./bin/app", "bin/", "bin//app"])
  func invalidPathsOfEntries(_ entry: String) throws {
    #expect(try failure { try request(entry: entry) } == .entryPath(Path(entry)))
  }

  @Test func entries() throws {
    try directory.write("tree/data", [1], mode: 0o644)
    try directory.write("tree/arm", elf(183), mode: 0o755)
    try directory.write("tree/old", elf(3, class: 1), mode: 0o755)
    try directory.symlink("tree/good", to: "bin/app")
    try directory.symlink("tree/dangling", to: "none")
    for missing in ["bin/none", "data/x", "dangling"] {
      #expect(
        try failure { try request(entry: missing) }
          == .entryMissing(Path(missing), tree: directory("tree")))
    }
    #expect(try failure { try request(entry: "bin") } == .entryNotFile(Path("bin")))
    #expect(try failure { try request(entry: "data") } == .entryNotExecutable(Path("data")))
    #expect(
      try failure { try request(entry: "arm") }
        == .entryArchitecture(Path("arm"), target: "x86_64-linux", own: "aarch64-linux"))
    #expect(
      try failure { try request(entry: "old") }
        == .entryArchitecture(Path("old"), target: "x86_64-linux", own: nil))
    #expect(try failure { try request(entry: "good") } == nil)
  }

  @Test func outputs() throws {
    try directory.makeDirectory("directory")
    try directory.makeDirectory("tree/sub")
    try directory.symlink("inside", to: "tree/sub")
    for output in ["tree/out", "tree/sub/out", "inside/out", "tree/sub/../out"] {
      #expect(
        try failure { try request(output: output) }
          == .output(directory(output), inside: directory("tree")))
    }
    #expect(
      try failure { try request(output: "directory") }
        == .notRegularOutput(directory("directory"), .directory))
    #expect(
      try failure { try request(output: "none/out") } == .noOutputDirectory(directory("none/out")))
  }

  @Test func records() throws {
    let tooLong = [UInt8](repeating: 0x61, count: 65_536)
    let changes: [(message: String?, change: (inout LaunchRecord) -> Void)] = [
      ("the application's name is not valid", { $0.name = [] }),
      ("the application's name is not valid", { $0.name = [0x2F] }),
      ("a text of the launch record is too long", { $0.version = [0x0A] }),
      ("the arguments and variables are longer than 65536", { $0.arguments = [tooLong] }),
      ("an environment variable of the launch record", { $0.variables = [[0x3D]] }),
      ("an environment variable of the launch record", { $0.removedVariables = [[]] }),
      ("a value of the launch record holds a NUL", { $0.arguments = [[0]] }),
      // These records are within all limits.
      (nil, { $0.arguments = Array(repeating: [], count: 8000) }),
    ]
    for (message, change) in changes {
      let error = try failure { try request { change(&$0.record) } }
      #expect((error == nil) == (message == nil))
      if let error, let message { #expect(error.description.string.hasPrefix(message)) }
    }
  }

  @Test func bootloaders() throws {
    _ = try packTree(try request(output: "onefile"))
    try directory.write("script", [UInt8]("#!/bin/sh\n".utf8) + zeros(100))
    try directory.write("short", Array(elf()[..<63]))
    try directory.write("sparc", elf(43))
    try directory.write("arm", elf(183))
    for name in ["script", "short", "sparc", "onefile", "tree"] {
      #expect(throws: Failure.self, "\(name)") { try Bootloader(directory(name)) }
    }
    #expect(try Bootloader(directory("arm")).target.description == "aarch64-linux")
    do throws(Failure) { _ = try Bootloader(directory("onefile")) } catch {
      #expect(error.description.string.hasSuffix("has a payload already"))
    }
  }

  @Test func aHeldSignalLeavesNothing() async {
    await #expect(processExitsWith: .exitCode(0)) {
      let tests = try PackTests()
      TerminationSignals.hold()
      kill(getpid(), SIGINT)
      while TerminationSignals.pending == nil { MonotonicClock.sleep(milliseconds: 1) }
      guard try tests.failure() == .interrupted(signal: SIGINT) else { exit(1) }
      try tests.directory.remove("")
      exit(0)
    }
  }

  @Test func everyErrorHasItsOwnMessage() {
    let path = Path("/p")
    let errors: [Failure] = [
      Failure("open", path, .noSuchFile), .unsupported(path, .fifo),
      .unsupported(path, .socket), .unsupported(path, .device), .specialBits(path),
      .symlinkLeaves(path, target: path), .pathTooLong(path), .notDirectory(path), .changed(path),
      .entryPath(path), .entryMissing(path, tree: path), .entryNotFile(path),
      .entryNotExecutable(path), .entryArchitecture(path, target: "x", own: nil),
      .entryArchitecture(path, target: "x", own: "y"),
      .output(path, inside: path), .noFileName(path), .bootloader(path, "is wrong"),
      .record("a text"), .compression("zstd"), .tooLarge("many"), .interrupted(signal: 2),
    ]
    let texts = errors.map { $0.description.string }
    #expect(Set(texts).count == texts.count)
    for text in texts { #expect(!text.hasSuffix(".") && text.first?.isUppercase == false) }
  }
}
