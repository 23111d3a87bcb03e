public import Posix

/// A directory that was not used as the cache, and the reason.
public struct SkippedCandidate: Sendable {
  public var path: Path
  /// The reason, in words that follow the path: "is on a noexec mount".
  public var reason: Text
}

extension Failure {
  /// No candidate can be the cache; the message gives the reason for each.
  static func noDirectory(_ skipped: [SkippedCandidate]) -> Failure {
    var text: Text = "no directory to unpack to: "
    for (index, candidate) in skipped.enumerated() {
      if index > 0 { text += "; " }
      text += "\(candidate.path.quoted) \(candidate.reason)"
    }
    return Failure(.noDirectory, text)
  }

  /// Whether a system call failed because the disk or the user's quota is full.
  var isWantOfRoom: Bool { errno == .noSpace || errno == .quotaExceeded }
}
