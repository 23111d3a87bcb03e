import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import Updates

/// Pieces with stored bytes that differ, and a gap before each.
private func makePieces(_ places: [(offset: UInt64, length: Int)]) -> [(Piece, [UInt8])] {
  places.enumerated().map { index, place in
    let bytes = [UInt8](repeating: UInt8(index + 1), count: place.length)
    let piece = Piece(
      offset: place.offset, length: UInt64(place.length), hash: digest(bytes), frame: index)
    return (piece, bytes)
  }
}

@Suite struct RequestRangesTests {
  private let pieces = makePieces([(0, 100), (100, 50), (160, 40), (1000, 10)]).map(\.0)

  @Test func nothingIsRequestedForNothing() {
    #expect(requestRanges(for: [], longestGap: 64).isEmpty)
  }

  @Test func neighboursShareARequest() {
    #expect(requestRanges(for: pieces, longestGap: 0) == [0..<150, 160..<200, 1000..<1010])
  }

  @Test func gapsUpToTheLimitAreRequestedToo() {
    #expect(requestRanges(for: pieces, longestGap: 9) == [0..<150, 160..<200, 1000..<1010])
    #expect(requestRanges(for: pieces, longestGap: 10) == [0..<200, 1000..<1010])
    #expect(requestRanges(for: pieces, longestGap: 799) == [0..<200, 1000..<1010])
    #expect(requestRanges(for: pieces, longestGap: 800) == [0..<1010])
  }
}

@Suite struct PieceReceiverTests {
  private let wanted = makePieces([(10, 20), (40, 5), (45, 30)])

  /// Gives bytes of a file of 100 bytes, in which the wanted pieces stand between zeros.
  private func file() -> [UInt8] {
    var file = [UInt8](repeating: 0, count: 100)
    for (piece, bytes) in wanted {
      file.replaceSubrange(Int(piece.offset)..<Int(piece.end), with: bytes)
    }
    return file
  }

  private func take(
    _ receiver: PieceReceiver, _ file: [UInt8], _ range: Range<Int>, into written: inout [UInt8]
  ) throws {
    try file.span.extracting(range).withUnsafeBytes { (bytes) throws(Failure) -> Void in
      try receiver.take(bytes, at: UInt64(range.lowerBound)) { (bytes, offset) throws(Failure) in
        written.replaceSubrange(Int(offset)..<Int(offset) + bytes.count, with: bytes)
      }
    }
  }

  @Test func piecesArriveInAnyPortionsAndGapsAreDropped() throws {
    for portion in [1, 7, 20, 100] {
      let receiver = PieceReceiver(wanted.map(\.0))
      var written = [UInt8](repeating: 0, count: 100)
      // What is between the pieces is not theirs to write.
      var noisy = file()
      for index in 30..<40 { noisy[index] = 0xFF }
      for start in stride(from: 0, to: 100, by: portion) {
        try take(receiver, noisy, start..<min(100, start + portion), into: &written)
      }
      #expect(receiver.complete == wanted.map(\.0))
      #expect(receiver.damaged.isEmpty)
      #expect(written == file())
    }
  }

  @Test func aPieceWithOtherBytesIsDamaged() throws {
    let receiver = PieceReceiver(wanted.map(\.0))
    var written = [UInt8](repeating: 0, count: 100)
    var changed = file()
    changed[42] ^= 1
    try take(receiver, changed, 10..<75, into: &written)
    #expect(receiver.complete == [wanted[0].0, wanted[2].0])
    #expect(receiver.damaged == [wanted[1].0])
  }

  @Test func piecesThatAreLeftOutAreMissing() throws {
    let receiver = PieceReceiver(wanted.map(\.0))
    var written = [UInt8](repeating: 0, count: 100)
    // An answer that ends in a piece, then the next range.
    try take(receiver, file(), 5..<25, into: &written)
    try take(receiver, file(), 40..<75, into: &written)
    #expect(receiver.complete == [wanted[1].0, wanted[2].0])
    #expect(receiver.damaged.isEmpty)
    // The rest of a range may come in a further answer.
    let second = PieceReceiver(wanted.map(\.0))
    try take(second, file(), 10..<25, into: &written)
    try take(second, file(), 25..<50, into: &written)
    try take(second, file(), 50..<75, into: &written)
    #expect(second.complete == wanted.map(\.0))
  }
}

