internal import CFilter
internal import CLZMA
internal import ContentHash
internal import CZstd
public import PayloadFormat
public import Posix
public import Reporting

/// Reads, verifies and decodes frames one at a time, and reuses its buffers and context.
///
/// Each worker owns one decoder. It uses at most the memory of the longest frame, stored and raw, and another 16
/// MiB for xz.
public struct FrameDecoder: ~Copyable {
  private let stored: Buffer
  private let raw: Buffer
  private let context: OpaquePointer

  /// Creates a decoder for frames up to these lengths in bytes.
  ///
  /// - Throws: "allocate memory".
  public init(longestStored: Int, longestRaw: Int) throws(Failure) {
    let stored = try Buffer(count: longestStored)
    let raw = try Buffer(count: longestRaw)
    guard let context = ZSTD_createDCtx() else {
      throw .outOfMemory
    }
    self.stored = stored
    self.raw = raw
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Returns the raw bytes of frame `index`, valid until the next call. Checks the hash of the stored bytes
  /// before it decodes any of them. `timeline` records the steps of the frame; the caller ends the frame.
  ///
  /// - Throws: "read", "allocate memory", or damage: the hash of the stored bytes is wrong, or they do not decode to the frame's
  ///   length.
  public func decode(
    _ index: Int, of payload: Payload, _ manifest: Manifest, _ timeline: WorkerTimeline? = nil
  ) throws(Failure) -> UnsafeRawBufferPointer {
    timeline.begin(frame: index)
    let frame = manifest.frame(index)
    let source = UnsafeMutableRawBufferPointer(rebasing: stored.bytes[..<frame.storedLength])
    let offset = payload.trailer.payloadOffset + frame.offset
    try payload.read(into: source, at: offset)
    timeline.end(.read, bytes: source.count)
    guard SHA256Hasher.digest(of: UnsafeRawBufferPointer(source)) == frame.hash else {
      throw .damaged(.frame(index), payload.path)
    }
    timeline.end(.hash, bytes: source.count)
    // Stored bytes are the raw ones, so they need no copy.
    if frame.codec == .store { return UnsafeRawBufferPointer(source) }
    let target = UnsafeMutableRawBufferPointer(rebasing: raw.bytes[..<frame.rawLength])
    guard
      try FrameDecoder.decompress(
        frame.codec, UnsafeRawBufferPointer(source), into: target, context: context)
    else { throw .damaged(.undecodable(index), payload.path) }
    frame.filter.undo(on: target)
    timeline.end(.decode, bytes: target.count)
    return UnsafeRawBufferPointer(target)
  }

  /// Decodes `source` to exactly `target`; returns false if the result differs in length or the bytes are
  /// invalid. A filter remains applied. For a single use, zstd also works without a context. Throws if memory
  /// cannot be allocated.
  public static func decompress(
    _ codec: Codec, _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
    context: OpaquePointer? = nil
  ) throws(Failure) -> Bool {
    switch codec {
    case .store:
      guard source.count == target.count else { return false }
      target.copyMemory(from: source)
      return true
    case .zstd:
      guard isStandardZstd(source) else { return false }
      let result =
        if let context {
          ZSTD_decompressDCtx(
            context, target.baseAddress, target.count, source.baseAddress, source.count)
        } else {
          ZSTD_decompress(target.baseAddress, target.count, source.baseAddress, source.count)
        }
      if ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation { throw .outOfMemory }
      // An error is a huge number, which Swift imports as a negative one.
      return ZSTD_isError(result) == 0 && result == target.count
    case .xz: return try decompressXZ(source, into: target)
    }
  }
}

extension FrameFilter {
  /// Undoes the filter on the raw bytes of a frame, in place.
  public func undo(on bytes: UnsafeMutableRawBufferPointer) {
    switch self {
    case .none: break
    case .x86: cfilter_x86_undo(bytes.baseAddress, bytes.count)
    case .arm64: cfilter_arm64_undo(bytes.baseAddress, bytes.count)
    }
  }
}

/// Whether `source` consists only of complete frames of RFC 8878. libzstd would also decode or skip other data:
/// formats before the standard, and skippable frames.
private func isStandardZstd(_ source: UnsafeRawBufferPointer) -> Bool {
  var rest = source
  repeat {
    guard rest.count >= 4,
      UInt32(littleEndian: rest.loadUnaligned(as: UInt32.self)) == 0xFD2F_B528
    else { return false }
    let length = ZSTD_findFrameCompressedSize(rest.baseAddress, rest.count)
    guard ZSTD_isError(length) == 0 else { return false }
    rest = UnsafeRawBufferPointer(rebasing: rest[length...])
  } while !rest.isEmpty
  return true
}

/// Decodes one `.xz` stream that must fill `target` exactly. The memory limit covers the largest dictionary of
/// the format, 16 MiB, and the decoder's own state.
private func decompressXZ(
  _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
) throws(Failure) -> Bool {
  var memoryLimit: UInt64 = 17 << 20
  var read = 0
  var written = 0
  let result = lzma_stream_buffer_decode(
    &memoryLimit, 0, nil, source.assumingMemoryBound(to: UInt8.self).baseAddress, &read,
    source.count, target.assumingMemoryBound(to: UInt8.self).baseAddress, &written, target.count)
  if result == LZMA_MEM_ERROR { throw .outOfMemory }
  return result == LZMA_OK && read == source.count && written == target.count
}

extension Failure {
  @inline(never)
  fileprivate static var outOfMemory: Failure {
    Failure("allocate memory", Path(), .outOfMemory)
  }
}
