internal import CPosix

/// A buffer of anonymous memory, given back to the system when its owner ends. Only pages that are
/// touched cost memory; they are of 2 MiB where the system allows that, so that a first touch costs more of it at
/// once, and never more than the buffer.
public struct Buffer: ~Copyable {
  public let bytes: UnsafeMutableRawBufferPointer

  /// - Parameter count: the size in bytes; 0 is taken as 1.
  public init(count: Int) throws(Failure) {
    guard let address = cposix_map_anonymous(max(count, 1)) else {
      throw Failure("allocate memory", Path(), .outOfMemory)
    }
    bytes = UnsafeMutableRawBufferPointer(start: address, count: max(count, 1))
  }

  deinit { cposix_unmap(bytes.baseAddress!, bytes.count) }
}
