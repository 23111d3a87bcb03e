import CLZMA
import ContentHash
import CZstd
import PayloadFormat
import Posix

/// A frame as it is stored in the file.
struct EncodedFrame: Sendable {
  var bytes: [UInt8]
  var codec: Codec
  var filter: FrameFilter
  /// The hash of `bytes`.
  var hash: Digest
}

/// An entry of a cache of frames: a header, and the stored bytes of one frame (docs/decisions/0008-frame-cache.md).
enum FrameEntry {
  /// The most bytes of an entry.
  static let longest = Header.byteCount + Limits.frameStoredLength

  /// What an entry is named after: the SHA-256 of the raw bytes, the filter that is tried, the codec, its level and
  /// the version of the compression library.
  static func key(
    _ raw: UnsafeRawBufferPointer, _ filter: FrameFilter, _ compression: Compression
  ) -> Digest {
    var maker: Text = "onefold frame 2, \(compression.codec.name) \(compression.level), "
    maker += "filter \(Int(filter.rawValue)), "
    switch compression.codec {
    case .store: break
    case .zstd: maker += Text(utf8: [UInt8](Path(cString: ZSTD_versionString()).bytes))
    case .xz: maker += Text(utf8: [UInt8](Path(cString: lzma_version_string()).bytes))
    }
    var hasher = SHA256Hasher()
    hasher.update(maker.bytes.span)
    // Ends the text, which has no NUL.
    hasher.update(zeros: 1)
    hasher.update(raw)
    return hasher.finish()
  }

  /// The frame of an entry; nil if it is damaged or another than that of `key`. `codec` is the one of the key.
  static func parse(_ entry: [UInt8], _ key: Digest, rawLength: Int, _ codec: Codec)
    -> EncodedFrame?
  {
    guard let header = Header(parsing: entry.span), entry.count > Header.byteCount else {
      return nil
    }
    let bytes = [UInt8](entry[Header.byteCount...])
    // A frame that compression does not shrink is stored.
    let found = bytes.count < rawLength ? codec : .store
    guard header.key == key, header.rawLength == UInt64(rawLength), header.codec == found,
      found != .store || header.filter == .none,
      bytes.count <= rawLength, SHA256Hasher.digest(of: bytes.span) == header.hash
    else { return nil }
    return EncodedFrame(bytes: bytes, codec: found, filter: header.filter, hash: header.hash)
  }

  /// The first bytes of an entry; the stored bytes follow.
  static func header(of frame: EncodedFrame, _ key: Digest, rawLength: Int) -> [UInt8] {
    Header(
      key: key, rawLength: UInt64(rawLength), codec: frame.codec, filter: frame.filter,
      hash: frame.hash
    ).encoded()
  }

  private struct Header {
    var key: Digest
    var rawLength: UInt64
    var codec: Codec
    var filter: FrameFilter
    /// The hash of the stored bytes.
    var hash: Digest

    static let byteCount = 88
    private static let magic: [UInt8] = [0x4F, 0x46, 0x46, 0x43, 2, 0]

    init(key: Digest, rawLength: UInt64, codec: Codec, filter: FrameFilter, hash: Digest) {
      self.key = key
      self.rawLength = rawLength
      self.codec = codec
      self.filter = filter
      self.hash = hash
    }

    init?(parsing bytes: Span<UInt8>) {
      guard bytes.count >= Header.byteCount else { return nil }
      guard let filter = FrameFilter(rawValue: bytes[6]), let codec = Codec(rawValue: bytes[7])
      else { return nil }
      var rawLength: UInt64 = 0
      for index in 0..<8 { rawLength |= UInt64(bytes[8 + index]) << UInt64(8 * index) }
      self.init(
        key: Digest(bytes, at: 16), rawLength: rawLength, codec: codec, filter: filter,
        hash: Digest(bytes, at: 48))
      // Every flag must match, such as the filter.
      let all = encoded()
      for index in bytes.indices.prefix(Header.byteCount) where bytes[index] != all[index] {
        return nil
      }
    }

    func encoded() -> [UInt8] {
      var bytes = Header.magic + [filter.rawValue, codec.rawValue]
      for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: rawLength >> UInt64(8 * index))) }
      bytes += key.bytes + hash.bytes
      return bytes + SHA256Hasher.digest(of: bytes.span).bytes.prefix(8)
    }
  }
}
