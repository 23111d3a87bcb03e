/// Why something could not be done. All modules throw it but two: `PayloadFormat`, which imports nothing, and `AppSpec`,
/// whose errors have a file and a line.
///
/// A class, because the code that throws and catches a pointer is smaller (docs/decisions/0038-one-error.md). A module
/// makes its failures in one file, by functions that are named after their kind; the text of each is in its function.
public final class Failure: Error, Sendable {
  /// What callers tell apart.
  public enum Kind: Equatable, Sendable {
    /// A system call failed: see `operation`, `path` and `errno`.
    case system
    /// A termination signal came: see `signal`. What was begun is removed.
    case interrupted
    /// A file has no trailer within its last 64 KiB.
    case noPayload
    /// Bytes that break the format.
    case format
    /// Bytes that are not what their hash says, or not what their kind of file consists of.
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
    /// The packer's command line can't be understood.
    case usage
    /// Anything else; `text` says all.
    case refused
  }

  public let kind: Kind
  /// The system call that failed, to be read after "cannot": "open", "create the directory".
  public let operation: StaticString
  /// What the system call was for, as far as it is known; may be empty.
  public let path: Path
  /// Why the system call failed; 0 for other kinds.
  public let errno: Errno
  /// The signal that came; nil for other kinds.
  public let signal: Int32?
  /// What is to blame, to be read before the text and a colon: a line of a spec, a file that is damaged.
  public let subject: Text?
  /// What is wrong and what to do, without a final full stop; empty for a system call.
  public let text: Text

  /// A system call that failed.
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

  /// A failure of another kind than `system`.
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

  /// A termination signal came.
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
