import Glibc
import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@Suite struct ExtractTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeDirectory("out")
  }

  /// The failure of extracting to `target`.
  private func failure(_ onefile: Onefile, to target: String = "out/tree") throws -> String {
    let payload = try onefile.open(in: directory)
    defer { try? directory.remove("onefile") }
    return PayloadReaderTests.failure { () throws(Failure) in
      try extract(payload, to: directory(target))
    }
  }

  @Test func everyEntryIsAsItWas() throws {
    #expect(try failure(Onefile.sample()) == "")
    #expect(try directory.list("out") == ["tree"])
    #expect(try directory.list("out/tree") == ["big", "directory", "empty", "program"])
    #expect(try directory.list("out/tree/directory") == ["again", "inner", "link"])
    let zeros = [UInt8](repeating: 0, count: 200_000)
    #expect(
      try readFile(directory("out/tree/big")) == noise(5000, seed: 1) + zeros + noise(300, seed: 2))
    #expect(try readFile(directory("out/tree/empty")) == [])
    #expect(try readFile(directory("out/tree/program")) == [UInt8]("#!/bin/sh\n".utf8))
    let link = directory("out/tree/directory/link")
    #expect(try DirectoryHandle.current.symlinkTarget(of: link).string == "../program")
    #expect(
      try directory.status("out/tree/directory/again")
        .isSameFile(as: try directory.status("out/tree/program")))
  }

  /// In its own process, because the mask belongs to the process.
  @Test func modesDoNotDependOnTheMask() async {
    await #expect(processExitsWith: .success) {
      let tests = try ExtractTests()
      var onefile = Onefile()
      let modes: [UInt16] = [0, 0o111, 0o222, 0o400, 0o444, 0o644, 0o755, 0o777]
      for mode in modes { onefile.add("d\(mode + 1000)", .directory(mode: mode | 0o500)) }
      for mode in modes { onefile.add("e\(mode + 1000)", content: [], mode: mode) }
      for mode in modes { onefile.add("f\(mode + 1000)", content: noise(9), mode: mode) }
      ProcessContext.setFileModeMask(0o077)
      try #require(try tests.failure(onefile) == "")
      for mode in modes {
        let tree = "out/tree/"
        let wanted = UInt32(mode)
        try #require(try tests.directory.status("\(tree)d\(mode + 1000)").mode == wanted | 0o500)
        try #require(try tests.directory.status("\(tree)e\(mode + 1000)").mode == wanted)
        try #require(try tests.directory.status("\(tree)f\(mode + 1000)").mode == wanted)
      }
      try #require(ProcessContext.setFileModeMask(0) == 0o077)
    }
  }

  @Test func timesAreKept() throws {
    #expect(try failure(Onefile.sample()) == "")
    let names = [
      "", "big", "directory", "directory/again", "directory/inner", "directory/link", "empty",
      "program",
    ]
    for name in names {
      #expect(
        try directory.status("out/tree/\(name)").modified
          == FileTime(seconds: Onefile.time, nanoseconds: 123_456_789), "\(name)")
    }
  }

  @Test func holesAreLeftUnallocated() throws {
    var onefile = Onefile()
    onefile.frames = [Onefile.Frame(stored: [1])]
    onefile.segments = [
      Manifest.Segment(frame: nil, offset: 0, length: 1 << 30),
      Manifest.Segment(frame: 0, offset: 0, length: 1),
    ]
    onefile.add("mixed", .file(size: 1 << 30 + 1, segments: 0..<2, hash: .zero))
    onefile.add("only", .file(size: 1 << 30, segments: 0..<1, hash: .zero, mode: 0o751))
    #expect(try failure(onefile) == "")
    for (name, size) in [("mixed", (1 << 30) + 1), ("only", 1 << 30)] {
      var info = stat()
      #expect(directory("out/tree/\(name)").withCString { stat($0, &info) } == 0)
      #expect(info.st_size == size)
      #expect(info.st_blocks * 512 < 1 << 20)
    }
    #expect(try directory.status("out/tree/only").mode == 0o751)
    let file = try FileDescriptor.open(directory("out/tree/mixed"), .read)
    #expect(try file.bytes(at: (1 << 30) - 2, count: 9) == [0, 0, 1])
  }

  @Test func anEmptyDirectoryMayBeThere() throws {
    try directory.makeDirectory("out/tree", mode: 0o700)
    #expect(try failure(Onefile.sample()) == "")
    #expect(try directory.list("out/tree").count == 4)
  }

  @Test(arguments: ["out/tree/", "out//tree", "out/../out/tree"])
  func targetsOfUnusualForm(_ target: String) throws {
    #expect(try failure(Onefile.sample(), to: target) == "")
    #expect(try directory.list("out") == ["tree"])
  }

  /// Like `onefold extract FILE .` in a new directory.
  @Test func anEmptyDirectoryThatIsNamedByADot() throws {
    #expect(try failure(Onefile.sample(), to: "out/.") == "")
    #expect(try directory.list("out").count == 4)
  }

  @Test func existingFilesAreKept() throws {
    try directory.write("out/file", [1])
    try directory.write("out/full/file", [2])
    try directory.makeDirectory("out/empty")
    try directory.symlink("out/link", to: "empty")
    try directory.symlink("out/dangling", to: "nowhere")
    for name in ["file", "full", "link", "dangling"] {
      #expect(try failure(Onefile.sample(), to: "out/\(name)") == "occupied", "\(name)")
    }
    #expect(try failure(Onefile.sample(), to: "none/tree") == "system \(ENOENT)")
    #expect(try failure(Onefile.sample(), to: "out/file/tree") == "system \(ENOTDIR)")
    #expect(try directory.list("out") == ["dangling", "empty", "file", "full", "link"])
    #expect(try readFile(directory("out/full/file")) == [2])
  }

  // MARK: Failures leave nothing

  /// A onefile with one damaged file.
  private func withWrong(_ change: (inout Onefile.Frame) -> Void) -> Onefile {
    var onefile = Onefile()
    for number in 10..<30 {
      let parent = onefile.add("d\(number)", .directory(mode: 0))
      #expect(parent == number - 9)
    }
    for number in 10..<30 {
      onefile.add("f", in: number - 9, content: noise(1000, seed: UInt64(number)))
    }
    change(&onefile.frames[13])
    return onefile
  }

  @Test func aWrongHash() throws {
    #expect(try failure(withWrong { $0.hash = .zero }) == "frame 13")
    #expect(try directory.list("out") == [])
  }

  @Test func anUndecodableFrame() throws {
    #expect(try failure(withWrong { $0.codec = .zstd }) == "undecodable 13")
    #expect(try directory.list("out") == [])
  }

  @Test func aFailureKeepsAnEmptyTarget() throws {
    try directory.makeDirectory("out/tree", mode: 0o710)
    #expect(try failure(withWrong { $0.hash = .zero }) == "frame 13")
    #expect(try directory.list("out") == ["tree"])
    #expect(try directory.status("out/tree").mode == 0o710)
  }

  @Test func aWrongBootloader() throws {
    var onefile = Onefile.sample()
    onefile.editTrailer = { $0.prefixHash = .zero }
    #expect(try failure(onefile) == "bootloader")
    #expect(try directory.list("out") == [])
  }

  @Test func aWrongManifest() throws {
    var onefile = Onefile.sample()
    onefile.editTrailer = { $0.manifestHash = .zero }
    #expect(try failure(onefile) == "manifest")
    #expect(try directory.list("out") == [])
  }

  /// Whether the file system has the space that the test below would fill.
  private static func hasTebibyte() -> Bool {
    guard let directory = try? TemporaryDirectory(),
      let descriptor = try? FileDescriptor.open(directory.path, .directory),
      let volume = try? descriptor.volume()
    else { return false }
    return volume.bytesAvailable >= 1 << 40
  }

  @Test(.disabled(if: hasTebibyte(), "needs a file system with less than 1 TiB free"))
  func aTreeThatIsTooLargeForTheDisk() throws {
    // 1,024 times 16 MiB in each of 63 files: almost 1 TiB, of one small frame.
    let segments = 1024
    let size = UInt64(segments) << 24
    var onefile = Onefile()
    onefile.frames = [Onefile.Frame(stored: zstd([1]), rawLength: 16 << 20, codec: .zstd)]
    onefile.segments = (0..<segments).map { _ in
      Manifest.Segment(frame: 0, offset: 0, length: 16 << 20)
    }
    for number in 10..<73 {
      onefile.add("\(number)", .file(size: size, segments: 0..<segments, hash: .zero))
    }
    #expect(try failure(onefile) == "no space")
    #expect(try directory.list("out") == [])
  }

  @Test func aHeldSignalLeavesNothing() async {
    await #expect(processExitsWith: .exitCode(0)) {
      let directory = try TemporaryDirectory()
      let payload = try Onefile.sample().open(in: directory)
      TerminationSignals.hold()
      kill(getpid(), SIGTERM)
      while TerminationSignals.pending == nil { MonotonicClock.sleep(milliseconds: 1) }
      let found = PayloadReaderTests.failure { () throws(Failure) in
        try extract(payload, to: directory("tree"))
      }
      try #require(found == "signal \(SIGTERM)")
      try #require(try directory.list() == ["onefile"])
      try directory.remove("onefile")
      try directory.remove("")
      exit(0)
    }
  }
}
