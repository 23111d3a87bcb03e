internal import CPosix
internal import CProcesses
public import Posix

/// A started program whose standard output is read while it runs, because it may be too large for memory.
///
/// It is killed with its children when the owner ends.
public struct PipedProcess: ~Copyable {
  private var process: RunningProcess
  private let pipe: FileDescriptor
  private var status: Int32?

  fileprivate init(_ process: consuming RunningProcess, _ pipe: consuming FileDescriptor) {
    self.process = process
    self.pipe = pipe
  }

  /// Reads output and waits until there is some. Returns the number of bytes read, or 0 at the end of the output.
  ///
  /// - Throws: "read", "wait for", or `interrupted` if a held termination signal arrived.
  public mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    while true {
      do throws(Errno) {
        return try retrying { cposix_read(pipe.rawValue, buffer.baseAddress!, buffer.count) }
      } catch {
        guard error == .wouldBlock else { throw Failure("read", pipe.path, error) }
      }
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      // A process that left the group may still have the pipe.
      guard status == nil else { return 0 }
      status = try process.wait(microseconds: 100_000, orFor: pipe.rawValue)
    }
  }

  /// Waits for the end of the program. Call this at the end of its output. The result holds no output.
  ///
  /// - Throws: "wait for", or `interrupted` if a held termination signal arrived.
  public mutating func finish() throws(Failure) -> Subprocess.Result {
    while true {
      if let status = try process.wait(microseconds: 100_000) {
        return try process.result(.exited(status))
      }
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    }
  }
}

extension Subprocess {
  /// Starts the program with a pipe as its standard output. Ignores `timeout`.
  ///
  /// - Throws: "run".
  public func startWithPipe() throws(Failure) -> PipedProcess {
    var ends: [Int32] = [-1, -1]
    let result = ends.withUnsafeMutableBufferPointer { cprocess_pipe($0.baseAddress!) }
    guard result == 0 else { throw Failure("run", program, Errno(result: result)) }
    let reading = FileDescriptor(owning: ends[0], path: program)
    let writing = FileDescriptor(owning: ends[1], path: program)
    let output = try FileDescriptor.inMemory("stdout")
    let errors = try FileDescriptor.inMemory("stderr")
    let started = start(writing.rawValue, errors.rawValue, false, nil)
    // The end of the output shows only if this process does not keep the writing end open.
    try writing.close()
    guard started > 0 else { throw Failure("run", program, Errno(result: started)) }
    let process = RunningProcess(
      self, number: Int32(truncatingIfNeeded: started), output: output, errors: errors,
      isTraced: false, nil)
    return PipedProcess(process, reading)
  }
}
