internal import CProcesses
public import Posix

/// A started process and all processes of its group.
///
/// When its end is noticed, the rest of its group is killed before it is reaped. Until then no other group can
/// get its number. Everything is killed when the owner ends. It is also killed when this process is killed. (If
/// the process is measured, the kernel then kills only the process itself.) Use it from the thread that started
/// it, which must not end before it.
public struct RunningProcess: ~Copyable {
  private let program: Path
  private let number: Int32
  private let output: FileDescriptor
  private let errors: FileDescriptor
  /// Readable when the process has ended. -1 if the kernel has no process descriptors (before 5.3); its end is
  /// then polled.
  private let descriptor: FileDescriptor
  private let isTraced: Bool
  /// Nil if nothing is measured.
  private let measured: UnsafeMutablePointer<cprocess_measured_t>?
  private let guardian: Guardian?
  private var status: Int32?

  /// The resources it used; nil until its end was noticed, and if nothing is measured.
  public private(set) var usage: Usage?

  /// The number of its process group, equal to its process id.
  public var group: Int32 { number }

  /// The time when the program was executed, in nanoseconds of `MonotonicClock`. 0 before that, and if nothing is
  /// measured.
  public var startTime: Int64 { measured?.pointee.start ?? 0 }

  init(
    _ command: Subprocess, number: Int32, output: consuming FileDescriptor,
    errors: consuming FileDescriptor, isTraced: Bool,
    _ measured: UnsafeMutablePointer<cprocess_measured_t>?
  ) {
    program = command.program
    self.number = number
    self.output = output
    self.errors = errors
    descriptor = FileDescriptor(
      owning: Int32(truncatingIfNeeded: max(-1, cprocess_descriptor(number))), path: program)
    self.isTraced = isTraced
    self.measured = measured
    guardian = measured == nil ? Guardian(of: number) : nil
  }

  deinit {
    if status == nil {
      _ = cprocess_signal_group(number, TerminationSignals.kill)
      guardian?.end()
      _ = isTraced ? cprocess_trace(number, measured, 1) : cprocess_reap(number, nil)
    }
    if let measured { cprocess_unmap_measured(measured) }
  }

  // MARK: Wait

  /// Waits until the process has ended, `connection` is readable (with `writes`, also writable), `microseconds`
  /// have passed, or a signal arrives. Returns the exit status (128 + N if signal N ended it), or nil if it is
  /// still running.
  ///
  /// - Throws: "execute" if it is measured and its program could not be executed.
  public mutating func wait(
    microseconds: Int64, orFor connection: Int32 = -1, writes: Bool = false
  ) throws(Failure) -> Int32? {
    if let status { return status }
    if !isTraced {
      try waitForNews(microseconds, connection, writes)
      guard try check(cprocess_has_ended(number)) > 0 else { return nil }
      return try finish(at: MonotonicClock.now) { number, measured in
        _ = cprocess_signal_group(number, TerminationSignals.kill)
        return cprocess_reap(number, measured)
      }
    }
    let result = cprocess_trace(number, measured, 0)
    if Errno(result: result) == .wouldBlock { return nil }
    return try finish(at: MonotonicClock.now) { _, _ in result }
  }

  /// Returns the exit status like `wait`, or nil if it is still running.
  ///
  /// - Throws: the same as `wait`.
  public mutating func poll() throws(Failure) -> Int32? { try wait(microseconds: 0) }

  private func waitForNews(_ microseconds: Int64, _ connection: Int32, _ writes: Bool)
    throws(Failure)
  {
    var longest = microseconds
    if descriptor.rawValue < 0 { longest = min(longest, measured == nil ? 10_000 : 200) }
    let ready = cprocess_wait_for_any(descriptor.rawValue, connection, writes ? 1 : 0, longest)
    if ready < 0 && Errno(result: ready) != .interrupted { _ = try check(ready) }
  }

  private mutating func finish(
    at end: Int64, _ reap: (Int32, UnsafeMutablePointer<cprocess_measured_t>?) -> Int
  ) throws(Failure) -> Int32 {
    guardian?.end()
    let status = Int32(truncatingIfNeeded: try check(reap(number, measured)))
    self.status = status
    guard let found = measured?.pointee else { return status }
    if found.failure != 0 {
      throw Failure("execute", program, Errno(result: Int(found.failure)))
    }
    usage = Usage(
      start: found.start, end: end, status: status, peakMemory: found.peak_memory,
      memoryFloor: found.floor_memory, minorFaults: found.minor_faults,
      majorFaults: found.major_faults, calls: found.calls,
      callsUntilProgram: found.programs > 1 ? found.calls_until_program : nil)
    return status
  }

  private func check(_ result: Int) throws(Failure) -> Int {
    if result < 0 { throw Failure("wait for", program, Errno(result: result)) }
    return result
  }

