public import AppSpec
public import Posix

/// Why a tree can't be staged.
public enum StagingError: Error, Sendable {
  /// What is wrong, where, and what to do, with the line of the spec that it concerns.
  case problem(String, SpecPlace? = nil)
  case system(SystemError)
  case interrupted(signal: Int32)

  /// One line without a final full stop.
  public var description: String {
    switch self {
    case .problem(let message, let place):
      return (place.map { "\($0.description): " } ?? "") + message
    case .system(let error): return error.description.string
    case .interrupted(let signal): return "interrupted by signal \(signal)"
    }
  }
}

/// Runs `body` and reports what the system says as an error of staging.
func system<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(StagingError) -> Value
{
  do throws(SystemError) { return try body() } catch { throw .system(error) }
}
