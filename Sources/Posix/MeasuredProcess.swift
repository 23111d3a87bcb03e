internal import CPosix

/// What a process took from the system until its end, that which it started and waited for included.
public struct Usage: Sendable {
  /// Nanoseconds of `MonotonicClock`: just before the program was executed.
  public var start: Int64
  /// When its end was noticed.
  public var end: Int64
  /// 0 to 255; 128 + N where signal N ended it.
  public var status: Int32
  /// Bytes: the most that one of the processes had in memory at once.
  public var peakMemory: Int64
  /// Bytes that the process had before it executed the program, below which `peakMemory` can't be.
  public var memoryFloor: Int64
  /// Page faults that needed no reading, and those that did.
  public var minorFaults: Int64
  public var majorFaults: Int64
  /// Where they were counted: system calls of all threads and processes that were started.
  public var calls: Int64
  /// Those until the process executed a second program, as a launch does; nil where it did not.
  public var callsUntilProgram: Int64?
}

/// A process that is measured, in a group of its own with an empty standard input. The whole group is killed when its owner
/// ends. One thread uses it: the one that started it.
public struct MeasuredProcess: ~Copyable {
  private let program: Path
  private let number: Int32
  private let isTraced: Bool
  private let descriptor: FileDescriptor
  private let measured: UnsafeMutablePointer<cposix_measured_t>
  private var hasEnded = false

  /// Starts a program. `countsCalls`: its system calls are counted, which makes it many times slower; fails with
  /// `noSystemCall` where this process may not trace. `output` and `errors` are its standard output and error.
  public init(
    _ command: Subprocess, countsCalls: Bool = false, output: borrowing FileDescriptor,
    errors: borrowing FileDescriptor
  ) throws(Failure) {
    let size = MemoryLayout<cposix_measured_t>.size
    guard let memory = cposix_map_shared(size) else {
      throw Failure("measure", command.program, .outOfMemory)
    }
    let measured = memory.bindMemory(to: cposix_measured_t.self, capacity: 1)
    let out = output.rawValue
    let err = errors.rawValue
    let started = command.program.withCString { path in
      withPointers([command.program] + command.arguments) { arguments in
        withPointers(command.environment) { environment in
          (command.directory ?? Path(".")).withCString {
            cposix_start_measured(
              path, arguments, environment, $0, out, err, countsCalls ? 1 : 0, measured)
          }
        }
      }
    }
    guard started > 0 else {
      cposix_unmap(memory, size)
      throw Failure(
        "measure", command.program, Errno(rawValue: Int32(truncatingIfNeeded: -started)))
    }
    let number = Int32(truncatingIfNeeded: started)
    // Where the kernel has no descriptors of processes (before 5.3), -1: the end is looked for now and then.
    let descriptor = Int32(truncatingIfNeeded: max(-1, cposix_process_descriptor(number)))
    self.program = command.program
    self.number = number
    self.isTraced = countsCalls
    self.descriptor = FileDescriptor(owning: descriptor, path: command.program)
    self.measured = measured
  }

  deinit {
    // Also what a program that has ended left in its group.
    _ = cposix_signal_group(number, SIGKILL)
    while !hasEnded {
      let result =
        isTraced ? cposix_trace_step(number, measured) : cposix_reap_measured(number, measured)
      if result > 0 || result == Int(-ECHILD) { break }
      MonotonicClock.sleep(milliseconds: 1)
    }
    cposix_unmap(measured, MemoryLayout<cposix_measured_t>.size)
  }

