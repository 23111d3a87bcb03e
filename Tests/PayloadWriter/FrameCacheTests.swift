import OutputFiles
import PayloadFormat
import Posix
import Testing
import TestSupport

@testable import PayloadWriter

@Suite struct FrameCacheTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("bootloader", elf())
    try directory.write("tree/bin/app", [UInt8]("#!/bin/sh\n".utf8), mode: 0o755)
    for number in 0..<5 {
      try directory.write("tree/large\(number)", text(70_000, seed: UInt64(number)))
    }
    try directory.write("tree/noise", noise(65_536))
    try directory.write("tree/library", machineCode(4000))
  }

  /// Bytes that compress, but not to almost nothing.
  private func text(_ count: Int, seed: UInt64) -> [UInt8] {
    noise(count, seed: seed).map { $0 & 15 }
  }

  private func pack(
    to output: String = "out", cache: String? = "cache/frames", codec: Codec = .zstd,
    level: Int = 1, workers: Int = 1
  ) throws -> PackSummary {
    try packTree(
      PackRequest(
        tree: directory("tree"), output: directory(output),
        bootloader: try Bootloader(directory("bootloader")),
        record: LaunchRecord(
          name: [UInt8]("app".utf8), entry: [UInt8]("bin/app".utf8), target: []),
        compression: Compression(codec: codec, level: level, frameSize: 64 << 10),
        workers: workers, frameCache: cache.map { directory($0) }))
  }

  /// The paths of all files in the cache, sorted.
  private func entries(_ cache: String = "cache/frames") throws -> [String] {
    try directory.list(cache).flatMap { name in
      try directory.list("\(cache)/\(name)").map { "\(cache)/\(name)/\($0)" }
    }
  }

  private func replace(_ name: String, _ bytes: [UInt8]) throws {
    try directory.remove(name)
    try directory.write(name, bytes)
  }

  @Test(arguments: [Codec.zstd, .xz])
  func theOutputIsTheSameWithAndWithout(_ codec: Codec) throws {
    let without = try pack(cache: nil, codec: codec)
    #expect(without.framesFromCache == 0)
    let expected = try readFile(directory("out"))
    let cold = try pack(codec: codec)
    #expect(cold.framesFromCache == 0 && cold.warnings.isEmpty)
    #expect(try readFile(directory("out")) == expected)
    for workers in [1, 3] {
      let warm = try pack(codec: codec, workers: workers)
      #expect(warm.framesFromCache == warm.frames && warm.warnings.isEmpty)
      #expect(try readFile(directory("out")) == expected)
    }
  }

  @Test func entriesAreTheOwnersAlone() throws {
    let summary = try pack()
    #expect(try entries().count == summary.frames)
    for name in try entries() {
      #expect(try directory.status(name).mode == 0o600)
      let digits = name.split(separator: "/").suffix(2)
      #expect(digits.last?.utf8.count == 64 && digits.last?.hasPrefix(digits.first ?? "?") == true)
    }
    for name in ["cache", "cache/frames"] { #expect(try directory.status(name).mode == 0o700) }
  }

  @Test func storeIsNotCached() throws {
    _ = try pack(codec: .store)
    #expect(try !directory.exists("cache"))
  }

  @Test func oneChangedFileIsOneNewFrame() throws {
    _ = try pack()
    try replace("tree/large2", text(65_536, seed: 99) + Array(text(70_000, seed: 2)[65_536...]))
    let warm = try pack()
    #expect(warm.framesFromCache == warm.frames - 1)
    let bytes = try readFile(directory("out"))
    _ = try pack(cache: nil)
    #expect(try readFile(directory("out")) == bytes)
  }

  @Test func keysTellCodecLevelFilterAndBytes() {
    func key(
      _ bytes: [UInt8], _ codec: Codec, _ level: Int, _ filter: FrameFilter = .none
    ) -> Digest {
      bytes.withUnsafeBytes {
        FrameEntry.key($0, filter, Compression(codec: codec, level: level, frameSize: 1 << 20))
      }
    }
    let keys = [
      key([1], .zstd, 1), key([1], .zstd, 2), key([1], .xz, 1), key([2], .zstd, 1),
      key([1, 0], .zstd, 1), key([], .zstd, 1), key([1], .zstd, 1, .x86),
      key([1], .zstd, 1, .arm64),
    ]
    #expect(Set(keys).count == keys.count)
    #expect(key([1], .zstd, 1) == keys[0])
  }

  // MARK: Damage

  @Test func damagedEntriesAreReplaced() throws {
    let count = try pack().frames
    let expected = try readFile(directory("out"))
    let name = try #require(
      try entries().first { try directory.status($0).size > 1000 })
    let good = try readFile(directory(name))
    var damaged: [[UInt8]] = [[], Array(good[..<88]), Array(good.dropLast()), good + [0]]
    damaged.append(zeros(good.count))
    // Each byte of the header, and one stored byte.
    for index in Array(0...88) + [good.count - 1] {
      var bytes = good
      bytes[index] ^= 1
      damaged.append(bytes)
    }
    for bytes in damaged {
      try replace(name, bytes)
      let summary = try pack()
      #expect(summary.framesFromCache == count - 1 && summary.warnings.isEmpty)
      #expect(try readFile(directory("out")) == expected)
      #expect(try readFile(directory(name)) == good)
    }
    #expect(try entries().count == count)
  }

  @Test func anEntryUnderAnothersNameIsNotTaken() throws {
    let count = try pack().frames
    let expected = try readFile(directory("out"))
    // Two frames of the same raw length.
    let names = try entries().filter { try directory.status($0).size > 20_000 }
    try replace(names[0], readFile(directory(names[1])))
    #expect(try pack().framesFromCache == count - 1)
    #expect(try readFile(directory("out")) == expected)
  }

  @Test func anEntryThatIsNoFileIsReplacedOrLeft() throws {
    let count = try pack().frames
    let names = try entries()
    try directory.remove(names[0])
    try directory.symlink(names[0], to: "/dev/zero")
    try directory.remove(names[1])
    try directory.makeDirectory(names[1])
    let summary = try pack()
    #expect(summary.framesFromCache == count - 2)
    #expect(try directory.status(names[0]).kind == .file)
    #expect(try directory.status(names[1]).kind == .directory)
  }

  // MARK: Unusable directories

  private func warning(_ summary: PackSummary) throws -> String {
    #expect(summary.framesFromCache == 0 && summary.warnings.count == 1)
    let text = try #require(summary.warnings.first).string
    #expect(text.hasPrefix("the cache '\(directory("cache/frames").string)' is not "))
    #expect(!text.hasSuffix("."))
    return text
  }

  @Test(arguments: [0o770, 0o707, 0o1777] as [UInt32])
  func aDirectoryThatOthersCanWriteToIsNotUsed(_ mode: UInt32) throws {
    _ = try pack()
    try DirectoryHandle.current.setMode(of: directory("cache/frames"), mode)
    #expect(try warning(try pack()).contains("others can write to it"))
  }

  @Test func filesAreNotUsedAsACache() throws {
    try directory.write("cache/frames")
    #expect(try warning(try pack()).contains("Not a directory"))
    try directory.remove("cache/frames")
    try directory.makeDirectory("elsewhere")
    try directory.symlink("cache/frames", to: "../elsewhere")
    _ = try warning(try pack())
    #expect(try directory.list("elsewhere") == [])
  }

  @Test func failureToAddIsAWarning() throws {
    let count = try pack().frames
    let expected = try readFile(directory("out"))
    for name in try directory.list("cache/frames") {
      try replace("cache/frames/\(name)", [])
    }
    let summary = try pack()
    #expect(try warning(summary).contains("is not added to"))
    #expect(summary.frames == count)
    #expect(try readFile(directory("out")) == expected)
  }

  // MARK: Pruning

  /// Adds an entry and gives it a time; returns its name.
  private func add(_ seed: UInt64, to cache: FrameCache, time: Int64) throws -> Digest {
    let bytes = noise(5000, seed: seed)
    let key = digest([UInt8(seed)])
    cache.add(
      EncodedFrame(bytes: bytes, codec: .zstd, filter: .none, hash: digest(bytes)), key,
      rawLength: 6000)
    let digits = hexText(key.bytes).string
    try directory.setTime("frames/\(digits.prefix(2))/\(digits)", seconds: time)
    return key
  }

  private func open(capacity: UInt64) throws -> FrameCache {
    var problem: Text? = nil
    let cache = FrameCache.open(directory("frames"), capacity: capacity, problem: &problem)
    #expect(problem == nil)
    return try #require(cache)
  }

  @Test func theLeastRecentlyUsedGoFirst() throws {
    // Each entry takes two blocks of 4,096 bytes.
    let cache = try open(capacity: 3 * 8192)
    var keys: [Digest] = []
    for number in 0..<5 {
      keys.append(try add(UInt64(number), to: cache, time: 1_000_000 + Int64(number)))
    }
    // Counts as a use.
    #expect(cache.lookUp(keys[0], rawLength: 6000, .zstd) != nil)
    cache.prune()
    let isThere = keys.map { cache.lookUp($0, rawLength: 6000, .zstd) != nil }
    #expect(isThere == [true, false, false, true, true])
  }

  @Test func nothingIsPrunedWithinTheCapacity() throws {
    let cache = try open(capacity: 5 * 8192)
    for number in 0..<5 { _ = try add(UInt64(number), to: cache, time: 1_000_000) }
    cache.prune()
    #expect(try entries("frames").count == 5)
  }

  @Test func leftoversOfKilledPackersAreRemoved() throws {
    let cache = try open(capacity: 1 << 30)
    _ = try add(1, to: cache, time: 1_000_000)
    try directory.write("frames/00/.old.partial")
    try directory.setTime("frames/00/.old.partial", seconds: 1_000_000 - 3601)
    try directory.write("frames/00/.new.partial")
    try directory.setTime("frames/00/.new.partial", seconds: 1_000_000 - 3599)
    cache.prune()
    #expect(try directory.list("frames/00") == [".new.partial"])
    #expect(try entries("frames").count == 2)
  }

  /// Packers leave such stages on file systems without unnamed files.
  @Test func stagesOfKilledPackersAreRemoved() throws {
    let cache = try open(capacity: 1 << 30)
    _ = try add(1, to: cache, time: 1_000_000)
    let left = "frames/00/.entry.0123456789abcdef"
    try directory.write("\(left)/onefold-stage", [UInt8]("onefold stage 1\n".utf8))
    let running = try Stage(beside: directory("frames/00/entry"))
    cache.prune()
    #expect(try !directory.exists(left))
    #expect(try names(in: running.path) == ["onefold-stage"])
  }
}
