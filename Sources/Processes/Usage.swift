/// The resources that a process used until its end, including those of children that it waited for.
public struct Usage: Sendable {
  /// The time just before the program was executed, in nanoseconds of `MonotonicClock`.
  public var start: Int64
  /// The time when its end was noticed, in nanoseconds of `MonotonicClock`.
  public var end: Int64
  /// 0 to 255; 128 + N if signal N ended it.
  public var status: Int32
  /// The largest memory of any one of the processes, in bytes.
  public var peakMemory: Int64
  /// The memory that the process had before it executed the program, in bytes; `peakMemory` cannot be less.
  public var memoryFloor: Int64
  /// Page faults without and with reading from disk.
  public var minorFaults: Int64
  public var majorFaults: Int64
  /// System calls of all its threads and processes, if they were counted.
  public var calls: Int64
  /// The calls until the process executed a second program, as a launch does; nil if it did not.
  public var callsUntilProgram: Int64?
}

/// The measurements of a process.
public enum Measuring: Sendable {
  case nothing
  /// All of `Usage` except the system calls.
  case usage
  /// Also its system calls, which makes it many times slower.
  case calls
}
