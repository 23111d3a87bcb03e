/// What a process took from the system until its end, including the processes that it started and waited for.
public struct Usage: Sendable {
  /// Nanoseconds of `MonotonicClock`: just before the program was executed.
  public var start: Int64
  /// When its end was noticed.
  public var end: Int64
  /// 0 to 255; 128 + N if signal N ended it.
  public var status: Int32
  /// Bytes: the most that one of the processes had in memory at once.
  public var peakMemory: Int64
  /// Bytes that the process had before it executed the program; `peakMemory` cannot be less.
  public var memoryFloor: Int64
  /// Page faults that needed no reading, and those that did.
  public var minorFaults: Int64
  public var majorFaults: Int64
  /// If they were counted: system calls of all threads and processes that were started.
  public var calls: Int64
  /// Those until the process executed a second program, as a launch does; nil if it did not.
  public var callsUntilProgram: Int64?
}

/// What is measured of a process.
public enum Measuring: Sendable {
  case nothing
  /// All of `Usage` but the system calls.
  case usage
  /// Also its system calls, which makes it many times slower.
  case calls
}
