internal import CPosix

/// A program to run in a process of its own.
public struct Subprocess: Sendable {
  /// Searched for on the `PATH` where it has no slash.
  public var program: Path
  /// Argument 0 is `program`; these follow.
  public var arguments: [Path]
  /// "NAME=value" each.
  public var environment: [Path]
  /// Where it starts; nil for the working directory.
  public var directory: Path?
  /// Seconds until it is killed; nil for no limit.
  public var timeout: Int?

  public init(
    _ program: Path, _ arguments: [Path], environment: [Path]? = nil, directory: Path? = nil,
    timeout: Int? = nil
  ) {
    self.program = program
    self.arguments = arguments
    self.environment = environment ?? ProcessContext.environmentEntries()
    self.directory = directory
    self.timeout = timeout
  }

  /// How a process ended, and what it wrote.
  public struct Result: Sendable {
    public enum End: Equatable, Sendable {
      /// 0 to 255; 128 + N where signal N ended it.
      case exited(Int32)
      /// It was killed when its time was over.
      case timedOut
      /// It was killed because this process got a termination signal.
      case interrupted(signal: Int32)
    }

    public var end: End
    public var output: [UInt8]
    public var errors: [UInt8]

    public var succeeded: Bool { end == .exited(0) }
  }

  /// Runs the program to its end, with an empty standard input. What it writes is kept in memory. It and
  /// whatever it started are killed when the time is over, or when a termination signal comes that is
  /// held (`TerminationSignals.hold`).
  public func run() throws(Failure) -> Result {
    var process = try start()
    let start = MonotonicClock.now
    var pause: UInt32 = 1
    while true {
      if let status = try process.poll() { return try process.result(.exited(status)) }
      var forced: Result.End? = nil
      if let signal = TerminationSignals.pending { forced = .interrupted(signal: signal) }
      if let timeout, MonotonicClock.now - start > Int64(timeout) * 1_000_000_000 {
        forced = .timedOut
      }
      if let forced {
        try process.kill()
        return try process.result(forced)
      }
      MonotonicClock.sleep(milliseconds: pause)
      pause = min(pause * 2, 20)
    }
  }

  /// Starts the program and does not wait for it. `timeout` does not count.
  public func start() throws(Failure) -> RunningProcess {
    let output = try FileDescriptor.inMemory("stdout")
    let errors = try FileDescriptor.inMemory("stderr")
    let number = program.withCString { path in
      withPointers([program] + arguments) { arguments in
        withPointers(environment) { environment in
          guard let directory else {
            return cposix_spawn(
              path, arguments, environment, nil, output.rawValue, errors.rawValue)
          }
          return directory.withCString {
            cposix_spawn(path, arguments, environment, $0, output.rawValue, errors.rawValue)
          }
        }
      }
    }
    guard number > 0 else {
      throw Failure("run", program, Errno(rawValue: Int32(truncatingIfNeeded: -number)))
    }
    return RunningProcess(
      program: program, number: Int32(truncatingIfNeeded: number), output: output, errors: errors,
      guardian: Guardian(of: Int32(truncatingIfNeeded: number)))
  }
}

extension FileDescriptor {
  /// An unnamed file in memory, for reading and writing. The corresponding C function is `memfd_create`.
  public static func inMemory(_ name: StaticString) throws(Failure) -> FileDescriptor {
    do throws(Errno) {
      let raw = try retrying { Path(name).withCString { cposix_memory_file($0) } }
      return FileDescriptor(owning: Int32(truncatingIfNeeded: raw), path: Path(name))
    } catch { throw Failure("create a file in memory for", Path(name), error) }
  }
}

/// A process of its own that kills a process group when this process is killed.
///
/// The kernel kills only the process that was started (prctl(2), PR_SET_PDEATHSIG) and not those that it started itself. A
/// program that left the group, as daemons do, is not killed.
private final class Guardian {
  private let number: Int32
  private let lifeline: FileDescriptor

  /// nil where no process can be started: the kernel's signal must do.
  init?(of group: Int32) {
    var lifeline: Int32 = -1
    let started = cposix_start_guard(group, &lifeline)
    guard started > 0 else { return nil }
    number = Int32(truncatingIfNeeded: started)
    self.lifeline = FileDescriptor(owning: lifeline, path: Path())
  }

  deinit { cposix_end_guard(number) }
}

/// A process that was started, and everything that it starts itself in its group. All of it is killed when
/// its owner ends, or when this process is killed. The thread that starts it must not end before it.
public struct RunningProcess: ~Copyable {
  private let program: Path
  private let number: Int32
  private let output: FileDescriptor
  private let errors: FileDescriptor
  private let guardian: Guardian?
  private var status: Int32?

  /// The number of its process group, which is its own number.
  public var group: Int32 { number }

  fileprivate init(
    program: Path, number: Int32, output: consuming FileDescriptor,
    errors: consuming FileDescriptor, guardian: Guardian?
  ) {
    self.program = program
    self.number = number
    self.output = output
    self.errors = errors
    self.guardian = guardian
  }

  deinit {
    // Also what a program that has ended left in its group.
    _ = cposix_signal_group(number, SIGKILL)
    var ignored: Int32 = 0
    while status == nil && cposix_reap(number, &ignored) == 0 {
      MonotonicClock.sleep(milliseconds: 1)
    }
  }

  /// The exit status (128 + N where signal N ended it), or nil while it runs.
  public mutating func poll() throws(Failure) -> Int32? {
    if let status { return status }
    var now: Int32 = 0
    do throws(Errno) {
      if try retrying({ cposix_reap(number, &now) }) > 0 { status = now }
    } catch { throw Failure("wait for", program, error) }
    return status
  }

  /// Asks it to end (SIGTERM), and waits. Returns nil where it still runs after `seconds`.
  public mutating func terminate(within seconds: Int) throws(Failure) -> Int32? {
    _ = cposix_signal_group(number, SIGTERM)
    let end = MonotonicClock.now + Int64(seconds) * 1_000_000_000
    while MonotonicClock.now < end {
      if let status = try poll() { return status }
      MonotonicClock.sleep(milliseconds: 10)
    }
    return try poll()
  }

  /// Ends it and its group by SIGKILL, and waits.
  public mutating func kill() throws(Failure) {
    _ = cposix_signal_group(number, SIGKILL)
    while try poll() == nil { MonotonicClock.sleep(milliseconds: 1) }
  }

  /// What it wrote until now.
  public func result(_ end: Subprocess.Result.End) throws(Failure) -> Subprocess.Result {
    Subprocess.Result(end: end, output: try content(output), errors: try content(errors))
  }

  private func content(_ file: borrowing FileDescriptor) throws(Failure) -> [UInt8] {
    try file.bytes(at: 0, count: Int(try file.status().size))
  }
}
