import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import PayloadWriter

@Suite struct ContentIndexTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test func equalContentsAreOne() throws {
    try directory.write("a", noise(100))
    try directory.write("b", noise(100), mode: 0o755)
    try directory.write("c", noise(101))
    try directory.write("d/a", noise(100))
    try directory.write("e")
    try directory.write("f")
    let tree = try scanTree(directory.path)
    let index = try ContentIndex(of: directory)
    #expect(index.contents.count == 2)
    #expect(index.contentOfEntry == [nil, 0, 0, 1, nil, nil, nil, 0])
    #expect(index.contents.map(\.entry) == [1, 3])
    #expect(index.hashes[1] == digest(noise(100)))
    #expect(index.hashes[5] == digest([]))
    #expect(index.hashes[0] == .zero)
    #expect(tree.entries.count == index.hashes.count)
  }

  @Test func theNumberOfWorkersMakesNoDifference() throws {
    for number in 0..<50 {
      try directory.write("d\(number % 5)/f\(number)", noise(number % 7 * 1000, seed: 3))
    }
    let one = try ContentIndex(of: directory, workers: 1)
    let four = try ContentIndex(of: directory, workers: 4)
    #expect(one.contentOfEntry == four.contentOfEntry)
    #expect(one.hashes == four.hashes)
    #expect(one.contents.map(\.entry) == four.contents.map(\.entry))
    #expect(one.contents.map(\.extents) == four.contents.map(\.extents))
  }

  @Test func linksAreNotRead() throws {
    let file = try directory.write("a", noise(10))
    try DirectoryHandle.current.createHardLink(directory("b"), to: file, in: .current)
    try directory.symlink("c", to: "a")
    let index = try ContentIndex(of: directory)
    #expect(index.contentOfEntry == [nil, 0, nil, nil])
    #expect(index.hashes[2] == .zero)
  }

  // MARK: Holes: docs/format.md, "Canonical writing"

  private static let block = 65_536

  /// The extents of a file; holes have negative lengths.
  private func extents(_ bytes: [UInt8]) throws -> [Int] {
    try directory.write("file", bytes)
    defer { try? directory.remove("file") }
    let index = try ContentIndex(of: directory)
    let extents = index.contents[0].extents
    var offset: UInt64 = 0
    for extent in extents {
      #expect(extent.offset == offset)
      offset += extent.length
    }
    #expect(offset == UInt64(bytes.count))
    return extents.map { $0.isHole ? -Int($0.length) : Int($0.length) }
  }

  private var block: Int { ContentIndexTests.block }

  @Test func aBlockOfZerosIsAHole() throws {
    #expect(try extents(noise(block) + zeros(block) + noise(1)) == [block, -block, 1])
    #expect(try extents(zeros(block) + noise(block)) == [-block, block])
  }

  @Test func adjoiningBlocksAreOneHole() throws {
    #expect(try extents(zeros(3 * block) + [1]) == [-3 * block, 1])
    #expect(try extents([1] + zeros(block - 1) + zeros(40 * block)) == [block, -40 * block])
  }

  @Test func onlyWholeBlocksAreHoles() throws {
    // 65,536 zeros, but not at a multiple of 65,536.
    #expect(try extents([1] + zeros(block) + noise(block - 1)) == [2 * block])
    #expect(try extents(zeros(block - 1) + [1] + zeros(block - 1) + [1]) == [2 * block])
  }

  @Test func aLastShorterBlockCountsInAFileOfSeveral() throws {
    #expect(try extents(noise(block) + [0]) == [block, -1])
    #expect(try extents(noise(block) + zeros(block - 1)) == [block, -(block - 1)])
    #expect(try extents(zeros(block) + [0]) == [-(block + 1)])
  }

  @Test(arguments: [1, 4096, 65_535])
  func aFileOfOneShorterBlockHasNoHole(_ count: Int) throws {
    #expect(try extents(zeros(count)) == [count])
  }

  @Test func aFileOfOneWholeBlockOfZerosIsAHole() throws {
    #expect(try extents(zeros(block)) == [-block])
  }

  @Test func oneOtherByteMakesABlockStored() throws {
    for position in [0, 1, 7, 8, 65_527, 65_535] {
      var bytes = zeros(2 * block)
      bytes[position] = 1
      #expect(try extents(bytes) == [block, -block])
    }
  }

  @Test func holesOfTheFileSystemMakeNoDifference() throws {
    let path = try directory.write("sparse", [])
    let file = try FileDescriptor.open(path, .write)
    try file.resize(to: Int64(5 * block + 3))
    try [UInt8]([1]).withUnsafeBytes { bytes in try file.write(bytes, at: Int64(2 * block)) }
    try file.close()
    var dense = zeros(5 * block + 3)
    dense[2 * block] = 1
    try directory.write("z-dense", dense)
    let index = try ContentIndex(of: directory)
    #expect(index.contents.count == 1)
    #expect(index.contents[0].extents.map(\.isHole) == [true, false, true])
  }

  @Test func holesAcrossReadsAreOne() throws {
    // Files are read 1 MiB at a time.
    let bytes = noise(block) + zeros(3 << 20) + noise(block)
    #expect(try extents(bytes) == [block, -(3 << 20), block])
  }

  // MARK: Changes

  @Test func aFileThatChangesIsNoticed() throws {
    try directory.write("a", noise(100))
    try directory.write("b", noise(100))
    let changes: [(String, () throws -> Void)] = [
      ("time", { try directory.setTime("b", seconds: 5) }),
      (
        "length",
        {
          let time = try directory.status("b").modified
          let file = try FileDescriptor.open(directory("b"), .write)
          try file.resize(to: 101)
          try file.setModificationTime(time)
        }
      ),
      (
        "inode",
        {
          try directory.remove("b")
          try directory.write("b", noise(99))
        }
      ),
    ]
    for (what, change) in changes {
      let tree = try scanTree(directory.path)
      try change()
      do throws(Failure) {
        _ = try ContentIndex(tree, frameSize: block, workers: 1, progress: nil)
        Issue.record("\(what) was not noticed")
      } catch {
        #expect(error == .changed(directory("b")))
      }
    }
  }

  @Test func aFileThatBecomesASymlinkIsNotRead() throws {
    try directory.write("b", noise(100))
    let tree = try scanTree(directory.path)
    try directory.remove("b")
    try directory.symlink("b", to: "/etc/passwd")
    #expect(throws: Failure.self) {
      try ContentIndex(tree, frameSize: block, workers: 1, progress: nil)
    }
  }
}
