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

  // The texts of settings and verbs. Tests/Launcher records them for docs/launch.md, "Messages".

  static var isPrivileged: Failure {
    .refused("refused to run set-uid or with file capabilities: remove the bit and start it again")
  }

  static func unknownVerb(_ name: Path) -> Failure {
    .refused(
      "unknown verb \(name.quoted) in ONEFOLD: use one of \(Verb.list), or unset ONEFOLD to launch")
  }

  static var needsDirectory: Failure {
    .refused("ONEFOLD=extract needs one argument, the directory to unpack to")
  }

  static func takesNoArguments(_ verb: Verb) -> Failure {
    .refused("ONEFOLD=\(verb.name) takes no arguments")
  }

  static var hasNoInventory: Failure {
    .refused("this file holds no software bill of materials: ask whoever packed it for one")
  }

  static func unknownCheck(_ value: Path) -> Failure {
    .refused("unknown check \(value.quoted) in ONEFOLD_CHECK: use seal, dirs, files or full")
  }

  static func unknownReuse(_ value: Path) -> Failure {
    .refused("unknown value \(value.quoted) of ONEFOLD_REUSE: use 1 or 0")
  }

  static func unknownProgress(_ value: Path) -> Failure {
    .refused("unknown progress \(value.quoted) in ONEFOLD_PROGRESS: use json or json:FD")
  }

  static func closedProgress(_ descriptor: Int32) -> Failure {
    .refused(
      "descriptor \(descriptor) is not open for writing, which ONEFOLD_PROGRESS names: open it first"
    )
  }

  static func unknownParentDeath(_ value: Path) -> Failure {
    .refused("unknown value \(value.quoted) of ONEFOLD_DIE_WITH_PARENT: use 1, kill, term or 0")
  }

  static func unusableTrace(_ failure: Failure) -> Failure {
    .refused("\(failure.description); set ONEFOLD_TRACE to a file that can be written")
  }

  static func isInUse(_ tree: Path) -> Failure {
    .refused("\(tree.quoted) is in use by a running program; stop it first")
  }

  static func lostOutput(_ errno: Errno) -> Failure {
    .refused("cannot write to the standard output: \(errno.description)")
  }

  static func noLoader(for entry: Path) -> Failure {
    .notExecutable(
      "cannot execute \(entry.quoted): the interpreter or loader that it names is not on this system"
    )
  }

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