@Suite struct PiecesTests {
  @Test func piecesAreTheBootloaderAndTheFramesWithoutGaps() throws {
    var onefile = Onefile()
    onefile.add("a", content: [UInt8](repeating: 1, count: 300))
    onefile.add("b", content: [UInt8](repeating: 2, count: 500))
    let bytes = onefile.encoded()
    let tail = Array(bytes.suffix(400))
    let trailer = try Trailer(
      parsing: Array(bytes.suffix(Trailer.byteCount)).span,
      at: UInt64(bytes.count - Trailer.byteCount))
    let found = try Payload.trailer(inTail: tail, size: UInt64(bytes.count), named: Path("x"))
    #expect(found == trailer)
    let manifest = try Manifest(parsing: onefile.manifest())
    let all = pieces(of: trailer, manifest)
    #expect(all.map(\.frame) == [nil, 0, 1])
    #expect(all[0].offset == 0)
    for (piece, next) in zip(all, all.dropFirst()) { #expect(piece.end == next.offset) }
    #expect(all.last?.end == trailer.manifestOffset)
    for piece in all {
      #expect(piece.hash == digest(Array(bytes[Int(piece.offset)..<Int(piece.end)])))
    }
  }
}

@Suite struct AnswerHeadTests {
  private func head(_ lines: String...) -> AnswerHead? {
    AnswerHead(lines.map { [UInt8]($0.utf8) })
  }

  @Test func fieldsAreParsedWhateverTheirCase() throws {
    let parsed = try #require(
      head(
        "HTTP/1.1 206 Partial Content", "content-RANGE:  bytes 5-9/100 ", "Content-Length: 5",
        "ETag: \"a:b\"", "Last-Modified: Sun, 29 Nov 2026 00:00:00 GMT", "Content-Type: text/html"))
    #expect(parsed.status == 206)
    #expect(parsed.contentRange == .init(range: 5..<10, size: 100))
    #expect(parsed.contentLength == 5)
    #expect(parsed.contentType == "text/html")
    #expect(parsed.condition == "\"a:b\"")
    #expect(head("HTTP/2 200")?.status == 200)
  }

  @Test func aWeakTagIsNoCondition() {
    #expect(head("HTTP/2 206", "etag: W/\"a\"")?.condition == nil)
    #expect(head("HTTP/2 206", "etag: W/\"a\"", "last-modified: x")?.condition == "x")
    #expect(head("HTTP/2 206")?.condition == nil)
  }

  @Test(arguments: [
    "bytes 5-4/100", "bytes 5-100/100", "bytes */100", "bytes 0-9/*", "items 0-9/100", "bytes 0-9",
    "bytes -9/100", "bytes 0-99999999999999999999/100", "",
  ])
  func badRangesAreNone(_ value: String) throws {
    #expect(try #require(head("HTTP/1.1 206 x", "Content-Range: \(value)")).contentRange == nil)
  }

  @Test(arguments: ["", "HTTP/1.1", "HTTP/1.1 abc", "HTTP/1.1 99", "ICY 200 OK"])
  func otherLinesAreNoHead(_ line: String) { #expect(head(line) == nil) }
}

@Suite struct URLTests {
  @Test func onlyHttpIsForCurl() throws {
    for url in ["http://a/b", "https://a/b", "HTTPS://a"] {
      #expect(try ServerSource.isURL(url))
    }
    for path in ["a", "/a/b", "./http", "a:b", "1://b", ""] {
      #expect(try !ServerSource.isURL(path))
    }
    for url in ["ftp://a/b", "file:///a"] {
      #expect(throws: Failure.self) { try ServerSource.isURL(url) }
    }
  }

  @Test func credentialsAreNotShown() {
    for (url, name) in [
      ("https://user:pass@host/a@b", "https://host/a@b"), ("http://host/a@b", "http://host/a@b"),
      ("http://u@host?x=@", "http://host?x=@"),
    ] {
      #expect(ServerSource(url).name.string == name)
    }
  }
}
