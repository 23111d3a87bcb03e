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
  public var reason: StaticString
}

extension SystemError {
  /// No space, or none that the user may still use.
  var isWantOfRoom: Bool { errno == .noSpace || errno == .quotaExceeded }
}

extension CacheError {
  /// A call of the system that failed for want of room.
  var isWantOfRoom: Bool {
    guard case .payload(.system(let error)) = self else { return false }
    return error.isWantOfRoom
  }
}

/// Runs calls of the system and turns their error into this module's.
@inline(__always)
func system<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(CacheError)
  -> Result
{
  do throws(SystemError) { return try body() } catch { throw .payload(.system(error)) }
}

/// Runs calls of the reader and turns their error into this module's.
@inline(__always)
func reading<Result: ~Copyable>(_ body: () throws(PayloadError) -> Result) throws(CacheError)
  -> Result
{
  do throws(PayloadError) { return try body() } catch { throw .payload(error) }
}
