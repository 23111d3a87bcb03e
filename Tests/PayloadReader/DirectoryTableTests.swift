import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import PayloadReader

@Suite struct DirectoryTableTests {
  /// The tree is the same, however many of its directories can be kept open.
  @Test(arguments: [0, 1, 2, 5, 100])
  func deepTreesNeedFewDescriptors(_ mostOpen: Int) throws {
    var onefile = Onefile()
    var parents = [0, 0]
    var expected: [String] = []
    var paths = ["", ""]
    // Two chains of ten directories each; entries are sorted by their parents.
    for level in 0..<10 {
      for side in 0..<2 {
        parents[side] = onefile.add("\(side)\(level)", in: parents[side], .directory(mode: 0o750))
        paths[side] += "/\(side)\(level)"
        expected.append(String(paths[side].dropFirst()))
      }
    }
    let manifest = try Manifest(parsing: onefile.manifest())
    let directory = try TemporaryDirectory()
    let root = try FileDescriptor.open(directory.path, .directory)
    do {
      let table = try DirectoryTable(manifest, root: root.handle, mostOpen: mostOpen)
      var name = Path()
      for index in 1..<manifest.entryCount {
        let handle = table.locate(manifest.entry(index), of: manifest, name: &name)
        #expect(try handle.status(of: name).kind == .directory)
        #expect(mostOpen < 20 || name.bytes.elementsEqual(manifest.name(of: manifest.entry(index))))
      }
      try table.finish(manifest) { UInt32($0.mode) }
    }
    for path in expected {
      let status = try directory.status(path)
      #expect(status.mode == 0o750)
      #expect(status.modified.seconds == Onefile.time)
    }
  }

  @Test(
    arguments: [
      (8, 0, 0, 8), (8, 1 << 20, 4 << 20, 8), (8, 17 << 20, 16 << 20, 1), (1, 1, 1, 1),
      (0, 1, 1, 1), (4, 8 << 20, 16 << 20, 2), (64, 4 << 20, 4 << 20, 6),
    ] as [(Int, Int, Int, Int)])
  func workersStayWithinTheirMemory(_ cores: Int, _ stored: Int, _ raw: Int, _ expected: Int) {
    #expect(
      workerCount(processors: cores, longestStored: stored, longestRaw: raw) == expected)
  }
}
