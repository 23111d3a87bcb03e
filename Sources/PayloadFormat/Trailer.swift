/// The fixed-size end of a onefile (docs/format.md, "Trailer").
public struct Trailer: Equatable, Sendable {
  public static var byteCount: Int { 256 }
  /// The number of bytes that the trailer's own hash covers.
  public static var hashedByteCount: Int { 224 }

  public var manifestCodec: Codec
  /// Bytes of the bootloader, without padding.
  public var bootloaderLength: UInt64
  /// Absolute offset of the first frame.
  public var payloadOffset: UInt64
  public var manifestOffset: UInt64
  public var manifestStoredLength: UInt64
  public var manifestRawLength: UInt64
  public var recordOffset: UInt64
  public var recordLength: UInt64
  public var trailerOffset: UInt64
  public var prefixHash: Digest
  /// The tree id.
  public var manifestHash: Digest
  public var recordHash: Digest

  /// Creates a trailer for parts of these lengths, which follow one another without gaps.
  public init(
    manifestCodec: Codec, bootloaderLength: UInt64, framesLength: UInt64,
    manifestStoredLength: UInt64, manifestRawLength: UInt64, recordLength: UInt64,
    prefixHash: Digest, manifestHash: Digest, recordHash: Digest
  ) {
    self.manifestCodec = manifestCodec
    self.bootloaderLength = bootloaderLength
    payloadOffset = Trailer.payloadOffset(afterBootloader: bootloaderLength)
    manifestOffset = payloadOffset + framesLength
    self.manifestStoredLength = manifestStoredLength
    self.manifestRawLength = manifestRawLength
    recordOffset = manifestOffset + manifestStoredLength
    self.recordLength = recordLength
    trailerOffset = recordOffset + recordLength
    self.prefixHash = prefixHash
    self.manifestHash = manifestHash
    self.recordHash = recordHash
  }

  /// The payload's offset after a bootloader of `length` bytes.
  public static func payloadOffset(afterBootloader length: UInt64) -> UInt64 {
    let alignment = UInt64(Limits.payloadAlignment)
    return (length + alignment - 1) / alignment * alignment
  }

  /// Parses 256 bytes read from the absolute offset `position`. Does not check the trailer's hash: the caller
  /// compares `hash(in:)` with SHA-256 of the first 224 bytes.
  ///
  /// - Throws: the first fault of the bytes, in the order of docs/format.md.
  public init(parsing bytes: Span<UInt8>, at position: UInt64) throws(FormatError) {
    guard bytes.count >= Trailer.byteCount else { throw FormatError(.trailerTooShort) }
    guard Trailer.hasMagic(bytes) else { throw FormatError(.trailerMagic) }
    guard bytes.u16(8) == 1 else { throw FormatError(.trailerVersion) }
    guard bytes.u16(10) == UInt16(Trailer.byteCount) else { throw FormatError(.trailerLength) }
    guard let codec = Codec(rawValue: bytes[12]) else { throw FormatError(.trailerCodec) }
    guard bytes.isZero(13..<16) && bytes.isZero(176..<224) else {
      throw FormatError(.trailerReserved)
    }
    manifestCodec = codec
    bootloaderLength = bytes.u64(16)
    payloadOffset = bytes.u64(24)
    manifestOffset = bytes.u64(32)
    manifestStoredLength = bytes.u64(40)
    manifestRawLength = bytes.u64(48)
    recordOffset = bytes.u64(56)
    recordLength = bytes.u64(64)
    trailerOffset = bytes.u64(72)
    prefixHash = Digest(bytes, at: 80)
    manifestHash = Digest(bytes, at: 112)
    recordHash = Digest(bytes, at: 144)

    guard trailerOffset == position else { throw FormatError(.trailerOffset) }
    // Every other offset is checked to be below the trailer's, so no sum below overflows.
    guard bootloaderLength >= 64 && bootloaderLength <= position,
      position <= Limits.trailerOffset,
      payloadOffset == Trailer.payloadOffset(afterBootloader: bootloaderLength)
    else { throw FormatError(.trailerBootloader) }
    let longest = UInt64(Limits.manifestLength)
    guard manifestOffset >= payloadOffset && manifestOffset <= position,
      manifestStoredLength >= 1 && manifestStoredLength <= longest,
      manifestRawLength >= UInt64(Manifest.smallestByteCount) && manifestRawLength <= longest,
      manifestCodec != .store || manifestStoredLength == manifestRawLength
    else { throw FormatError(.trailerManifest) }
    guard recordOffset == manifestOffset + manifestStoredLength && recordOffset <= position,
      recordLength >= UInt64(LaunchRecord.headerByteCount),
      recordLength <= UInt64(Limits.recordLength), recordOffset + recordLength == position
    else { throw FormatError(.trailerRecord) }
  }

  /// Whether `bytes` begin with the magic.
  public static func hasMagic(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count >= 8 && bytes[0] == 0x89 else { return false }
    return bytes.u64(0) == magicWord
  }

  static var magicWord: UInt64 { 0x1A0A_0D44_4C46_4F89 }

  /// The hash in the trailer for its first 224 bytes.
  public static func hash(in bytes: Span<UInt8>) -> Digest {
    Digest(bytes, at: hashedByteCount)
  }

  /// Searches `tail`, the last bytes of a file, backwards for a trailer. `tailOffset` is the absolute offset of
  /// `tail`. Returns the index in `tail`.
  public static func find(in tail: Span<UInt8>, tailOffset: UInt64) -> Int? {
    var index = tail.count - byteCount
    let last = max(0, index - Limits.signatureLength)
    while index >= last {
      if tail[index] == 0x89 && tail.u64(index) == magicWord
        && tail.u64(index + 72) == tailOffset + UInt64(index)
      {
        return index
      }
      index -= 1
    }
    return nil
  }

  /// The first 224 bytes, which the trailer's hash covers and precedes.
  public func encodedWithoutHash() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: Trailer.magicWord)
    bytes.append(littleEndian: UInt16(1))
    bytes.append(littleEndian: UInt16(Trailer.byteCount))
    bytes.append(manifestCodec.rawValue)
    bytes.append(zeros: 3)
    for value in [
      bootloaderLength, payloadOffset, manifestOffset, manifestStoredLength, manifestRawLength,
      recordOffset, recordLength, trailerOffset,
    ] {
      bytes.append(littleEndian: value)
    }
    bytes.append(contentsOf: prefixHash.bytes)
    bytes.append(contentsOf: manifestHash.bytes)
    bytes.append(contentsOf: recordHash.bytes)
    bytes.append(zeros: 48)
    return bytes
  }
}
