import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import PayloadWriter

@Suite struct FrameLayoutTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private static let frameSize = 64 << 10
  private var frameSize: Int { FrameLayoutTests.frameSize }

  private func layOut(releaseTime: Int64? = nil) throws
    -> (tree: ScannedTree, index: ContentIndex, layout: FrameLayout)
  {
    let tree = try scanTree(directory.path)
    let index = try ContentIndex(tree, frameSize: frameSize, workers: 1, progress: nil)
    return (tree, index, FrameLayout(tree, index, releaseTime: releaseTime))
  }

  /// The paths in each frame.
  private func paths(_ laid: (tree: ScannedTree, index: ContentIndex, layout: FrameLayout))
    -> [[String]]
  {
    laid.layout.frames.map { frame in
      frame.map { laid.tree.relativePath(laid.index.contents[$0.content].entry).string }
    }
  }

  /// A tree of small, large, sparse, empty and equal files.
  private func writeSample() throws {
    for number in 0..<60 {
      let name = "lib/python3/pkg\(number % 4)/m\(number).\(number % 3 == 0 ? "so" : "py")"
      try directory.write(name, noise(1000 + number * 317, seed: UInt64(number)))
    }
    try directory.write("large", noise(3 * frameSize + 5, seed: 100))
    try directory.write("exact", noise(frameSize, seed: 101))
    try directory.write("sparse", noise(10, seed: 1) + zeros(300_000) + noise(100_000, seed: 2))
    try directory.write("hole", zeros(1 << 20))
    try directory.write("empty")
    try directory.write("twin", noise(1000, seed: 0))
  }

  @Test func librariesStandApartAndByteCodeBesideItsSource() throws {
    let elf: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]
    try directory.write("a/lib.so", elf + noise(100, seed: 1))
    try directory.write("a/one.py", noise(100, seed: 2))
    try directory.write("a/two.py", noise(100, seed: 3))
    try directory.write("a/__pycache__/one.cpython-311.pyc", noise(100, seed: 4))
    try directory.write("a/__pycache__/two.cpython-311.pyc", noise(100, seed: 5))
    try directory.write("b/lib.so", elf + noise(100, seed: 6))
    #expect(
      paths(try layOut()) == [
        [
          "a/__pycache__/one.cpython-311.pyc", "a/one.py", "a/__pycache__/two.cpython-311.pyc",
          "a/two.py",
        ],
        ["a/lib.so", "b/lib.so"],
      ])
  }

  /// A release must not change the frames of dependencies.
  @Test func contentOfEachReleaseStandsApart() throws {
    let released: Int64 = 1_700_000_000
    for (name, isOfRelease) in [
      ("a/app.py", true), ("a/b.py", false), ("a/c.so", true), ("a/d.so", false), ("e.py", false),
      ("f.html", true),
    ] {
      let content = name.hasSuffix(".so") ? elf(62) + Array(name.utf8) : Array(name.utf8)
      try directory.write(name, content)
      try directory.setTime(name, seconds: isOfRelease ? released : 1_000_000)
    }
    #expect(
      paths(try layOut(releaseTime: released)) == [
        ["a/b.py", "e.py"], ["a/d.so"], ["a/app.py", "f.html"], ["a/c.so"],
      ])
    let all = [["a/app.py", "a/b.py", "e.py", "f.html"], ["a/c.so", "a/d.so"]]
    #expect(paths(try layOut()) == all)
    #expect(paths(try layOut(releaseTime: released + 1)) == all)
  }

  @Test func eachArchitectureHasFramesOfItsOwn() throws {
    // The order of paths mixes them: AArch64, x86-64, big-endian AArch64, RISC-V, AArch64.
    let machines: [UInt16] = [183, 62, 183 << 8, 243, 183]
    for (name, machine) in zip("abcde", machines) {
      try directory.write("\(name)-\(machine)", elf(machine) + Array("\(name)".utf8))
    }
    try directory.write("a-text", noise(10))
    try directory.write("g-cut", Array(elf(183)[..<19]))
    let laid = try layOut()
    #expect(
      paths(laid) == [
        ["a-text"], ["b-62", "c-46848", "d-243", "g-cut"], ["a-183", "e-183"],
      ])
    let filters = laid.layout.frames.map { laid.index.contents[$0[0].content].kind.filter }
    #expect(filters == [.none, .x86, .arm64])
  }

  @Test func contentsForArm64BeginAtPages() throws {
    try directory.write("a", elf(183, count: 101))
    try directory.write("b", elf(183, count: 4096) + [1])
    try directory.write("c", elf(183, count: frameSize - 3 * 4096 - 1) + [1])
    try directory.write("d", elf(183, count: 200))
    let layout = try layOut().layout
    #expect(layout.frames.map { $0.map(\.start) } == [[0, 4096, 3 * 4096], [0]])
    #expect(layout.segments.flatMap { $0.map(\.offset) }.sorted() == [0, 0, 4096, 3 * 4096])
  }

  @Test func piecesPartitionTheContents() throws {
    try writeSample()
    let (_, index, layout) = try layOut()
    var covered = [[ClosedRange<UInt64>]](repeating: [], count: index.contents.count)
    for frame in layout.frames {
      for piece in frame {
        #expect(piece.length > 0)
        covered[piece.content].append(piece.offset...piece.offset + UInt64(piece.length))
      }
    }
    for (number, content) in index.contents.enumerated() {
      // Pieces and holes are in order, without gap or overlap.
      let holes = content.extents.filter(\.isHole).map { $0.offset...$0.offset + $0.length }
      var offset: UInt64 = 0
      for range in (covered[number] + holes).sorted(by: { $0.lowerBound < $1.lowerBound }) {
        #expect(range.lowerBound == offset)
        offset = range.upperBound
      }
      #expect(offset == content.extents.reduce(0) { $0 + $1.length })
    }
  }

  /// Frames and blocks of holes may end at different places.
  @Test(arguments: [64 << 10, 100 << 10, 1 << 20])
  func piecesHaveTheChecksumsOfTheirBytes(_ frameSize: Int) throws {
    try writeSample()
    let tree = try scanTree(directory.path)
    let index = try ContentIndex(tree, frameSize: frameSize, workers: 2, progress: nil)
    for piece in FrameLayout(tree, index).frames.joined() {
      let file = try FileDescriptor.open(tree.path(index.contents[piece.content].entry), .read)
      let bytes = try file.bytes(at: Int64(piece.offset), count: piece.length)
      #expect(bytes.withUnsafeBytes { checksum($0) } == piece.checksum)
    }
    for content in index.contents {
      let stretches = content.extents.filter { !$0.isHole }.map {
        (Int($0.length) + frameSize - 1) / frameSize
      }
      #expect(content.checksums.count == stretches.reduce(0, +))
    }
  }

  @Test func noPieceCrossesAFrame() throws {
    try writeSample()
    let (_, _, layout) = try layOut()
    for frame in layout.frames {
      #expect(!frame.isEmpty)
      #expect(try #require(frame.last).start + #require(frame.last).length <= frameSize)
      for (piece, next) in zip(frame, frame.dropFirst()) {
        #expect(piece.start + piece.length == next.start)
      }
    }
  }

  @Test func segmentsSayWhereThePiecesAre() throws {
    try writeSample()
    let (_, index, layout) = try layOut()
    for (number, content) in index.contents.enumerated() {
      var offset: UInt64 = 0
      for segment in layout.segments[number] {
        if let frame = segment.frame {
          let piece = layout.frames[frame].first { piece in
            piece.content == number && piece.offset == offset
              && piece.length == Int(segment.length) && piece.start == segment.offset
          }
          #expect(piece != nil)
        } else {
          #expect(
            content.extents.contains(.init(offset: offset, length: segment.length, isHole: true)))
        }
        offset += segment.length
      }
      #expect(offset == content.extents.reduce(0) { $0 + $1.length })
    }
  }

  @Test func largeContentsAreSplitIntoFramesOfTheirOwn() throws {
    try directory.write("a", noise(10))
    try directory.write("large", noise(2 * frameSize + 7))
    let laid = try layOut()
    #expect(paths(laid) == [["large"], ["large"], ["large"], ["a"]])
    #expect(laid.layout.frames.map { $0[0].length } == [frameSize, frameSize, 7, 10])
  }

  @Test(arguments: [(-1, 1), (0, 1), (1, 2)])
  func contentsOfAboutAFramesSize(_ difference: Int, _ count: Int) throws {
    try directory.write("file", noise(frameSize + difference))
    #expect(try layOut().layout.frames.count == count)
  }

  @Test func smallContentsFillAFrame() throws {
    let names = (0..<5).map { "lib/python/one/f\($0)" }
    for (number, name) in names.enumerated() {
      try directory.write(name, noise(frameSize / 4, seed: UInt64(number)))
    }
    #expect(try paths(layOut()) == [Array(names[..<4]), [names[4]]])
  }

  @Test func smallContentsStandInTheOrderOfTheirPaths() throws {
    for name in ["b.py", "a.so", "a.py", "c", "b.so", "d/a.py", "d.d/e", "B"] {
      try directory.write(name, [UInt8](name.utf8))
    }
    #expect(
      try paths(layOut())
        == [["B", "a.py", "a.so", "b.py", "b.so", "c", "d.d/e", "d/a.py"]])
  }

  // MARK: Boundaries: docs/decisions/0004-frames.md

  /// FNV-1a (its 64-bit test vectors are in the first test), folded.
  private func hash(_ text: String) -> UInt64 {
    let hash = text.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
      (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }
    return hash ^ (hash >> 32)
  }

  /// A name with this prefix that is a boundary or is not one.
  private func name(_ prefix: String, isBoundary: Bool) -> String {
    var number = 0
    while true {
      let name = "\(prefix)\(number)"
      if (hash(name) % 64 == 0) == isBoundary { return name }
      number += 1
    }
  }

  @Test func hashesAreThoseOfTheStandard() {
    // Unfolded: cbf29ce484222325, af63dc4c8601ec8c, 85944171f73967e8.
    #expect(hash("") == 0xCBF2_9CE4_4FD0_BFC1)
    #expect(hash("a") == 0xAF63_DC4C_2962_30C0)
    #expect(hash("foobar") == 0x8594_4171_72AD_2699)
  }

  @Test func aHalfFullFrameEndsBeforeABoundary() throws {
    let first = name("a", isBoundary: false)
    let second = name("b", isBoundary: true)
    let third = name("c", isBoundary: true)
    try directory.write(first, noise(frameSize / 2, seed: 1))
    try directory.write(second, noise(100, seed: 2))
    try directory.write(third, noise(100, seed: 3))
    #expect(try paths(layOut()) == [[first], [second, third]])
  }

  @Test func aFrameThatIsLessThanHalfFullGoesOn() throws {
    let first = name("a", isBoundary: false)
    let second = name("b", isBoundary: true)
    try directory.write(first, noise(frameSize / 2 - 1, seed: 1))
    try directory.write(second, noise(100, seed: 2))
    #expect(try paths(layOut()) == [[first, second]])
  }

  @Test func aHalfFullFrameGoesOnBeforeOtherNames() throws {
    let first = name("a", isBoundary: true)
    let second = name("b", isBoundary: false)
    try directory.write(first, noise(frameSize - 1, seed: 1))
    try directory.write(second, [1])
    #expect(try paths(layOut()) == [[first, second]])
  }

  @Test func aChangeLeavesTheFramesAfterItAsTheyWere() throws {
    for number in 1000..<2000 {
      try directory.write("f\(number)", noise(600, seed: UInt64(number)))
    }
    let before = try paths(layOut())
    #expect(before.count > 10)
    try directory.remove("f1010")
    try directory.write("f1010", noise(30_000, seed: 5))
    let after = try paths(layOut())
    #expect(before.last == after.last)
    #expect(before.filter { after.contains($0) }.count > before.count / 2)
  }

  @Test func theLayoutDependsOnTheTreeAlone() throws {
    try writeSample()
    let first = try layOut()
    // Most file systems list these files in another order.
    let other = try TemporaryDirectory()
    for entry in first.tree.entries.indices.reversed() where first.tree.entries[entry].kind == .file
    {
      let path = first.tree.relativePath(entry).string
      try other.write(path, readFile(directory(path)))
    }
    let tree = try scanTree(other.path)
    let index = try ContentIndex(tree, frameSize: frameSize, workers: 3, progress: nil)
    let second = FrameLayout(tree, index)
    #expect(paths(first) == paths((tree, index, second)))
    #expect(first.layout.segments == second.segments)
  }

  @Test func anEmptyTreeHasNoFrames() throws {
    try directory.write("empty")
    try directory.write("hole", zeros(200_000))
    #expect(try layOut().layout.frames.isEmpty)
  }
}
