import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@Suite struct VerifyTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func failure(of onefile: Onefile) throws -> String {
    try failure(of: onefile.encoded())
  }

  private func failure(of bytes: [UInt8]) throws -> String {
    let path = try directory.write("file", bytes)
    defer { try? directory.remove("file") }
    return PayloadReaderTests.failure { () throws(Failure) in
      try verify(try Payload.open(path))
    }
  }

  @Test func aWholeFilePasses() throws {
    #expect(try failure(of: Onefile.sample()) == "")
    #expect(try failure(of: Onefile()) == "")
  }

  @Test func everyByteIsCovered() throws {
    var onefile = Onefile.sample()
    onefile.bootloader = noise(64)
    let bytes = onefile.encoded()
    // All bytes of the bootloader, some of the padding, and all others.
    for index in Array(0..<64) + Array(stride(from: 64, to: 4096, by: 61))
      + Array(4096..<bytes.count)
    {
      var changed = bytes
      changed[index] ^= 1
      #expect(try failure(of: changed) != "", "byte \(index)")
    }
  }

  @Test func paddingIsHashedAsWell() throws {
    let bytes = Onefile.sample().encoded()
    var changed = bytes
    changed[4095] = 1
    #expect(try failure(of: changed) == "bootloader")
  }

  @Test func aFrameThatNoFileUsesIsChecked() throws {
    var onefile = Onefile.sample()
    onefile.frames.append(Onefile.Frame(stored: [1, 2, 3], hash: .zero))
    #expect(try failure(of: onefile) == "frame 4")
    onefile.frames[4] = Onefile.Frame(stored: [1, 2, 3], rawLength: 3, codec: .zstd)
    #expect(try failure(of: onefile) == "undecodable 4")
  }

  // MARK: Contents that do not match their hash, in frames that do

  @Test func ofAFileInOneFrame() throws {
    var onefile = Onefile.sample()
    onefile.add("wrong", in: 2, content: noise(100), hash: digest(noise(101)))
    #expect(try failure(of: onefile) == "content directory/wrong")
  }

  @Test func ofAnEmptyFile() throws {
    var onefile = Onefile.sample()
    onefile.add("wrong", in: 2, content: [], hash: .zero)
    #expect(try failure(of: onefile) == "content directory/wrong")
  }

  /// A onefile with a file of two frames, and its content.
  private func twoFrames() -> (Onefile, [UInt8]) {
    var onefile = Onefile()
    onefile.frames = [Onefile.Frame(stored: noise(100)), Onefile.Frame(stored: noise(50, seed: 2))]
    onefile.segments = [
      Manifest.Segment(frame: 0, offset: 0, length: 100),
      Manifest.Segment(frame: 1, offset: 10, length: 40),
    ]
    return (onefile, noise(100) + noise(50, seed: 2)[10...])
  }

  @Test func ofAFileInTwoFrames() throws {
    var (onefile, content) = twoFrames()
    onefile.add("a", .file(size: 140, segments: 0..<2, hash: digest(content)))
    #expect(try failure(of: onefile) == "")
    onefile.add("b", .file(size: 140, segments: 0..<2, hash: digest(content)))
    #expect(try failure(of: onefile) == "")
    content[0] ^= 1
    onefile.add("c", .file(size: 140, segments: 0..<2, hash: digest(content)))
    #expect(try failure(of: onefile) == "content c")
  }

  @Test func ofAHole() throws {
    var onefile = Onefile()
    onefile.segments = [Manifest.Segment(frame: nil, offset: 0, length: 100_000)]
    let zeros = [UInt8](repeating: 0, count: 100_000)
    onefile.add("a", .file(size: 100_000, segments: 0..<1, hash: digest(zeros)))
    #expect(try failure(of: onefile) == "")
    onefile.add("b", .file(size: 100_000, segments: 0..<1, hash: digest(noise(9))))
    #expect(try failure(of: onefile) == "content b")
  }

  @Test func ofAFileThatSharesAFrameWithALargeOne() throws {
    var (onefile, content) = twoFrames()
    onefile.add("a", .file(size: 140, segments: 0..<2, hash: digest(content)))
    onefile.segments.append(Manifest.Segment(frame: 1, offset: 0, length: 10))
    let start = Array(noise(50, seed: 2)[..<10])
    onefile.add("b", .file(size: 10, segments: 2..<3, hash: digest(start)))
    #expect(try failure(of: onefile) == "")
    onefile.add("c", .file(size: 10, segments: 2..<3, hash: .zero))
    #expect(try failure(of: onefile) == "content c")
  }

  @Test func progressEndsAtTheTotal() async throws {
    let path = try directory.write("file", Onefile.sample().encoded())
    let last = LastProgress()
    _ = try verify(try Payload.open(path)) { last.set($0, $1) }
    #expect(last.done <= last.total)
  }
}

/// The callback runs on one thread.
private final class LastProgress: @unchecked Sendable {
  private(set) var done: UInt64 = 0
  private(set) var total: UInt64 = 0

  func set(_ done: UInt64, _ total: UInt64) {
    self.done = done
    self.total = total
  }
}
