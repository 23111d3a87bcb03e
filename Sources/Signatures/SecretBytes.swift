internal import CSigning

/// Bytes of a secret, zero at first. They are overwritten when their owner ends.
///
/// Code that fills it must leave no copy elsewhere: no `Array`, no `String`.
public struct SecretBytes: ~Copyable, @unchecked Sendable {
  /// All bytes, as long as the owner exists.
  public let bytes: UnsafeMutableRawBufferPointer

  /// - Parameter count: the size in bytes; may be 0.
  public init(count: Int) {
    bytes = .allocate(byteCount: count, alignment: 16)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  /// A copy of the first `count` bytes.
  ///
  /// - Precondition: `count` is 0 to the size.
  public func prefix(_ count: Int) -> SecretBytes {
    let result = SecretBytes(count: count)
    result.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    return result
  }

  deinit {
    csigning_wipe(bytes.baseAddress, bytes.count)
    bytes.deallocate()
  }
}
