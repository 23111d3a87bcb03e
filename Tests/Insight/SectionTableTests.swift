import Testing

@testable import Insight

/// The parser of section tables, with files that lie.
@Suite struct SectionTableTests {
  private func header(offset: UInt64, count: UInt64, rowBytes: UInt64 = 64) -> [UInt8] {
    var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1] + [UInt8](repeating: 0, count: 58)
    put(offset, 8, &bytes, 40)
    put(rowBytes, 2, &bytes, 58)
    put(count, 2, &bytes, 60)
    return bytes
  }

  private func put(_ value: UInt64, _ count: Int, _ bytes: inout [UInt8], _ offset: Int) {
    for index in 0..<count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  private func row(type: UInt64, flags: UInt64, size: UInt64) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64)
    put(type, 4, &bytes, 4)
    put(flags, 8, &bytes, 8)
    put(size, 8, &bytes, 32)
    return bytes
  }

  @Test func sectionsThatAreNotLoadedCount() throws {
    let table = try #require(SectionTable(header: header(offset: 1000, count: 5), fileSize: 5000))
    #expect(table.range == 1000..<1320)
    // Code, debug information, symbols, a section without bytes in the file, and notes that are loaded.
    let rows =
      row(type: 1, flags: 6, size: 400) + row(type: 1, flags: 0, size: 300)
      + row(type: 2, flags: 0, size: 20) + row(type: 8, flags: 0, size: 999)
      + row(type: 7, flags: 2, size: 50)
    #expect(table.unloadedBytes(rows, fileSize: 5000) == 320)
  }

  @Test func sizesThatLieDoNotExceedTheFile() throws {
    let table = try #require(SectionTable(header: header(offset: 64, count: 2), fileSize: 500))
    let rows = row(type: 1, flags: 0, size: .max) + row(type: 1, flags: 0, size: .max)
    #expect(table.unloadedBytes(rows, fileSize: 500) == 500)
    #expect(table.unloadedBytes([1, 2, 3], fileSize: 500) == 0)
    #expect(table.unloadedBytes([], fileSize: 500) == 0)
  }

  @Test func otherFilesHaveNoTable() {
    #expect(SectionTable(header: [], fileSize: 0) == nil)
    #expect(SectionTable(header: [UInt8](repeating: 0, count: 64), fileSize: 64) == nil)
    let bad: [(UInt64, UInt64, UInt64)] = [
      (0, 3, 64), (.max, 1, 64), (100, 0, 64), (100, 3, 40), (100, 65_535, 64), (4937, 1, 64),
    ]
    for (offset, count, rowBytes) in bad {
      let header = header(offset: offset, count: count, rowBytes: rowBytes)
      #expect(SectionTable(header: header, fileSize: 5000) == nil, "\(offset) \(count)")
    }
    #expect(SectionTable(header: header(offset: 4936, count: 1), fileSize: 5000) != nil)
  }

  /// Whatever the bytes are, there is an answer within the file.
  @Test func anyBytes() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      var header = header(offset: 64, count: 3)
      for _ in 0..<3 {
        header[Int.random(in: 6..<64, using: &random)] = .random(in: 0...255, using: &random)
      }
      let size = UInt64.random(in: 0...1 << 40, using: &random)
      guard let table = SectionTable(header: header, fileSize: size) else { continue }
      #expect(table.range.upperBound <= size)
      let rows = (0..<Int.random(in: 0...200, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      #expect(table.unloadedBytes(rows, fileSize: size) <= size)
    }
  }
}
