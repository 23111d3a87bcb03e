import PayloadFormat
import PayloadReader
import Posix

/// Ends this process, and later the program, when the process that launched it ends (docs/launch.md, "Death with
/// the parent").
struct ParentWatch {
  private let parent = ProcessContext.parent
  private let descriptor: Int32?

  /// Requests SIGTERM at the parent's death, or when the other end of `descriptor` is closed, so that the launch can
  /// remove what it is unpacking.
  init(_ descriptor: Int32? = nil) throws(Failure) {
    self.descriptor = descriptor
    try set(TerminationSignals.terminate)
  }

  /// Requests `signal` instead, for this process and then the program.
  func set(_ signal: ParentDeath) throws(Failure) {
    switch signal {
    case .kill: try set(TerminationSignals.kill)
    case .term: try set(TerminationSignals.terminate)
    }
  }

  private func set(_ signal: Int32) throws(Failure) {
    if let descriptor {
      do throws(Errno) {
        guard try ProcessContext.signalAtClose(of: descriptor, signal) else { return }
      } catch { throw .badParentDescriptor(descriptor, error) }
      throw .interrupted(signal: signal)
    }
    try ProcessContext.signalAtParentDeath(signal)
    // If the parent died before the call, the kernel sends no signal.
    if ProcessContext.parent != parent { throw .interrupted(signal: signal) }
  }
}
