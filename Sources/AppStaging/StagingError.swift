public import AppSpec
public import Posix

/// Why a tree could not be staged or tested.
public enum StagingError: Error, Sendable {
  /// What is wrong and what to do, with the spec's line where one is to blame.
  case failed(SpecPlace?, String)
  case system(SystemError)
  /// A termination signal came; what was begun is removed.
  case interrupted(signal: Int32)

  /// One line, or several where a program's own last lines tell more.
  public var description: String {
    switch self {
    case .failed(let place?, let message): "\(place.description): \(message)"
    case .failed(nil, let message): message
    case .system(let error): error.description.string
    case .interrupted(let signal): "interrupted by signal \(signal)"
    }
  }
}

/// Turns a failed system call into a `StagingError`.
func system<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(StagingError)
  -> Result
{
  do throws(SystemError) { return try body() } catch { throw .system(error) }
}
