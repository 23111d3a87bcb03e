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

  static func foreignRuntimeDirectory(_ path: Path) -> Failure {
    Failure(
      .refused,
      "\(path.quoted) in XDG_RUNTIME_DIR must belong to this user, and no other may write to it: correct or unset it"
    )
  }

  static func foreignUserFile(_ path: Path) -> Failure {
    Failure(
      .refused, "\(path.quoted) must be a file of this user that no other may write to: remove it")
  }

  /// Whether a system call failed because the disk or the user's quota is full.
  var isWantOfRoom: Bool { errno == .noSpace || errno == .quotaExceeded }
}
