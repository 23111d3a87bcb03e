import CFilter
import CLZMA
import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@Suite struct FrameDecoderTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The decoded bytes of a frame, or the reason for refusing it.
  private enum Outcome: Equatable {
    case bytes([UInt8])
    case refused(String)
  }

  private func decode(
    _ stored: [UInt8], _ codec: Codec, _ filter: FrameFilter = .none, rawLength: Int,
    hash: Digest? = nil
  ) throws -> Outcome {
    var onefile = Onefile()
    onefile.frames = [
      Onefile.Frame(
        stored: stored, rawLength: rawLength, codec: codec, filter: filter, hash: hash)
    ]
    let payload = try onefile.open(in: directory)
    let manifest = try payload.readManifest()
    var bytes: [UInt8] = []
    let refusal = failure { () throws(Failure) in
      let decoder = try FrameDecoder(
        longestStored: manifest.longestStoredFrame, longestRaw: manifest.longestRawFrame)
      bytes = Array(try decoder.decode(0, of: payload, manifest))
    }
    return refusal.isEmpty ? .bytes(bytes) : .refused(refusal)
  }

  private static let raw = [UInt8](repeating: 0x61, count: 700) + noise(50)
  private var raw: [UInt8] { FrameDecoderTests.raw }

  // MARK: Hash

  @Test(arguments: Codec.allCases)
  func framesOfEachCodec(_ codec: Codec) throws {
    let stored: [UInt8]
    switch codec {
    case .store: stored = raw
    case .zstd: stored = zstd(raw)
    case .xz: stored = xz(raw)
    }
    #expect(try decode(stored, codec, rawLength: raw.count) == .bytes(raw))
  }

  @Test(arguments: [Codec.zstd, .xz], [FrameFilter.x86, .arm64])
  func filtersAreUndone(_ codec: Codec, _ filter: FrameFilter) throws {
    // One call for each architecture.
    let code: [UInt8] = [0xE8, 0xFB, 0x0F, 0x00, 0x00, 0, 0, 0, 1, 0, 0, 0x94] + raw
    var filtered = code
    filtered.withUnsafeMutableBytes {
      switch filter {
      case .none: break
      case .x86: cfilter_x86_apply($0.baseAddress, $0.count)
      case .arm64: cfilter_arm64_apply($0.baseAddress, $0.count)
      }
    }
    #expect(filtered != code)
    let stored = codec == .xz ? xz(filtered) : zstd(filtered)
    #expect(try decode(stored, codec, filter, rawLength: code.count) == .bytes(code))
  }

  @Test(arguments: Codec.allCases)
  func undecodableBytesOfAWrongHashAreNotDecoded(_ codec: Codec) throws {
    // Decoding would fail as well, but with another message.
    #expect(
      try decode(noise(60), codec, rawLength: 60, hash: digest(noise(61))) == .refused("frame 0"))
    try clear()
    #expect(try decode(raw, codec, rawLength: raw.count, hash: .zero) == .refused("frame 0"))
  }

  // MARK: Store

  @Test func storedBytesAreThemselves() throws {
    #expect(try decode([7], .store, rawLength: 1) == .bytes([7]))
    try clear()
    #expect(try decode(raw, .store, rawLength: raw.count) == .bytes(raw))
  }

  // MARK: zstd

  @Test(arguments: [1, 3, 19, 22] as [Int32])
  func zstdLevels(_ level: Int32) throws {
    #expect(try decode(zstd(raw, level: level), .zstd, rawLength: raw.count) == .bytes(raw))
  }

  @Test(arguments: [-700, -1, 1, 4096])
  func zstdOfAnotherLengthIsRefused(_ difference: Int) throws {
    #expect(
      try decode(zstd(raw), .zstd, rawLength: raw.count + difference) == .refused("undecodable 0"))
  }

  @Test(arguments: [[0], [0, 0, 0, 0], [0x28, 0xB5, 0x2F, 0xFD], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF]])
  func zstdWithTrailingBytesIsRefused(_ trailing: [UInt8]) throws {
    #expect(
      try decode(zstd(raw) + trailing, .zstd, rawLength: raw.count) == .refused("undecodable 0"))
  }

  @Test func zstdCutShortIsRefused() throws {
    let stored = zstd(raw, checksum: true)
    for count in 1..<stored.count {
      #expect(
        try decode(Array(stored[..<count]), .zstd, rawLength: raw.count)
          == .refused("undecodable 0"))
      try clear()
    }
  }

  private func clear() throws {
    try directory.remove("onefile")
  }

  @Test func severalZstdFramesFollowOneAnother() throws {
    #expect(
      try decode(zstd(raw) + zstd([1, 2, 3]), .zstd, rawLength: raw.count + 3)
        == .bytes(raw + [1, 2, 3]))
  }

  @Test func skippableFramesAreRefused() throws {
    // docs/format.md, "Codecs": they are not among the complete frames that a zstd frame consists of.
    for stored in [
      skippable([1]) + zstd(raw), zstd(raw) + skippable([]), zstd(raw) + skippable([9]),
    ] {
      #expect(try decode(stored, .zstd, rawLength: raw.count) == .refused("undecodable 0"))
      try clear()
    }
  }

  @Test func aSkippableFrameAloneIsRefused() throws {
    #expect(try decode(skippable([1, 2]), .zstd, rawLength: 2) == .refused("undecodable 0"))
  }

  @Test func zstdBeforeItsStandardIsRefused() throws {
    #expect(try decode(legacyZstd([1, 2, 3]), .zstd, rawLength: 3) == .refused("undecodable 0"))
  }

  @Test func aWindowThatNoMemoryHoldsIsRefused() throws {
    // 2^41 * 1.875 bytes.
    let stored = zstd(raw, windowDescriptor: 0xFF)
    #expect(try decode(stored, .zstd, rawLength: raw.count) == .refused("undecodable 0"))
  }

  @Test func aLargeWindowIsDecodedOrRefused() throws {
    // 2^31 bytes. A reader may accept it, because it decodes straight into the raw bytes.
    let outcome = try decode(zstd(raw, windowDescriptor: 21 << 3), .zstd, rawLength: raw.count)
    #expect(outcome == .bytes(raw) || outcome == .refused("undecodable 0"))
  }

  @Test func aFrameWithADictionaryIsRefused() throws {
    // A single segment, one byte of dictionary id, one of length.
    let stored: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x21, 0x05, 3, 0x19, 0, 0, 1, 2, 3]
    #expect(try decode(stored, .zstd, rawLength: 3) == .refused("undecodable 0"))
  }

  @Test func aWrongChecksumInsideIsRefused() throws {
    var stored = zstd(raw, checksum: true)
    #expect(try decode(stored, .zstd, rawLength: raw.count) == .bytes(raw))
    try clear()
    stored[stored.count - 1] ^= 1
    #expect(try decode(stored, .zstd, rawLength: raw.count) == .refused("undecodable 0"))
  }

  // MARK: xz

  @Test(arguments: [0x00, 0x01] as [UInt32])
  func xzChecks(_ check: UInt32) throws {
    let stored = xz(raw, check: lzma_check(rawValue: check))
    #expect(try decode(stored, .xz, rawLength: raw.count) == .bytes(raw))
  }

  @Test(arguments: [-700, -1, 1, 4096])
  func xzOfAnotherLengthIsRefused(_ difference: Int) throws {
    #expect(
      try decode(xz(raw), .xz, rawLength: raw.count + difference) == .refused("undecodable 0"))
  }

  @Test func xzWithPaddingIsRefused() throws {
    for padding in [[0, 0, 0, 0], [0], [1]] as [[UInt8]] {
      #expect(
        try decode(xz(raw) + padding, .xz, rawLength: raw.count) == .refused("undecodable 0"))
      try clear()
    }
  }

  @Test func severalXZStreamsAreRefused() throws {
    #expect(
      try decode(xz(raw) + xz(raw), .xz, rawLength: 2 * raw.count) == .refused("undecodable 0"))
    try clear()
    #expect(try decode(xz(raw) + xz(raw), .xz, rawLength: raw.count) == .refused("undecodable 0"))
  }

  @Test func xzCutShortIsRefused() throws {
    let stored = xz(raw)
    for count in 1..<stored.count {
      #expect(
        try decode(Array(stored[..<count]), .xz, rawLength: raw.count)
          == .refused("undecodable 0"))
      try clear()
    }
  }

  @Test func aWrongCheckInsideIsRefused() throws {
    let stored = xz(raw)
    for index in stored.indices {
      var changed = stored
      changed[index] ^= 0x40
      #expect(
        try decode(changed, .xz, rawLength: raw.count) == .refused("undecodable 0"),
        "byte \(index)")
      try clear()
    }
  }

  /// Writers must not use them. A reader may accept them, but must then decode them correctly.
  @Test(arguments: [LZMA_CHECK_CRC64.rawValue, LZMA_CHECK_SHA256.rawValue])
  func otherXZChecksAreRightOrRefused(_ check: UInt32) throws {
    let outcome = try decode(
      xz(raw, check: lzma_check(rawValue: check)), .xz, rawLength: raw.count)
    #expect(outcome == .bytes(raw) || outcome == .refused("undecodable 0"))
  }

  @Test(arguments: [XZFilter.x86, .delta])
  func otherXZFiltersAreRightOrRefused(_ filter: XZFilter) throws {
    let outcome = try decode(xz(raw, filter: filter), .xz, rawLength: raw.count)
    #expect(outcome == .bytes(raw) || outcome == .refused("undecodable 0"))
  }

  @Test func theLargestXZDictionaryIsAccepted() throws {
    let stored = xz(raw, dictionary: 16 << 20)
    #expect(try decode(stored, .xz, rawLength: raw.count) == .bytes(raw))
  }

  @Test func aLargerXZDictionaryDoesNotTakeItsMemory() throws {
    let stored = xz(raw, dictionary: 1 << 30)
    #expect(try decode(stored, .xz, rawLength: raw.count) == .refused("undecodable 0"))
  }

  // MARK: Using it again

  @Test func oneDecoderDecodesManyFrames() throws {
    var onefile = Onefile()
    let contents = (1...20).map { noise($0 * 100, seed: UInt64($0)) }
    onefile.frames = contents.enumerated().map { index, raw in
      switch index % 3 {
      case 0: Onefile.Frame(stored: raw)
      case 1: Onefile.Frame(stored: zstd(raw), rawLength: raw.count, codec: .zstd)
      default: Onefile.Frame(stored: xz(raw), rawLength: raw.count, codec: .xz)
      }
    }
    onefile.frames[9].hash = .zero
    let payload = try onefile.open(in: directory)
    let manifest = try payload.readManifest()
    let decoder = try FrameDecoder(
      longestStored: manifest.longestStoredFrame, longestRaw: manifest.longestRawFrame)
    for index in (0..<20).reversed() where index != 9 {
      #expect(Array(try decoder.decode(index, of: payload, manifest)) == contents[index])
    }
    #expect(throws: Failure.self) { try decoder.decode(9, of: payload, manifest) }
    #expect(Array(try decoder.decode(10, of: payload, manifest)) == contents[10])
  }
}
