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
  public func run() throws(SystemError) -> Result {
    let output = try memoryFile("stdout")
    let errors = try memoryFile("stderr")
    let process = try start(output.rawValue, errors.rawValue)
    let end = try wait(for: process)
    return Result(end: end, output: try content(of: output), errors: try content(of: errors))
  }

  private func start(_ output: Int32, _ errors: Int32) throws(SystemError) -> Int32 {
    let result = program.withCString { path in
      withPointers([program] + arguments) { arguments in
        withPointers(environment) { environment in
          guard let directory else {
            return cposix_spawn(path, arguments, environment, nil, output, errors)
          }
          return directory.withCString {
            cposix_spawn(path, arguments, environment, $0, output, errors)
          }
        }
      }
    }
    guard result > 0 else {
      throw SystemError("run", program, Errno(rawValue: Int32(truncatingIfNeeded: -result)))
    }
    return Int32(truncatingIfNeeded: result)
  }

  private func wait(for process: Int32) throws(SystemError) -> Result.End {
    let start = MonotonicClock.now
    var pause: UInt32 = 1
    var forced: Result.End? = nil
    while true {
      var status: Int32 = 0
      do throws(Errno) {
        if try retrying({ cposix_reap(process, &status) }) > 0 {
          // What it left behind in its group must not outlive it where it was told to end.
          if forced != nil { _ = cposix_signal_group(process, SIGKILL) }
          return forced ?? .exited(status)
        }
      } catch { throw SystemError("wait for", program, error) }
      if forced == nil {
        if let signal = TerminationSignals.pending { forced = .interrupted(signal: signal) }
        if let timeout, MonotonicClock.now - start > Int64(timeout) * 1_000_000_000 {
          forced = .timedOut
        }
        if forced != nil { _ = cposix_signal_group(process, SIGKILL) }
      }
      MonotonicClock.sleep(milliseconds: pause)
      pause = min(pause * 2, 20)
    }
  }

  private func memoryFile(_ name: StaticString) throws(SystemError) -> FileDescriptor {
    do throws(Errno) {
      let raw = try retrying { Path(name).withCString { cposix_memory_file($0) } }
      return FileDescriptor(owning: Int32(truncatingIfNeeded: raw), path: Path(name))
    } catch { throw SystemError("create a file in memory for", program, error) }
  }

  private func content(of file: borrowing FileDescriptor) throws(SystemError) -> [UInt8] {
    try file.bytes(at: 0, count: Int(try file.status().size))
  }
}
