public import Posix

/// A directory that was not used as the cache, and why.
public struct SkippedCandidate: Sendable {
  public var path: Path
  /// To be read after the path: "is on a noexec mount".
  public var reason: Text
}

extension Failure {
  /// No candidate can be the cache; the message has the reason of each.
  static func noDirectory(_ skipped: [SkippedCandidate]) -> Failure {
    var text: Text = "no directory to unpack to: "
    for (index, candidate) in skipped.enumerated() {
      if index > 0 { text += "; " }
      text += "\(candidate.path.quoted) \(candidate.reason)"
    }
    return Failure(.noDirectory, text)
  }

  /// Whether a system call failed because there is no space, or none that the user may still use.
  var isWantOfRoom: Bool { errno == .noSpace || errno == .quotaExceeded }
}
