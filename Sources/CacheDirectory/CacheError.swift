public import PayloadReader
public import Posix

/// Why no cached tree can be had.
public enum CacheError: Error, Sendable {
  case payload(PayloadError)
  /// No candidate will do; one line for each says why.
  case noDirectory([SkippedCandidate])

  /// One line without a final full stop.
  public var description: Text {
    switch self {
    case .payload(let error): return error.description
    case .noDirectory(let skipped):
      var text: Text = "no directory to unpack to: "
      for (index, candidate) in skipped.enumerated() {
        if index > 0 { text += "; " }
        text += "\(candidate.path.quoted) \(candidate.reason)"
      }
      return text
    }
  }
}

/// A directory that was not used as the cache, and why.
public struct SkippedCandidate: Sendable {
  public var path: Path
  /// To be read after the path: "is on a noexec mount".
  public var reason: Text
}

extension SystemError {
  /// No space, or none that the user may still use.
  var isWantOfRoom: Bool { errno == .noSpace || errno == .quotaExceeded }
}

extension PayloadError {
  /// A call of the system that failed for want of room.
  var isWantOfRoom: Bool {
    guard case .system(let error) = self else { return false }
    return error.isWantOfRoom
  }
}

/// Runs calls of the system and turns their error into the reader's, which is this module's but for the search for a
/// directory.
@inline(__always)
func system<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(PayloadError)
  -> Result
{
  do throws(SystemError) { return try body() } catch { throw .system(error) }
}
