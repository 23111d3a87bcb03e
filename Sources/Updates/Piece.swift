import PayloadFormat

/// A part of a onefile that has a hash of its own: the bootloader with its padding, or a frame.
struct Piece: Equatable, Sendable {
  /// From the start of the file.
  var offset: UInt64
  /// In bytes, at least 1.
  var length: UInt64
  /// Of the stored bytes.
  var hash: Digest
  /// The index of the frame; nil for the bootloader.
  var frame: Int?

  var end: UInt64 { offset + length }
}

/// The bootloader and all frames of a onefile, in the order of the file.
func pieces(of trailer: Trailer, _ manifest: Manifest) -> [Piece] {
  let bootloader = Piece(
    offset: 0, length: trailer.payloadOffset, hash: trailer.prefixHash, frame: nil)
  return [bootloader]
    + (0..<manifest.frameCount).map { index in
      let frame = manifest.frame(index)
      return Piece(
        offset: trailer.payloadOffset + frame.offset, length: UInt64(frame.storedLength),
        hash: frame.hash, frame: index)
    }
}

/// The ranges of the file to request for `pieces`, which are in the order of the file.
///
/// Two ranges are joined if the gap between them is at most `longestGap` bytes, because a further request costs
/// more than they do (docs/decisions/0040-fetching-an-update.md).
func requestRanges(for pieces: [Piece], longestGap: UInt64) -> [Range<UInt64>] {
  var ranges: [Range<UInt64>] = []
  for piece in pieces {
    if let last = ranges.last, piece.offset - last.upperBound <= longestGap {
      ranges[ranges.count - 1] = last.lowerBound..<piece.end
    } else {
      ranges.append(piece.offset..<piece.end)
    }
  }
  return ranges
}
