internal import CCrypto
public import PayloadFormat

/// SHA-256 (FIPS 180-4) by libcrypto, which uses the CPU's SHA instructions if it has them.
public struct SHA256Hasher: ~Copyable {
  private var context = SHA256_CTX()

  public init() { SHA256_Init(&context) }

  /// Enables all CPU features for hashing. Call this on one thread before hashing much data.
  public static func prepareForBulk() { ccrypto_find_processor_features() }

  /// Appends bytes to the message.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    SHA256_Update(&context, start, bytes.count)
  }

  /// Appends bytes to the message.
  public mutating func update(_ bytes: Span<UInt8>) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// Hashes `count` zeros, the content of a hole in a file.
  public mutating func update(zeros count: UInt64) {
    let block = [UInt8](repeating: 0, count: Int(min(count, 64 << 10)))
    var left = count
    while left > 0 {
      let length = Int(min(left, UInt64(block.count)))
      update(block.span.extracting(0..<length))
      left -= UInt64(length)
    }
  }

  /// The hash of the message.
  public consuming func finish() -> Digest {
    var result = [UInt8](repeating: 0, count: Digest.byteCount)
    SHA256_Final(&result, &context)
    return Digest(result.span, at: 0)
  }

  /// The hash of `bytes`.
  public static func digest(of bytes: UnsafeRawBufferPointer) -> Digest {
    var hasher = SHA256Hasher()
    hasher.update(bytes)
    return hasher.finish()
  }

  /// The hash of `bytes`.
  public static func digest(of bytes: Span<UInt8>) -> Digest {
    bytes.withUnsafeBytes { digest(of: $0) }
  }
}
