import PayloadFormat
import PayloadReader
import Posix

/// Ends this process, and then the program, when the process that launched it ends (docs/launch.md, "Death with
/// the parent").
struct ParentWatch {
  private let parent = ProcessContext.parent

  /// From now on SIGTERM comes at the parent's death, so that what is being unpacked is removed.
  init() throws(LaunchError) { try set(TerminationSignals.terminate) }

  /// From now on, and in the program, `signal` comes.
  func set(_ signal: ParentDeath) throws(LaunchError) {
    switch signal {
    case .kill: try set(TerminationSignals.kill)
    case .term: try set(TerminationSignals.terminate)
    }
  }

  private func set(_ signal: Int32) throws(LaunchError) {
    do throws(SystemError) { try ProcessContext.signalAtParentDeath(signal) } catch {
      throw LaunchError(.system(error))
    }
    // Where it died before, the kernel has nothing left to tell.
    if ProcessContext.parent != parent { throw LaunchError(.interrupted(signal: signal)) }
  }
}
