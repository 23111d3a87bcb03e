import ContentHash
import PayloadFormat
import PayloadReader
import Posix

/// Onefiles that may hold pieces of the new one: the output itself, other files, the partial file of another
/// version.
final class Seeds {
  struct Seed {
    var payload: Payload
    /// As messages call it.
    var name: Path
    /// The pieces that did not have their hash.
    var damaged = 0
  }

  private(set) var seeds: [Seed] = []
  private var places: [Digest: [(seed: Int, offset: UInt64, length: UInt64)]] = [:]

  /// Reads the manifest of `payload` and notes its pieces.
  func add(_ payload: Payload, named name: Path) throws(Failure) {
    let manifest = try payload.readManifest()
    let index = seeds.count
    seeds.append(Seed(payload: payload, name: name))
    for piece in pieces(of: payload.trailer, manifest) {
      places[piece.hash, default: []].append((index, piece.offset, piece.length))
    }
  }

  /// Copies a piece from the first seed that has it. Returns the index of that seed; nil if none has it.
  ///
  /// - Parameter write: writes bytes to an offset of the new file. If the result is nil, they are wrong.
  func copy(
    _ piece: Piece, write: (UnsafeRawBufferPointer, UInt64) throws(Failure) -> Void
  ) throws(Failure) -> Int? {
    for place in places[piece.hash] ?? [] where place.length == piece.length {
      if try copy(piece, from: seeds[place.seed].payload, at: place.offset, write) {
        return place.seed
      }
      seeds[place.seed].damaged += 1
    }
    return nil
  }

  private func copy(
    _ piece: Piece, from payload: Payload, at start: UInt64,
    _ write: (UnsafeRawBufferPointer, UInt64) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    try hasHash(piece, in: payload, at: start) { (bytes, offset) throws(Failure) in
      try write(bytes, piece.offset + offset)
    }
  }

  /// The stored manifest of the seed with this tree id, which need not have its hash.
  func payload(withTreeID id: Digest) -> Payload? {
    seeds.first { $0.payload.treeID == id }?.payload
  }
}

/// Whether `payload` has the bytes of a piece at an offset. Bytes that can't be read are none. `receive` gets them
/// with their offset in the piece, before the hash is known.
func hasHash(
  _ piece: Piece, in payload: Payload, at start: UInt64, _ receive: Receive = { _, _ in }
) throws(Failure) -> Bool {
  var hasher = SHA256Hasher()
  var buffer = [UInt8](repeating: 0, count: Int(min(piece.length, UInt64(chunkLength))))
  for offset in chunkOffsets(of: 0..<piece.length) {
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    let count = min(buffer.count, Int(piece.length - offset))
    let isReadable = buffer.withUnsafeMutableBufferPointer { bytes in
      let part = UnsafeMutableBufferPointer(rebasing: bytes[..<count])
      do throws(Failure) {
        try payload.read(into: UnsafeMutableRawBufferPointer(part), at: start + offset)
      } catch { return false }
      return true
    }
    guard isReadable else { return false }
    let part = buffer.span.extracting(0..<count)
    hasher.update(part)
    try part.withUnsafeBytes { (bytes) throws(Failure) -> Void in try receive(bytes, offset) }
  }
  return hasher.finish() == piece.hash
}
