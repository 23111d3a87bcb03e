import ContentHash
import PayloadFormat
import Posix

/// Takes the bytes of requested ranges as they arrive, writes those of wanted pieces to their place, and tells
/// which pieces have the right hash.
final class PieceReceiver {
  private let wanted: [Piece]
  private var next = 0
  private var hasher = SHA256Hasher()
  /// The bytes of piece `next` that have arrived.
  private var received: UInt64 = 0

  /// The pieces that arrived and have the right hash.
  private(set) var complete: [Piece] = []
  /// The pieces that arrived with other bytes.
  private(set) var damaged: [Piece] = []

  /// - Parameter wanted: in the order of the file.
  init(_ wanted: [Piece]) { self.wanted = wanted }

  /// Takes bytes that stand at `offset` of the file. Bytes arrive in the order of the file, but whole pieces or
  /// ends of pieces may be left out.
  ///
  /// - Parameter write: writes bytes to an offset of the file.
  func take(
    _ bytes: UnsafeRawBufferPointer, at offset: UInt64,
    write: (UnsafeRawBufferPointer, UInt64) throws(Failure) -> Void
  ) throws(Failure) {
    var rest = bytes
    var position = offset
    while !rest.isEmpty, next < wanted.count {
      let piece = wanted[next]
      if position >= piece.end || position > piece.offset + received {
        // The rest of this piece was left out.
        leavePiece()
        continue
      }
      if position < piece.offset + received {
        let gap = min(UInt64(rest.count), piece.offset + received - position)
        rest = UnsafeRawBufferPointer(rebasing: rest[Int(gap)...])
        position += gap
        continue
      }
      let count = Int(min(UInt64(rest.count), piece.end - position))
      let part = UnsafeRawBufferPointer(rebasing: rest[..<count])
      try write(part, position)
      hasher.update(part)
      received += UInt64(count)
      position += UInt64(count)
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if received == piece.length { endPiece(piece) }
    }
  }

  private func endPiece(_ piece: Piece) {
    var ended = SHA256Hasher()
    swap(&ended, &hasher)
    if ended.finish() == piece.hash { complete.append(piece) } else { damaged.append(piece) }
    leavePiece()
  }

  private func leavePiece() {
    hasher = SHA256Hasher()
    received = 0
    next += 1
  }
}
