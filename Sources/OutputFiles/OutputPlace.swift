public import Posix

/// The place to write a file: the given path, or the target of its symlink.
///
/// A symlink is followed, as compilers do: its target is replaced or created, and the symlink stays. Only a
/// regular file is ever replaced. A device, a FIFO, a socket or a directory is refused. So is a symlink of the
/// process file system, which stands for an open file and not for a name. For example, `/dev/stdout` leads to
/// one.
public struct OutputPlace: Sendable {
  /// The path that the user gave, for messages.
  public let given: Path
  /// The path of the file itself, which may not exist yet.
  public let path: Path

  /// Examines the path without changing anything. If `followsLinks` is false, a symlink is refused.
  public init(_ given: Path, followsLinks: Bool = true) throws(Failure) {
    self.given = given
    var path = given
    // The kernel follows the same number (path_resolution(7)).
    for _ in 0..<40 {
      guard let next = try OutputPlace.next(path, given, followsLinks) else {
        self.path = path
        return
      }
      path = next
    }
    throw Failure("follow the symlink", given, .symlinkLoop)
  }

  /// Throws if the path now has something that must not be replaced. Call this just before the file is renamed.
  public func checkAgain(replaces: Bool = true) throws(Failure) {
    guard let status = try DirectoryHandle.current.statusIfExists(of: path) else { return }
    guard replaces, status.kind == .file else { throw Failure("replace", path, .exists) }
  }

  /// The target of the symlink at `path`; nil if a file can be created or replaced there.
  private static func next(_ path: Path, _ given: Path, _ followsLinks: Bool) throws(Failure)
    -> Path?
  {
    guard let last = path.bytes.last, last != UInt8(ascii: "/") else { throw .noFileName(given) }
    guard let status = try status(of: path) else {
      guard try self.status(of: path.parent, follow: true)?.kind == .directory else {
        throw .noOutputDirectory(given)
      }
      return nil
    }
    switch status.kind {
    case .file: return nil
    case .symlink where followsLinks:
      guard !isOfProcessFileSystem(status) else { throw .openFile(given) }
      let target = try DirectoryHandle.current.symlinkTarget(of: path)
      return target.isAbsolute ? target : path.parent.appending(target.bytes)
    default: throw .notRegularOutput(given, status.kind)
    }
  }

  private static func status(of path: Path, follow: Bool = false) throws(Failure) -> FileStatus? {
    try DirectoryHandle.current.statusIfExists(of: path, follow: follow)
  }

  private static func isOfProcessFileSystem(_ status: FileStatus) -> Bool {
    // Without a process file system, "/proc" may be an ordinary directory.
    guard let own = try? DirectoryHandle.current.status(of: Path("/proc/self")) else {
      return false
    }
    return own.kind == .symlink && own.device == status.device
  }
}

// Reasons why an output cannot be written.
extension Failure {
  /// The path exists and is not a regular file.
  public static func notRegularOutput(_ path: Path, _ kind: FileStatus.Kind) -> Failure {
    Failure(
      .refused, "the output \(path.quoted) is \(kind.name): give the path of a regular file")
  }

  /// The path ends with a slash, or is empty.
  public static func noFileName(_ path: Path) -> Failure {
    Failure(.refused, "the output \(path.quoted) does not end with a file's name: give one")
  }

  /// The directory for the file does not exist.
  public static func noOutputDirectory(_ path: Path) -> Failure {
    Failure(
      .refused, "the directory of the output \(path.quoted) does not exist: make it first")
  }

  /// The path leads to an open file of a process.
  public static func openFile(_ path: Path) -> Failure {
    Failure(
      .refused,
      "the output \(path.quoted) stands for an open file: give the path of a regular file")
  }
}

extension FileStatus.Kind {
  /// The kind with its article, in words that follow "is".
  public var name: Text {
    switch self {
    case .socket: "a socket"
    case .fifo: "a FIFO"
    case .device: "a device"
    case .file: "a file"
    case .directory: "a directory"
    case .symlink: "a symlink"
    case .other: "of an unknown type"
    }
  }
}
