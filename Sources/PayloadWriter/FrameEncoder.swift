import CFilter
import CLZMA
import CZstd
public import PayloadFormat
import PayloadReader
import Posix

/// The settings of frame compression.
public struct Compression: Equatable, Sendable {
  public var codec: Codec
  /// zstd: 1 to 22; xz: 0 to 9; store ignores it.
  public var level: Int
  /// The most raw bytes of a frame: 65,536 to 16,777,216.
  public var frameSize: Int

  public init(codec: Codec, level: Int, frameSize: Int) {
    self.codec = codec
    self.level = level
    self.frameSize = frameSize
  }

  /// The levels of a codec; only 0 for a codec without levels.
  public static func levels(of codec: Codec) -> ClosedRange<Int> { codec.levels ?? 0...0 }

  /// The default level, measured in docs/decisions/0003-compression.md.
  public static func defaultLevel(of codec: Codec) -> Int {
    switch codec {
    case .store: 0
    case .zstd: 19
    case .xz: 6
    }
  }

  /// The default frame size in bytes, measured in docs/decisions/0003-compression.md.
  public static let defaultFrameSize = 8 << 20
  public static let frameSizes = (64 << 10)...Limits.frameRawLength
}

/// Compresses frames, and reuses one context and one buffer. Each worker owns one encoder.
struct FrameEncoder: ~Copyable {
  private let compression: Compression
  private let context: OpaquePointer
  /// The context of a fast compression that shows whether a filter helps.
  private let trial: OpaquePointer
  private let output: Buffer

  /// Creates an encoder for sources up to `longest` bytes.
  init(_ compression: Compression, longest: Int) throws(Failure) {
    let bound = max(ZSTD_compressBound(longest), lzma_stream_buffer_bound(longest))
    let output = try Buffer(count: bound)
    guard let context = ZSTD_createCCtx(), let trial = ZSTD_createCCtx() else {
      throw .compression("no memory")
    }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(compression.level))
    ZSTD_CCtx_setParameter(trial, ZSTD_c_compressionLevel, 1)
    self.compression = compression
    self.context = context
    self.trial = trial
    self.output = output
  }

  deinit {
    ZSTD_freeCCtx(context)
    ZSTD_freeCCtx(trial)
  }

  /// Returns the stored bytes of `source`, their codec and filter, valid until the next call. A frame that
  /// compression does not shrink is stored. If `filter` helps, it is applied to `source` itself.
  func encode(_ source: UnsafeMutableRawBufferPointer, _ filter: FrameFilter) throws(Failure) -> (
    bytes: UnsafeRawBufferPointer, codec: Codec, filter: FrameFilter
  ) {
    let raw = UnsafeRawBufferPointer(source)
    if compression.codec == .store { return (raw, .store, .none) }
    let applied = try apply(filter, to: source)
    let length =
      switch compression.codec {
      case .xz: try encodeXZ(raw)
      default: try encodeZstd(raw, context)
      }
    guard length < source.count else {
      applied.undo(on: source)
      return (raw, .store, .none)
    }
    return (UnsafeRawBufferPointer(rebasing: output.bytes[..<length]), compression.codec, applied)
  }

  /// Filters `source` if zstd at its first level then compresses it better: data between the code may look like
  /// machine code.
  private func apply(_ filter: FrameFilter, to source: UnsafeMutableRawBufferPointer)
    throws(Failure) -> FrameFilter
  {
    if filter == .none { return .none }
    let raw = UnsafeRawBufferPointer(source)
    let without = try encodeZstd(raw, trial)
    switch filter {
    case .none: break
    case .x86: cfilter_x86_apply(source.baseAddress, source.count)
    case .arm64: cfilter_arm64_apply(source.baseAddress, source.count)
    }
    if try encodeZstd(raw, trial) < without { return filter }
    filter.undo(on: source)
    return .none
  }

  private func encodeZstd(_ source: UnsafeRawBufferPointer, _ context: OpaquePointer)
    throws(Failure) -> Int
  {
    let result = ZSTD_compress2(
      context, output.bytes.baseAddress, output.bytes.count, source.baseAddress, source.count)
    guard ZSTD_isError(result) == 0 else { throw .compression("zstd") }
    return result
  }

  private func encodeXZ(_ source: UnsafeRawBufferPointer) throws(Failure) -> Int {
    var options = lzma_options_lzma()
    guard lzma_lzma_preset(&options, UInt32(compression.level)) == 0 else {
      throw .compression("xz: level")
    }
    // A dictionary larger than the frame only costs the reader memory.
    options.dict_size = max(4096, min(options.dict_size, UInt32(source.count)))
    var length = 0
    let status = withUnsafeMutablePointer(to: &options) { options in
      var filters = [
        lzma_filter(id: lzma_vli(0x21), options: options),
        lzma_filter(id: lzma_vli.max, options: nil),
      ]
      return lzma_stream_buffer_encode(
        &filters, LZMA_CHECK_CRC32, nil, source.assumingMemoryBound(to: UInt8.self).baseAddress,
        source.count, output.bytes.assumingMemoryBound(to: UInt8.self).baseAddress, &length,
        output.bytes.count)
    }
    guard status == LZMA_OK else { throw .compression("xz") }
    return length
  }
}
