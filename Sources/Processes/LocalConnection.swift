internal import CPosix
internal import CProcesses
public import Posix

/// A connection to a server on this machine that never blocks.
public struct LocalConnection: ~Copyable {
  private let socket: FileDescriptor
  public var descriptor: Int32 { socket.rawValue }

  /// A TCP port of 127.0.0.1 without a listener.
  ///
  /// - Throws: "find a free port".
  public static func freePort() throws(Failure) -> Int {
    let port = cprocess_free_port()
    guard port > 0 else {
      throw Failure(
        "find a free port", Path(), Errno(rawValue: Int32(truncatingIfNeeded: -port)))
    }
    return Int(port)
  }

  /// Begins to connect to a port of 127.0.0.1.
  ///
  /// - Throws: the error of `socket` or `connect`.
  public init(port: Int) throws(Errno) {
    let raw = try retrying { cprocess_connect_to_port(Int32(port)) }
    socket = FileDescriptor(owning: Int32(truncatingIfNeeded: raw), path: Path())
  }

  /// Throws if the connection failed. Call this when the socket is writable.
  public func connected() throws(Errno) {
    _ = try retrying { cprocess_connection_result(descriptor) }
  }

  /// Sends a request, which must be short enough for the kernel to take all of it.
  ///
  /// - Throws: the error of `write`; `wouldBlock` if the kernel did not take all bytes.
  public func send(_ bytes: [UInt8]) throws(Errno) {
    let sent = try retrying {
      bytes.withUnsafeBytes { cposix_write(descriptor, $0.baseAddress!, $0.count) }
    }
    if sent < bytes.count { throw .wouldBlock }
  }

  /// Returns received bytes, at most 4 KiB; nil if none have arrived, empty at the end.
  ///
  /// - Throws: the error of `read`.
  public func receive() throws(Errno) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    do throws(Errno) {
      let count = try retrying {
        buffer.withUnsafeMutableBytes { cposix_read(descriptor, $0.baseAddress!, $0.count) }
      }
      buffer.removeLast(buffer.count - count)
      return buffer
    } catch {
      if error == .wouldBlock { return nil }
      throw error
    }
  }
}
