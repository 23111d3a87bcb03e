import PayloadFormat
import Posix

/// The address that the launcher keeps for its program from before it unpacks (docs/launch.md, "Listening").
struct Listener {
  let address: SocketAddress
  private let socket: Socket

  private enum Socket {
    /// Descriptors from 3 on, which a service manager passed.
    case passed
    /// A socket that listens. The program gets it as descriptor 3.
    case listens(Int32)
    /// A socket that keeps the port until `execve` closes it.
    case held
  }

  static var firstDescriptor: Int32 { 3 }

  /// Opens the socket that the settings ask for; nil if they ask for none.
  init?(_ record: LaunchRecord) throws(Failure) {
    guard let text = Settings.listen(record) else { return nil }
    if record.handover == .descriptor, Listener.isPassed() {
      guard let address = SocketAddress(of: Listener.firstDescriptor) else { throw .noPassedSocket }
      self.address = address
      socket = .passed
      return
    }
    let wanted: SocketAddress
    do throws(Errno) { wanted = try SocketAddress(parsing: text) } catch {
      throw .unknownAddress(text, isTooLong: error == .nameTooLong)
    }
    let descriptor = try Listener.open(wanted, record)
    address = SocketAddress(of: descriptor) ?? wanted
    socket = record.handover == .port ? .held : .listens(descriptor)
  }

  /// Whether a service manager passed sockets to this very process (sd_listen_fds(3)).
  private static func isPassed() -> Bool {
    guard let process = ProcessContext.variable("LISTEN_PID"),
      decimalNumber([UInt8](process.bytes)) == UInt32(ProcessContext.number),
      let count = ProcessContext.variable("LISTEN_FDS")
    else { return false }
    return (decimalNumber([UInt8](count.bytes)) ?? 0) > 0
  }

  private static func open(_ wanted: SocketAddress, _ record: LaunchRecord) throws(Failure) -> Int32
  {
    var address = wanted
    while true {
      do throws(Errno) {
        if address.isLocal { return try openLocal(address) }
        return try record.handover == .port ? address.holdPort() : address.listen()
      } catch {
        guard error == .addressInUse, !address.isFreePort else {
          throw Failure("listen on", Path([UInt8](address.text.bytes)), error)
        }
        guard record.takenAddress == .free, !address.isLocal else { throw taken(address) }
        address = address.withFreePort
      }
    }
  }

  /// Opens a Unix socket, and removes the file of a program that has ended. The lock on the directory keeps
  /// another launch from taking a socket for stale before it listens.
  private static func openLocal(_ address: SocketAddress) throws(Errno) -> Int32 {
    let directory = try? FileDescriptor.open(address.host.parent, .directoryFollow)
    var attempts = 100
    while let isLocked = try? directory?.lock(exclusive: true, wait: false), !isLocked, attempts > 0
    {
      MonotonicClock.sleep(milliseconds: 10)
      attempts -= 1
    }
    do throws(Errno) { return try address.listen() } catch {
      guard error == .addressInUse else { throw error }
      do throws(Failure) {
        guard try DirectoryHandle.current.status(of: address.host).kind == .socket else {
          throw Failure("listen on", address.host, .exists)
        }
        guard address.isStale() else { throw Failure("listen on", address.host, error) }
        try DirectoryHandle.current.removeFile(address.host)
      } catch { throw error.errno }
      return try address.listen()
    }
  }

  private static func taken(_ address: SocketAddress) -> Failure {
    guard let process = address.listeningProcess() else {
      return .addressTaken(address.text, by: nil)
    }
    let name = ProcessHandle.name(of: process)
    return .addressTaken(address.text, by: "pid \(process) (\(escapedText(name)))")
  }

  /// The values of the placeholders.
  var placeholders: (address: [UInt8], port: [UInt8]) {
    ([UInt8](address.host.bytes), address.port.bytes)
  }

  /// Gives the socket to the program: the variables of sd_listen_fds(3). Call this just before `execve`.
  func handOver(_ environment: inout [Path], _ record: LaunchRecord) throws(Failure) {
    guard case .listens(let descriptor) = socket else { return }
    do throws(Errno) {
      try ProcessContext.move(descriptor, to: Listener.firstDescriptor)
    } catch { throw Failure("move the socket of", Path([UInt8](address.text.bytes)), error) }
    environment.setVariable(Path("LISTEN_FDS=1"))
    environment.setVariable(Path(("LISTEN_PID=\(ProcessContext.number)" as Text).bytes))
    environment.setVariable(Path("LISTEN_FDNAMES=").joined(record.name[...]))
  }

  /// Removes the file of a Unix socket that no program got.
  func discard() {
    if case .listens = socket, address.isLocal {
      try? DirectoryHandle.current.removeFile(address.host)
    }
  }
}
