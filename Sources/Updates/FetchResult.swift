public import PayloadFormat
import PayloadReader
public import Posix
public import Signatures

/// What a fetch did, and what it cost.
public struct FetchResult: Sendable {
  /// False if the output already was the source's file, and its bytes were right.
  public internal(set) var isUpdated = false
  /// The source gives no ranges, so that the whole file was downloaded.
  public internal(set) var isWhole = false
  /// From the new file's launch record.
  public internal(set) var name: [UInt8] = []
  public internal(set) var version: [UInt8] = []
  public internal(set) var treeID = Digest.zero
  /// The size of the new file.
  public internal(set) var bytes: UInt64 = 0
  /// Bytes of the file that arrived from the source, with those that were not needed.
  public internal(set) var received: UInt64 = 0
  /// The requests to a server.
  public internal(set) var requests = 0
  public internal(set) var fetched = Fetched()
  /// The seeds in their order, then the partial file, also those that had nothing.
  public internal(set) var reused: [Reuse] = []
  /// The signature of the file, verified with the given public key; nil without a key.
  public internal(set) var signature: FoundSignature?
  /// Where the old file is; nil if it was not kept.
  public internal(set) var previous: Path?

  var payload: Payload?
  var pieces: [Piece] = []

  /// Bytes of the new file that came from the source, by part.
  public struct Fetched: Sendable {
    public internal(set) var bootloader: UInt64 = 0
    public internal(set) var frames: UInt64 = 0
    /// Manifest, launch record, trailer and signature.
    public internal(set) var tables: UInt64 = 0

    public var total: UInt64 { bootloader + frames + tables }

    mutating func add(_ piece: Piece) {
      if piece.frame == nil { bootloader += piece.length } else { frames += piece.length }
    }
  }

  /// What came from one file of this machine.
  public struct Reuse: Sendable {
    public internal(set) var path: Path
    public internal(set) var bytes: UInt64 = 0
    public internal(set) var frames = 0
    /// Parts that did not have their hash, and so were fetched or taken from another file.
    public internal(set) var damagedFrames = 0

    mutating func add(_ piece: Piece) {
      bytes += piece.length
      if piece.frame != nil { frames += 1 }
    }
  }

  /// Bytes that arrived and were not needed: gaps that are cheaper than a request, and what arrived again after an
  /// answer that was cut short.
  public var extra: UInt64 { received - min(received, fetched.total) }

  /// Notes what the new file is.
  mutating func note(_ payload: Payload) {
    name = payload.record.name
    version = payload.record.version
    treeID = payload.treeID
    bytes = payload.length
  }
}
