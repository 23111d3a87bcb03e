import CLZMA
import CZstd
import TestSupport

// Frames that any packer may write.

func zstd(_ raw: [UInt8], level: Int32 = 3, checksum: Bool = false) -> [UInt8] {
  guard let context = ZSTD_createCCtx() else { fatalError("no memory") }
  defer { ZSTD_freeCCtx(context) }
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0)
  var result = [UInt8](repeating: 0, count: ZSTD_compressBound(raw.count))
  let length = ZSTD_compress2(context, &result, result.count, raw, raw.count)
  precondition(ZSTD_isError(length) == 0)
  return Array(result[..<length])
}

/// A frame of RFC 8878 that is not a single segment, with one raw block. Its header descriptor is 0; the window
/// follows.
func zstd(_ raw: [UInt8], windowDescriptor: UInt8) -> [UInt8] {
  let header = UInt32(raw.count) << 3 | 1
  return [0x28, 0xB5, 0x2F, 0xFD, 0x00, windowDescriptor]
    + (0..<3).map { UInt8(truncatingIfNeeded: header >> UInt32(8 * $0)) } + raw
}

/// A skippable frame of RFC 8878.
func skippable(_ bytes: [UInt8]) -> [UInt8] {
  [0x50, 0x2A, 0x4D, 0x18, UInt8(bytes.count), 0, 0, 0] + bytes
}

/// A frame of zstd 0.7, before the format was fixed: a single segment, a raw block, an end block.
func legacyZstd(_ raw: [UInt8]) -> [UInt8] {
  precondition(raw.count < 256)
  return [0x27, 0xB5, 0x2F, 0xFD, 0x20, UInt8(raw.count), 0x40, 0, UInt8(raw.count)] + raw
    + [0xC0, 0, 0]
}

enum XZFilter { case none, x86, delta }

func xz(
  _ raw: [UInt8], check: lzma_check = LZMA_CHECK_CRC32, filter: XZFilter = .none,
  dictionary: UInt32 = 1 << 20
) -> [UInt8] {
  var options = lzma_options_lzma()
  precondition(lzma_lzma_preset(&options, 6) == 0)
  options.dict_size = dictionary
  var delta = lzma_options_delta()
  delta.type = LZMA_DELTA_TYPE_BYTE
  delta.dist = 4
  var result = [UInt8](repeating: 0, count: lzma_stream_buffer_bound(raw.count) + 64)
  var length = 0
  let status = withUnsafeMutablePointer(to: &options) { options in
    withUnsafeMutablePointer(to: &delta) { delta in
      var filters: [lzma_filter] = []
      if filter == .x86 { filters.append(lzma_filter(id: 0x04, options: nil)) }
      if filter == .delta { filters.append(lzma_filter(id: 0x03, options: delta)) }
      filters.append(lzma_filter(id: 0x21, options: options))
      filters.append(lzma_filter(id: lzma_vli.max, options: nil))
      return lzma_stream_buffer_encode(
        &filters, check, nil, raw, raw.count, &result, &length, result.count)
    }
  }
  precondition(status == LZMA_OK)
  return Array(result[..<length])
}
