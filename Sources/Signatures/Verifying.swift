internal import CSigning
internal import PayloadFormat
public import PayloadReader
public import Posix

/// The bytes of a onefile that a signature is of.
public enum SignedPart: Sendable {
  /// All bytes, as minisign signs a file. The signature is in another file.
  case wholeFile
  /// All bytes up to the end of the trailer. The signature follows them.
  case upToTrailer

  func length(in payload: Payload) -> UInt64 {
    switch self {
    case .wholeFile: payload.length
    case .upToTrailer: payload.length - payload.appendedLength
    }
  }
}

/// A signature and the place where it was found.
public struct FoundSignature: Sendable {
  public var signature: Signature
  public var part: SignedPart
  /// As messages call it: "'server.minisig'", "the signature in 'server'".
  public var name: Text

  public init(_ signature: Signature, of part: SignedPart, named name: Text) {
    self.signature = signature
    self.part = part
    self.name = name
  }
}

/// Receives how many of the bytes that are signed were read.
public typealias SignatureProgress = (_ done: UInt64, _ total: UInt64) -> Void

extension FoundSignature {
  /// The longest file that a signature of the legacy format is compared with: all of it is in memory. minisign has the
  /// same limit.
  private static let longestLegacy: UInt64 = 1 << 30

  /// Checks that `key` made the signature, and that it is of these bytes and of its trusted comment.
  ///
  /// - Throws: that another key made it, that something was changed, a system call's failure, or `interrupted`.
  public func verify(
    _ payload: Payload, by key: PublicKey, progress: SignatureProgress = { _, _ in }
  ) throws(Failure) {
    try require(key)
    let length = part.length(in: payload)
    let isRight: Bool
    switch signature.algorithm {
    case .hashed:
      let message = try hash(payload, length, progress)
      isRight = key.verifies(signature.value, message.span)
    case .legacy:
      guard length <= FoundSignature.longestLegacy else {
        throw .longLegacyMessage(name, longest: FoundSignature.longestLegacy)
      }
      let message = try Buffer(count: Int(length))
      try payload.read(
        into: UnsafeMutableRawBufferPointer(rebasing: message.bytes[..<Int(length)]), at: 0)
      isRight = key.verifies(
        signature.value, UnsafeRawBufferPointer(rebasing: message.bytes[..<Int(length)]))
    }
    guard isRight else { throw .wrongSignature(name, payload.path) }
    guard key.verifies(signature.globalValue, signature.globalMessage.span) else {
      throw .wrongGlobalSignature(name)
    }
  }

  /// Checks that the signature names `key`. That is no proof.
  ///
  /// - Throws: that it names another key.
  public func require(_ key: PublicKey) throws(Failure) {
    guard signature.keyID == key.id else { throw .otherKey(name, signature, key) }
  }
}

extension PublicKey {
  fileprivate func verifies(_ signature: [UInt8], _ message: Span<UInt8>) -> Bool {
    message.withUnsafeBytes { verifies(signature, $0) }
  }

  fileprivate func verifies(_ signature: [UInt8], _ message: UnsafeRawBufferPointer) -> Bool {
    csigning_verify(bytes, message.baseAddress, message.count, signature) == 1
  }
}

/// The BLAKE2b-512 hash of the first `length` bytes of a onefile.
///
/// - Throws: "read", or `interrupted`.
func hash(_ payload: Payload, _ length: UInt64, _ progress: SignatureProgress) throws(Failure)
  -> [UInt8]
{
  guard let hash = csigning_hash_new() else { throw .library("hash") }
  defer { csigning_hash_free(hash) }
  let chunk: UInt64 = 1 << 20
  let buffer = try Buffer(count: Int(chunk))
  for offset in stride(from: 0, to: length, by: Int(chunk)) {
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    let count = Int(min(chunk, length - offset))
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
    try payload.read(into: bytes, at: offset)
    guard csigning_hash_update(hash, bytes.baseAddress, count) == 1 else {
      throw .library("hash")
    }
    progress(offset + UInt64(count), length)
  }
  var result = [UInt8](repeating: 0, count: 64)
  guard csigning_hash_finish(hash, &result) == 1 else { throw .library("hash") }
  return result
}
