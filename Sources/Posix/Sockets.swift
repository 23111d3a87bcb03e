internal import CPosix

/// Where a program listens: an IP address with a port, or the path of a Unix socket.
public struct SocketAddress: Sendable {
  private var value = cposix_address_t()

  /// Parses `PORT` (of 127.0.0.1), `ADDRESS:PORT`, `[ADDRESS]:PORT` or `unix:/PATH`. `localhost` is 127.0.0.1;
  /// other names are not looked up. Port 0 stands for a free one.
  ///
  /// - Throws: `invalidArgument`, or `nameTooLong` if a path has more than 107 bytes.
  public init(parsing text: Path) throws(Errno) {
    var value = cposix_address_t()
    _ = try retrying { text.withCString { cposix_parse_address($0, &value) } }
    self.value = value
  }

  /// The address of an open socket; nil if it is none.
  @inline(never)
  public init?(of descriptor: Int32) {
    guard cposix_socket_address(descriptor, &value) == 0 else { return nil }
  }

  /// The port in decimal; empty for a Unix socket.
  public var port: Text { value.port < 0 ? "" : "\(value.port)" }

  /// Whether it is a path.
  public var isLocal: Bool { value.port < 0 }

  /// The numeric IP address without brackets, or the path. A name of Linux's abstract namespace begins with `@`.
  @inline(never)
  public var host: Path {
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(CPOSIX_ADDRESS_TEXT)) { buffer, count in
      buffer.withMemoryRebound(to: CChar.self) { text in
        var value = self.value
        count = cposix_address_text(&value, text.baseAddress!)
      }
    }
    return Path(bytes)
  }

  /// The form that `init(parsing:)` takes.
  @inline(never)
  public var text: Text {
    let host = host
    let words = escapedText(host.bytes)
    if isLocal { return "unix:\(words)" }
    return host.bytes.contains(UInt8(ascii: ":")) ? "[\(words)]:\(port)" : "\(words):\(port)"
  }

  /// Whether the kernel is to choose a port.
  public var isFreePort: Bool { value.port == 0 }

  /// The same address with a port that is free.
  public var withFreePort: SocketAddress {
    var result = self
    result.value.port = 0
    // `sin_port` and `sin6_port`.
    result.value.bytes.2 = 0
    result.value.bytes.3 = 0
    return result
  }

  /// Opens a socket that listens, close-on-exec; the caller owns it. The corresponding C functions are `bind` and
  /// `listen`.
  public func listen() throws(Errno) -> Int32 {
    var value = value
    return Int32(truncatingIfNeeded: try retrying { cposix_listen(&value) })
  }

  /// Opens a socket that keeps the port from other programs without listening, close-on-exec; the caller owns it.
  /// The corresponding C function is `bind`.
  public func holdPort() throws(Errno) -> Int32 {
    var value = value
    return Int32(truncatingIfNeeded: try retrying { cposix_hold_port(&value) })
  }

  /// The process that listens where this address can't be used; nil if the kernel does not tell this user.
  @inline(never)
  public func listeningProcess() -> Int32? {
    var value = value
    let process = cposix_listening_process(&value)
    return process > 0 ? process : nil
  }

  /// Whether no program has this Unix socket any more, whose file a program left. The corresponding C function is
  /// `connect`.
  public func isStale() -> Bool {
    var value = value
    return cposix_is_stale(&value) != 0
  }
}

extension ProcessContext {
  /// Makes `descriptor` the descriptor `number`, which the program gets. If the program would inherit another
  /// file under this number, that one moves to a free number. The corresponding C function is `dup2`.
  public static func move(_ descriptor: Int32, to number: Int32) throws(Errno) {
    _ = try retrying { cposix_move_descriptor(descriptor, number) }
  }

  /// Another number of the same open file, close-on-exec; nil if there is none left. The corresponding C function is
  /// `fcntl` with `F_DUPFD_CLOEXEC`.
  public static func copy(_ descriptor: Int32) -> Int32? {
    let copy = cposix_copy_descriptor(descriptor)
    return copy < 0 ? nil : copy
  }

  /// Keeps the descriptor open across `execve`.
  public static func keepAtExecution(_ descriptor: Int32) {
    _ = cposix_set_close_on_exec(descriptor, 0)
  }

  /// Asks the kernel to send `signal` when the other end of a pipe or socket is closed, or sends data. `execve`
  /// keeps the setting as long as the descriptor is open. The corresponding C function is `fcntl` with `O_ASYNC`.
  ///
  /// - Returns: Whether the other end is closed already; then no signal comes.
  /// - Throws: `invalidArgument` if the descriptor is neither a pipe nor a socket.
  public static func signalAtClose(of descriptor: Int32, _ signal: Int32) throws(Errno) -> Bool {
    try retrying { cposix_signal_at_close(descriptor, signal) } != 0
  }
}

/// A process of this machine, by a descriptor that stays with it even if its number is used again (pidfd_open(2)).
public struct ProcessHandle: ~Copyable {
  private let descriptor: Int32

  /// - Throws: `noSystemCall` before Linux 5.3; ESRCH if there is no such process.
  public init(_ process: Int32) throws(Errno) {
    descriptor = Int32(truncatingIfNeeded: try retrying { cposix_open_process(process) })
  }

  deinit { cposix_end_of_owner(descriptor) }

  public func send(_ signal: Int32) throws(Errno) {
    _ = try retrying { cposix_signal_process(descriptor, signal) }
  }

  /// Waits until the process has ended. Returns false after `milliseconds`.
  public func wait(milliseconds: Int32) -> Bool {
    ((try? retrying { cposix_wait_for_process(descriptor, milliseconds) }) ?? 0) > 0
  }

  /// The name of a process (proc_pid_comm(5)); empty if unknown.
  @inline(never)
  public static func name(of process: Int32) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
      count = max(cposix_read_process_file(process, "/comm", buffer.baseAddress!, 64) - 1, 0)
    }
  }

  /// The memory that a process has in RAM, in bytes (proc_pid_statm(5)); 0 if unknown.
  public static func residentBytes(of process: Int32) -> UInt64 { cposix_resident_bytes(process) }
}

extension FileDescriptor {
  /// Takes the lock of this process on the whole file, which must be open for writing. `execve` keeps it, and
  /// children don't inherit it. It ends with the process, or when the process closes any descriptor of the file.
  /// Returns false if another process has it. The corresponding C function is `fcntl` with `F_SETLK`.
  ///
  /// - Throws: "lock".
  public func lockForProcess() throws(Failure) -> Bool {
    do throws(Errno) {
      _ = try retrying { cposix_lock_of_process(rawValue) }
      return true
    } catch {
      if error == .wouldBlock || error == .accessDenied { return false }
      throw Failure("lock", path, error)
    }
  }

  /// The process that has the lock of `lockForProcess`: 0 if it is in another pid namespace, nil if nobody has it.
  /// The corresponding C function is `fcntl` with `F_GETLK`.
  public var lockingProcess: Int32? {
    (try? retrying { cposix_process_with_lock(rawValue) }).map { Int32(truncatingIfNeeded: $0) }
  }
}
