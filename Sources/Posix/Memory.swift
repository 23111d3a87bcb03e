internal import CPosix

/// A buffer of anonymous memory, returned to the system when its owner ends. Only touched pages use memory. They
/// are 2 MiB each if the system allows it; a first touch then uses more memory at once, but never more than the
/// buffer.
public struct Buffer: ~Copyable {
  public let bytes: UnsafeMutableRawBufferPointer

  /// - Parameter count: The size in bytes; 0 counts as 1.
  ///
  /// - Throws: "allocate memory".
  public init(count: Int) throws(Failure) {
    guard let address = cposix_map_anonymous(max(count, 1)) else {
      throw Failure("allocate memory", Path(), .outOfMemory)
    }
    bytes = UnsafeMutableRawBufferPointer(start: address, count: max(count, 1))
  }

  deinit { cposix_unmap(bytes.baseAddress!, bytes.count) }
}
