import PayloadFormat
import PayloadReader
import Posix

/// Ends this process, and then the program, when the process that launched it ends (docs/launch.md, "Death with
/// the parent").
struct ParentWatch {
  private let parent = ProcessContext.parent

  /// From now on SIGTERM comes at the parent's death, so that what is being unpacked is removed.
  init() throws(Failure) { try set(TerminationSignals.terminate) }

  /// From now on, and in the program, `signal` comes.
  func set(_ signal: ParentDeath) throws(Failure) {
    switch signal {
    case .kill: try set(TerminationSignals.kill)
    case .term: try set(TerminationSignals.terminate)
    }
  }

  private func set(_ signal: Int32) throws(Failure) {
    try ProcessContext.signalAtParentDeath(signal)
    // Where it died before, the kernel has nothing left to tell.
    if ProcessContext.parent != parent { throw .interrupted(signal: signal) }
  }
}