  // MARK: End

  /// Asks the process and its group to end (SIGTERM).
  public func terminate() {
    if status == nil { _ = cprocess_signal_group(number, TerminationSignals.terminate) }
  }

  /// Asks the process and its group to end (SIGTERM), and waits. Returns nil if it still runs after `seconds`.
  ///
  /// - Throws: the same as `wait`.
  public mutating func terminate(within seconds: Int) throws(Failure) -> Int32? {
    terminate()
    let end = MonotonicClock.now + Int64(seconds) * 1_000_000_000
    while true {
      let left = max(0, (end - MonotonicClock.now) / 1000)
      let status = try wait(microseconds: left)
      if status != nil || left == 0 { return status }
    }
  }

  /// Ends the process and its group by SIGKILL, and waits.
  ///
  /// - Throws: the same as `wait`.
  public mutating func kill() throws(Failure) {
    guard status == nil else { return }
    _ = cprocess_signal_group(number, TerminationSignals.kill)
    while try wait(microseconds: 1_000_000) == nil {}
  }

  // MARK: Output

  /// The output so far.
  ///
  /// - Throws: "read the status of" or "read", for the file that holds the output.
  public func result(_ end: Subprocess.Result.End) throws(Failure) -> Subprocess.Result {
    Subprocess.Result(end: end, output: try content(output), errors: try content(errors))
  }

  private func content(_ file: borrowing FileDescriptor) throws(Failure) -> [UInt8] {
    try file.bytes(at: 0, count: Int(try file.status().size))
  }
}

extension Subprocess {
  /// Starts the program without waiting for it. Ignores `timeout`.
  ///
  /// - Throws: "run". With measuring also "measure"; its `noSystemCall` means that this process may not trace and
  ///   calls cannot be counted.
  public func start(_ measuring: Measuring = .nothing) throws(Failure) -> RunningProcess {
    let operation: StaticString = measuring == .nothing ? "run" : "measure"
    let output = try FileDescriptor.inMemory("stdout")
    let errors = try FileDescriptor.inMemory("stderr")
    let measured = measuring == .nothing ? nil : cprocess_map_measured()
    if measuring != .nothing && measured == nil { throw Failure(operation, program, .outOfMemory) }
    let isTraced = measuring == .calls
    let started = start(output.rawValue, errors.rawValue, isTraced, measured)
    guard started > 0 else {
      if let measured { cprocess_unmap_measured(measured) }
      throw Failure(operation, program, Errno(result: started))
    }
    return RunningProcess(
      self, number: Int32(truncatingIfNeeded: started), output: output, errors: errors,
      isTraced: isTraced, measured)
  }

  /// Returns the process id, or the negated error number.
  func start(
    _ output: Int32, _ errors: Int32, _ isTraced: Bool,
    _ measured: UnsafeMutablePointer<cprocess_measured_t>?
  ) -> Int {
    program.withCString { path in
      withPointers([program] + arguments) { arguments in
        withPointers(environment) { environment in
          func start(_ directory: UnsafePointer<CChar>?) -> Int {
            cprocess_start(
              path, arguments, environment, directory, output, errors, isTraced ? 1 : 0, measured)
          }
          return directory?.withCString { start($0) } ?? start(nil)
        }
      }
    }
  }
}

extension FileDescriptor {
  /// Creates an unnamed file in memory, for reading and writing. The corresponding C function is `memfd_create`.
  public static func inMemory(_ name: StaticString) throws(Failure) -> FileDescriptor {
    do throws(Errno) {
      let raw = try retrying { Path(name).withCString { cprocess_memory_file($0) } }
      return FileDescriptor(owning: Int32(truncatingIfNeeded: raw), path: Path(name))
    } catch { throw Failure("create a file in memory for", Path(name), error) }
  }
}

extension Errno {
  /// - Parameter result: A negated error number.
  init(result: Int) { self.init(rawValue: Int32(truncatingIfNeeded: -result)) }
}

/// A separate process that kills a process group when this process is killed.
///
/// The kernel kills only the started process (prctl(2), PR_SET_PDEATHSIG), and not its children. A program that
/// left the group, as daemons do, is not killed.
private final class Guardian {
  private var number: Int32?
  private let lifeline: FileDescriptor

  /// Nil if no process can be started; only the kernel's signal is left then.
  init?(of group: Int32) {
    var lifeline: Int32 = -1
    let started = cprocess_start_guard(group, &lifeline)
    guard started > 0 else { return nil }
    number = Int32(truncatingIfNeeded: started)
    self.lifeline = FileDescriptor(owning: lifeline, path: Path())
  }

  deinit { end() }

  /// Ends the guard, because the group may now end and its number may be reused.
  func end() {
    if let number { cprocess_end_guard(number) }
    number = nil
  }
}
