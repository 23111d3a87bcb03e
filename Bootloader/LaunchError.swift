import CacheDirectory
import PayloadReader
import Posix

/// Exit codes of a launch that does not reach the program (docs/launch.md), as of `env` and `timeout`.
enum ExitCode {
  /// The launch failed.
  static var failure: Int32 { 125 }
  /// The entry can't be executed.
  static var cannotExecute: Int32 { 126 }
  /// There is no entry.
  static var notFound: Int32 { 127 }
}

/// Why a launch or a verb ends: one line, and an exit code or a signal.
struct LaunchError: Error {
  let message: Text
  var exitCode = ExitCode.failure
  /// The signal that asked to end, after everything was cleaned up.
  var signal: Int32? = nil

  init(_ message: Text, exitCode: Int32 = ExitCode.failure) {
    self.message = message
    self.exitCode = exitCode
  }

  /// `isExtracting`: to a directory that the user named, and not to the cache.
  init(_ error: PayloadError, isExtracting: Bool = false) {
    switch error {
    case .interrupted(let signal):
      message = ""
      self.signal = signal
    case .noSpace where isExtracting, .noNodes where isExtracting:
      message = "\(error.description); free some, or extract to another file system"
    case .noSpace, .noNodes:
      message = "\(error.description); free some, or set ONEFOLD_CACHE to a directory with room"
    case .noPayload, .format, .damaged:
      message = "\(error.description); download or copy it again"
    case .glibc(_, found: nil):
      message =
        "\(error.description): use a system that has it, or ask for a file built for this one"
    case .glibc:
      message = "\(error.description): use a newer system, or ask for a file built on an older one"
    case .system, .occupied:
      message = error.description
    }
  }

  init(_ error: CacheError) {
    switch error {
    case .payload(let inner): self.init(inner)
    case .noDirectory:
      self.init(
        "\(error.description); set ONEFOLD_CACHE to a directory of yours that allows execution")
    }
  }
}
