import PayloadFormat
import Posix
import Reporting

/// Exit codes of a launch that does not reach the program, the same as those of `env` and `timeout`
/// (docs/launch.md).
enum ExitCode {
  static var failure: Int32 { 125 }
  /// The entry cannot be executed.
  static var cannotExecute: Int32 { 126 }
  /// The entry does not exist.
  static var notFound: Int32 { 127 }
  /// Another program listens at the address.
  static var addressTaken: Int32 { 120 }
  static var isRunning: Int32 { 121 }
  static var notStopped: Int32 { 122 }
  /// That of `systemctl status`, by the Linux Standard Base.
  static var notRunning: Int32 { 3 }
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
    .refused(
      "unknown value \(value.quoted) of ONEFOLD_DIE_WITH_PARENT: use 1, kill, term, fd:N, fd:N:kill, fd:N:term or 0"
    )
  }

  static func badParentDescriptor(_ descriptor: Int32, _ errno: Errno) -> Failure {
    let reason: Text = errno == .invalidArgument ? "is neither a pipe nor a socket" : "is not open"
    return .refused("descriptor \(descriptor), which ONEFOLD_DIE_WITH_PARENT names, \(reason)")
  }

  static func unknownCommand(_ name: Path) -> Failure {
    .refused("unknown command \(name.quoted) in ONEFOLD_COMMAND: ONEFOLD=help lists them")
  }

  // Listening.

  static func unknownAddress(_ text: Path, isTooLong: Bool) -> Failure {
    let reason: Text =
      isTooLong
      ? "a path has 107 bytes at most"
      : "use PORT, ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH, with a numeric address"
    return .refused("cannot listen on \(text.quoted): \(reason)")
  }

  static var noPassedSocket: Failure {
    .refused("descriptor 3, which LISTEN_FDS counts, is no socket")
  }

  static func addressTaken(_ address: Text, by process: Text?) -> Failure {
    Failure(
      .addressTaken,
      "cannot listen on \(address): \(process ?? "another program") has it; stop that, or set ONEFOLD_LISTEN to another address"
    )
  }

  // One instance.

  static func isRunning(_ record: LaunchRecord, _ instance: RunningInstance) -> Failure {
    Failure(
      .isRunning,
      "\(escapedText(record.name)) is already running: \(instance.place); ONEFOLD=stop ends it")
  }

  static func notRunning(_ record: LaunchRecord) -> Failure {
    Failure(.notRunning, "\(escapedText(record.name)) is not running")
  }

  static func hasNotStopped(_ record: LaunchRecord, _ instance: RunningInstance, _ seconds: UInt32)
    -> Failure
  {
    Failure(
      .notStopped,
      "\(escapedText(record.name)) still runs \(counted(UInt64(seconds), "second")) after SIGTERM: \(instance.place)"
    )
  }

  static func cannotStop(_ record: LaunchRecord, _ instance: RunningInstance, _ errno: Errno)
    -> Failure
  {
    Failure(
      .notStopped,
      "cannot stop \(escapedText(record.name)), \(instance.place): \(errno.description)")
  }

  static var stopArguments: Failure {
    .refused("ONEFOLD=stop takes seconds to wait, and 'kill' to use SIGKILL then")
  }

  static var statusArguments: Failure { .refused("ONEFOLD=status takes no argument but 'json'") }

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
    case .addressTaken: ExitCode.addressTaken
    case .isRunning: ExitCode.isRunning
    case .notRunning: ExitCode.notRunning
    case .notStopped: ExitCode.notStopped
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
    case .system, .interrupted, .occupied, .notExecutable, .noEntry, .addressTaken, .isRunning,
      .notRunning, .notStopped, .usage, .refused:
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
