import PayloadFormat
import TestSupport
import Testing

@Suite struct TrailerTests {
  private static func trailer(bootloader: UInt64 = 5000) -> Trailer {
    let hash = { (seed: UInt64) in Digest(noise(32, seed: seed).span, at: 0) }
    return Trailer(
      manifestCodec: .zstd, bootloaderLength: bootloader, framesLength: 700,
      manifestStoredLength: 150, manifestRawLength: 400, recordLength: 90, prefixHash: hash(1),
      manifestHash: hash(2), recordHash: hash(3))
  }

  private static func bytes(_ trailer: Trailer) -> [UInt8] { sealed(trailer.encodedWithoutHash()) }

  @Test(arguments: Codec.allCases)
  func roundTrip(_ codec: Codec) throws {
    var trailer = TrailerTests.trailer()
    trailer.manifestCodec = codec
    if codec == .store { trailer.manifestRawLength = trailer.manifestStoredLength }
    let bytes = TrailerTests.bytes(trailer)
    #expect(bytes.count == Trailer.byteCount)
    #expect(try Trailer(parsing: bytes.span, at: trailer.trailerOffset) == trailer)
    #expect(Trailer.hash(in: bytes.span).bytes == Array(bytes[224...]))
  }

  @Test func partsFollowOneAnother() {
    let trailer = TrailerTests.trailer()
    #expect(trailer.payloadOffset == 8192)
    #expect(trailer.manifestOffset == 8892)
    #expect(trailer.recordOffset == 9042)
    #expect(trailer.trailerOffset == 9132)
  }

  @Test(
    arguments: [(64, 4096), (4095, 4096), (4096, 4096), (4097, 8192), (8192, 8192)]
      as [(UInt64, UInt64)])
  func payloadIsAligned(_ length: UInt64, _ offset: UInt64) {
    #expect(Trailer.payloadOffset(afterBootloader: length) == offset)
  }

  @Test func everyMutationIsRefusedOrStillSound() throws {
    let trailer = TrailerTests.trailer()
    let original = TrailerTests.bytes(trailer)
    for (bytes, index) in mutations(of: original) {
      guard let parsed = try? Trailer(parsing: bytes.span, at: trailer.trailerOffset) else {
        continue
      }
      // Only hashes, the codec and a few lengths have other valid values.
      #expect(parsed.trailerOffset == trailer.trailerOffset, "byte \(index)")
      #expect(parsed.encodedWithoutHash() == Array(bytes[..<224]), "byte \(index)")
    }
  }

  @Test func everyShorterTrailerIsRefused() {
    let bytes = TrailerTests.bytes(TrailerTests.trailer())
    for count in 0..<bytes.count {
      #expect(throws: FormatError(.trailerTooShort)) {
        try Trailer(parsing: bytes.span.extracting(0..<count), at: 9132)
      }
    }
  }

  // MARK: Searching

  /// A trailer that states the position `offset` in the file.
  private static func standing(at offset: Int) -> [UInt8] {
    var trailer = TrailerTests.trailer()
    trailer.trailerOffset = UInt64(offset)
    return bytes(trailer)
  }

  @Test(arguments: [0, 1, 255, 256, 257, 65_535, 65_536])
  func trailerIsFoundBeforeASignature(_ appended: Int) {
    let file = noise(1000) + TrailerTests.standing(at: 1000) + noise(appended, seed: 9)
    #expect(Trailer.find(in: file.span, tailOffset: 0) == 1000)
    #expect(Trailer.find(in: file.span.extracting(500..<file.count), tailOffset: 500) == 500)
  }

  @Test func trailerIsNotFoundBeforeALongerSignature() {
    let file = noise(1000) + TrailerTests.standing(at: 1000) + noise(65_537, seed: 9)
    #expect(Trailer.find(in: file.span, tailOffset: 0) == nil)
  }

  @Test func theLastTrailerCounts() {
    let file = TrailerTests.standing(at: 0) + TrailerTests.standing(at: 256) + noise(10)
    #expect(Trailer.find(in: file.span, tailOffset: 0) == 256)
  }

  @Test func aTrailerOfAnotherPlaceIsPassedOver() {
    // A onefile in the signature states another position.
    let file = TrailerTests.standing(at: 0) + TrailerTests.standing(at: 9) + noise(10)
    #expect(Trailer.find(in: file.span, tailOffset: 0) == 0)
  }

  @Test func trailersWithWrongContentAreFound() {
    var last = TrailerTests.standing(at: 256)
    last[8] = 2
    let file = TrailerTests.standing(at: 0) + last
    #expect(Trailer.find(in: file.span, tailOffset: 0) == 256)
  }

  @Test(arguments: [0, 1, 8, 255])
  func shortFilesHaveNoTrailer(_ count: Int) {
    let bytes = Array(TrailerTests.standing(at: 0)[..<count])
    #expect(Trailer.find(in: bytes.span, tailOffset: 0) == nil)
  }
}