  /// Waits until the process has ended, `connection` can be read (or written, where `writes`) or `microseconds` are over,
  /// or a signal comes. Returns what the process took where it has ended.
  public mutating func wait(
    microseconds: Int64, orFor connection: Int32 = -1, writes: Bool = false
  ) throws(Failure) -> Usage? {
    if !isTraced {
      var longest = microseconds
      if descriptor.rawValue < 0 { longest = min(longest, 200) }
      let ready = cposix_wait_for_any(descriptor.rawValue, connection, writes ? 1 : 0, longest)
      if ready < 0 && ready != Int(-EINTR) {
        throw Failure("wait for", program, Errno(rawValue: Int32(truncatingIfNeeded: -ready)))
      }
    }
    let result =
      isTraced ? cposix_trace_step(number, measured) : cposix_reap_measured(number, measured)
    if result < 0 {
      throw Failure("wait for", program, Errno(rawValue: Int32(truncatingIfNeeded: -result)))
    }
    guard result > 0 else { return nil }
    hasEnded = true
    let found = measured.pointee
    if found.failure != 0 {
      throw Failure(
        "execute", program, Errno(rawValue: Int32(truncatingIfNeeded: -found.failure)))
    }
    return Usage(
      start: found.start, end: found.end, status: found.status, peakMemory: found.peak_memory,
      memoryFloor: found.floor_memory, minorFaults: found.minor_faults,
      majorFaults: found.major_faults, calls: found.calls,
      callsUntilProgram: found.programs > 1 ? found.calls_until_program : nil)
  }

  /// When the program was executed, in nanoseconds of `MonotonicClock`; 0 as long as it was not.
  public var start: Int64 { measured.pointee.start }

  /// Asks it and its group to end (SIGTERM).
  public func terminate() { _ = cposix_signal_group(number, SIGTERM) }
}

/// A connection to a server of this machine, which never waits.
public struct LocalConnection: ~Copyable {
  private let socket: FileDescriptor
  public var descriptor: Int32 { socket.rawValue }

  /// A TCP port of 127.0.0.1 that nobody listens at.
  public static func freePort() throws(Failure) -> Int {
    let port = cposix_free_port()
    guard port > 0 else {
      throw Failure(
        "find a free port", Path(), Errno(rawValue: Int32(truncatingIfNeeded: -port)))
    }
    return Int(port)
  }

  /// Begins to connect to a port of 127.0.0.1.
  public init(port: Int) throws(Errno) {
    let raw = try retrying { cposix_connect_to_port(Int32(port)) }
    socket = FileDescriptor(owning: Int32(truncatingIfNeeded: raw), path: Path())
  }

  /// Whether it is connected; to be asked when it can be written.
  public func connected() throws(Errno) {
    _ = try retrying { cposix_connection_result(descriptor) }
  }

  /// Sends; a request is so short that the kernel takes all of it.
  public func send(_ bytes: [UInt8]) throws(Errno) {
    let sent = try retrying {
      bytes.withUnsafeBytes { cposix_write(descriptor, $0.baseAddress!, $0.count) }
    }
    if sent < bytes.count { throw .wouldBlock }
  }

  /// What has come, at most 4 KiB; nil where nothing has, empty at the end.
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

/// What the kernel keeps of files in memory.
public enum PageCache {
  /// Lets go of everything that is on the disk. Only root may, and not in every container.
  public static func dropAll() throws(Failure) {
    cposix_sync()
    let file = try FileDescriptor.open(Path("/proc/sys/vm/drop_caches"), .write)
    try file.write([UInt8]("3\n".utf8))
  }

  /// Lets go of one file, where it is written to the disk and nobody maps it.
  public static func drop(_ path: Path) throws(Failure) {
    let file = try FileDescriptor.open(path, .read)
    do throws(Errno) { _ = try retrying { cposix_forget_pages(file.rawValue) } } catch {
      throw Failure("drop from the page cache", path, error)
    }
  }

  /// Bytes of a file that are in memory.
  public static func cachedBytes(of path: Path) throws(Failure) -> UInt64 {
    let file = try FileDescriptor.open(path, .read)
    let size = try file.status().size
    do throws(Errno) {
      return UInt64(try retrying { cposix_cached_bytes(file.rawValue, Int(size)) })
    } catch { throw Failure("ask for the page cache of", path, error) }
  }
}
