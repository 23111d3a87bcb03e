public import Posix

/// A program to run in a process of its own.
public struct Subprocess: Sendable {
  /// The program, looked up on the `PATH` if it has no slash.
  public var program: Path
  /// The arguments after argument 0, which is `program`.
  public var arguments: [Path]
  /// "NAME=value" each.
  public var environment: [Path]
  /// The directory where it starts; nil for the working directory.
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

  /// The end of a process, and its output.
  public struct Result: Sendable {
    /// The end of a program.
    public enum End: Equatable, Sendable {
      /// 0 to 255; 128 + N if signal N ended it.
      case exited(Int32)
      /// It was killed after the timeout.
      case timedOut
      /// It was killed because this process received a termination signal.
      case interrupted(signal: Int32)
    }

    public var end: End
    public var output: [UInt8]
    public var errors: [UInt8]

    public var succeeded: Bool { end == .exited(0) }
  }

  /// Runs the program to its end, with an empty standard input. Its output is kept in memory. It and its children
  /// are killed after the timeout, or when a held termination signal arrives (`TerminationSignals.hold`).
  ///
  /// - Throws: the failures of `start` and `wait`. A signal or a timeout is a result.
  public func run() throws(Failure) -> Result {
    var process = try start()
    let start = MonotonicClock.now
    while true {
      // A short wait, because another thread may have received a signal.
      if let status = try process.wait(microseconds: 20_000) {
        return try process.result(.exited(status))
      }
      var forced: Result.End? = nil
      if let signal = TerminationSignals.pending { forced = .interrupted(signal: signal) }
      if let timeout, MonotonicClock.now - start > Int64(timeout) * 1_000_000_000 {
        forced = .timedOut
      }
      if let forced {
        try process.kill()
        return try process.result(forced)
      }
    }
  }
}

/// Describes how a program ended, to be read after its name.
///
/// - Parameter status: the status as a shell reports it: 128 plus the signal's number for a signal.
public func endText(_ status: Int32) -> String {
  status > 128 ? "was ended by signal \(status - 128)" : "ended with status \(status)"
}
