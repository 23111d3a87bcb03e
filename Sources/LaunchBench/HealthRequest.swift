import Posix
import Processes

/// A GET request (HTTP/1.1, RFC 9112) to a starting server on this machine, repeated until the server answers.
///
/// It never blocks.
struct HealthRequest: ~Copyable {
  private let port: Int
  private let request: [UInt8]
  private var connection: LocalConnection?
  private var isSent = false
  private var hasAnswered = false
  private var received: [UInt8] = []
  /// The result of the last attempt, for a message.
  private(set) var last = "nobody listens at the port"

  init(path: String, port: Int) {
    self.port = port
    request = [UInt8](
      ("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nUser-Agent: onefold-bench\r\n"
        + "Accept: */*\r\nConnection: close\r\n\r\n").utf8)
  }

  /// The connection to wait for, or -1 for none. `writes` says whether to wait until it is writable.
  var descriptor: Int32 {
    switch connection {
    case .some(let connection): connection.descriptor
    case .none: -1
    }
  }
  var writes: Bool { !isSent }

  /// Continues as far as possible without blocking. Returns true when the server has answered with a status from 200 to
  /// 299.
  mutating func advance() -> Bool {
    do throws(Errno) {
      if connection == nil {
        connection = try LocalConnection(port: port)
        isSent = false
        received = []
      }
      return try exchange()
    } catch {
      // The server does not listen yet, or is not ready to answer.
      connection = nil
      return false
    }
  }

  private mutating func exchange() throws(Errno) -> Bool {
    guard let open = connection.take() else { return false }
    if !isSent {
      do throws(Errno) {
        try open.connected()
        try open.send(request)
      } catch {
        if error == .wouldBlock {
          connection = consume open
          return false
        }
        throw error
      }
      isSent = true
      if !hasAnswered { last = "it accepts connections, and does not answer" }
    }
    guard let bytes = try open.receive() else {
      connection = consume open
      return false
    }
    received += bytes
    if let status = HealthRequest.status(of: received) {
      last = "it answers with status \(status)"
      hasAnswered = true
      return (200...299).contains(status)
    }
    // The line is not complete yet.
    if !bytes.isEmpty && received.count < 8192 { connection = consume open }
    return false
  }

  /// The status of a response whose first line has arrived.
  static func status(of response: [UInt8]) -> Int? {
    guard let end = response.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    let parts = String(decoding: response[..<end], as: UTF8.self).split {
      $0 == " " || $0 == "\r\n" || $0 == "\r"
    }
    guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), parts[1].utf8.count == 3 else {
      return nil
    }
    return Int(parts[1])
  }
}
