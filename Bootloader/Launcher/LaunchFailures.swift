import Posix

/// Exit codes of a launch that does not reach the program, the same as those of `env` and `timeout`
/// (docs/launch.md).
enum ExitCode {
  static var failure: Int32 { 125 }
  /// The entry cannot be executed.
  static var cannotExecute: Int32 { 126 }
  /// The entry does not exist.
  static var notFound: Int32 { 127 }
}

extension Failure {
  /// A setting or a verb that the launcher cannot obey; `message` is the whole message.
  static func refused(_ message: Text) -> Failure { Failure(.refused, message) }

  static func notExecutable(_ message: Text) -> Failure { Failure(.notExecutable, message) }

  static func noEntry(_ message: Text) -> Failure { Failure(.noEntry, message) }

  /// The exit code of the launch, unless a signal ends it.
  var exitCode: Int32 {
    switch kind {
    case .notExecutable: ExitCode.cannotExecute
    case .noEntry: ExitCode.notFound
    default: ExitCode.failure
    }
  }

  /// The text for the user: the description, and advice.
  var message: Text {
    switch kind {
    case .noSpace, .noNodes:
      "\(description); free some, or set ONEFOLD_CACHE to a directory with room"
    case .noPayload, .format, .damaged:
      "\(description); download or copy it again"
    case .glibc(found: false):
      "\(description): use a system that has it, or ask for a file built for this one"
    case .glibc(found: true):
      "\(description): use a newer system, or ask for a file built on an older one"
    case .noDirectory:
      "\(description); set ONEFOLD_CACHE to a directory of yours that allows execution"
    case .system, .interrupted, .occupied, .notExecutable, .noEntry, .usage, .refused:
      description
    }
  }

  /// This failure for a user who extracts to a directory of their own instead of the cache.
  var whileExtracting: Failure {
    switch kind {
    case .noSpace, .noNodes:
      .refused("\(description); free some, or extract to another file system")
    default: self
    }
  }
}
