internal import CSigning
public import Posix

/// A secret key of minisign: the seed of an Ed25519 key pair, and the pair's number.
public struct SecretKey: ~Copyable {
  public let publicKey: PublicKey
  private let seed: SecretBytes

  static let seedCount = 32

  /// - Parameter seed: 32 bytes.
  ///
  /// - Throws: that libcrypto fails.
  init(id: KeyID, seed: consuming SecretBytes) throws(Failure) {
    var bytes = [UInt8](repeating: 0, count: 32)
    guard csigning_public_key(seed.bytes.baseAddress!, &bytes) == 1 else {
      throw .library("compute a public key")
    }
    publicKey = PublicKey(id: id, bytes: bytes)
    self.seed = seed
  }

  /// A new key, from the kernel's random generator.
  ///
  /// - Throws: "read random bytes", or that libcrypto fails.
  public static func generate() throws(Failure) -> SecretKey {
    let seed = SecretBytes(count: seedCount)
    try fillWithRandomBytes(seed.bytes)
    return try SecretKey(id: KeyID(bytes: try randomBytes(8)), seed: seed)
  }

  /// Copies the 64 bytes that libsodium calls a secret key: the seed and the public key.
  func copy(to target: UnsafeMutableRawBufferPointer) {
    UnsafeMutableRawBufferPointer(rebasing: target[..<SecretKey.seedCount])
      .copyMemory(from: UnsafeRawBufferPointer(seed.bytes))
    UnsafeMutableRawBufferPointer(rebasing: target[SecretKey.seedCount...])
      .copyBytes(from: publicKey.bytes)
  }

  /// The 64 bytes of the Ed25519 signature of `message`.
  ///
  /// - Throws: that libcrypto fails.
  func sign(_ message: [UInt8]) throws(Failure) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: Signature.valueCount)
    guard csigning_sign(seed.bytes.baseAddress!, message, message.count, &result) == 1 else {
      throw .library("sign")
    }
    return result
  }
}
