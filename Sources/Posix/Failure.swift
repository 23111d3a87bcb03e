/// The error of all modules except two: `PayloadFormat`, which imports nothing, and `AppSpec`, whose errors have
/// a file and a line.
///
/// A class, because the code that throws and catches a pointer is smaller (docs/decisions/0038-one-error.md). A
/// module creates its failures in one file, with functions named after their kind. The function holds the text.
///
/// In comments, `- Throws: "open"` stands for the failure of a system call with this operation.
public final class Failure: Error, Sendable {
  /// The kinds that callers distinguish.
  public enum Kind: Equatable, Sendable {
    /// A system call failed: see `operation`, `path` and `errno`.
    case system
    /// A termination signal arrived: see `signal`. The unfinished work is removed.
    case interrupted
    /// A file has no trailer within its last 64 KiB.
    case noPayload
    /// Bytes that break the format.
    case format
    /// Bytes that do not match their hash, or are not valid for their kind of file.
    case damaged
    /// Not enough room for a tree in a directory.
    case noSpace
    /// Not enough inodes for a tree in a directory.
    case noNodes
    /// The system's C library is older than a tree needs, or, if none was found, is not glibc.
    case glibc(found: Bool)
    /// The place to extract to exists and is not an empty directory.
    case occupied
    /// No directory can be the cache.
    case noDirectory
    /// The program of a onefile exists and cannot be executed.
    case notExecutable
    /// The program of a onefile does not exist.
    case noEntry
    /// Another program listens at the address.
    case addressTaken
    /// The program, of which there may be one, runs already.
    case isRunning
    /// The program does not run.
    case notRunning
    /// The program did not end in time.
    case notStopped
    /// The packer's command line cannot be parsed.
    case usage
    /// Anything else; `text` is the whole message.
    case refused
  }

  public let kind: Kind
  /// The system call that failed, in words that follow "cannot": "open", "create the directory".
  public let operation: StaticString
  /// The path that the system call was for, if known; may be empty.
  public let path: Path
  /// The reason for a failed system call; 0 for other kinds.
  public let errno: Errno
  /// The signal that arrived; nil for other kinds.
  public let signal: Int32?
  /// The object at fault, printed before the text and a colon: a line of a spec, a damaged file.
  public let subject: Text?
  /// The fault and the remedy, without a final full stop; empty for a system call.
  public let text: Text

  /// Creates the failure of a system call.
  @inline(never)
  public init(_ operation: StaticString, _ path: Path, _ errno: Errno) {
    kind = .system
    self.operation = operation
    self.path = path
    self.errno = errno
    signal = nil
    subject = nil
    text = Text(utf8: [])
  }

  /// Creates a failure of a kind other than `system`.
  @inline(never)
  public init(_ kind: Kind, _ text: Text, subject: Text? = nil, signal: Int32? = nil) {
    self.kind = kind
    operation = ""
    path = Path()
    errno = Errno(rawValue: 0)
    self.signal = signal
    self.subject = subject
    self.text = text
  }

  /// A termination signal arrived.
  public static func interrupted(signal: Int32) -> Failure {
    Failure(.interrupted, "interrupted by signal \(signal)", signal: signal)
  }

  /// One line without a final full stop: "cannot open '/x': No such file or directory".
  @inline(never)
  public var description: Text {
    if kind == .system {
      let place: Text = path.isEmpty ? "" : " \(path.quoted)"
      return "cannot \(operation)\(place): \(errno.description)"
    }
    guard let subject else { return text }
    return "\(subject): \(text)"
  }
}
