/// Where a file is to be written: the path that was given, or what it leads to.
///
/// A symlink is followed, as compilers do: the file that it leads to is replaced or made, and the symlink stays. Only a
/// regular file is ever replaced. A device, a FIFO, a socket or a directory is refused, and so is a symlink of the
/// process file system (`/dev/stdout` leads to one), because it stands for an open file and not for a name.
public struct OutputPlace: Sendable {
  /// For messages.
  public let given: Path
  /// The file itself, which may not exist yet.
  public let path: Path

  /// Why nothing can be written there.
  public enum Refusal: Error, Sendable {
    case system(SystemError)
    /// What is there is no regular file.
    case occupied(Path, FileStatus.Kind)
    /// The path ends with a slash, or is empty.
    case noFileName(Path)
    /// There is no directory to make it in.
    case noDirectory(Path)
    /// It leads to an open file of a process.
    case openFile(Path)

    /// One line without a final full stop.
    public var description: Text {
      switch self {
      case .system(let error): return error.description
      case .occupied(let path, let kind):
        return "the output \(path.quoted) is \(kind.name): give the path of a regular file"
      case .noFileName(let path):
        return "the output \(path.quoted) does not end with a file's name: give one"
      case .noDirectory(let path):
        return "the directory of the output \(path.quoted) does not exist: make it first"
      case .openFile(let path):
        return "the output \(path.quoted) stands for an open file: give the path of a regular file"
      }
    }
  }

  /// Looks at what is there, and changes nothing. `followsLinks`: otherwise a symlink is refused.
  public init(_ given: Path, followsLinks: Bool = true) throws(Refusal) {
    self.given = given
    var path = given
    // The kernel follows as many (path_resolution(7)).
    for _ in 0..<40 {
      guard let next = try OutputPlace.next(path, given, followsLinks) else {
        self.path = path
        return
      }
      path = next
    }
    throw .system(SystemError("follow the symlink", given, .symlinkLoop))
  }

  /// Fails where something stands there by now that must not be replaced: for just before the file is renamed.
  public func checkAgain(replaces: Bool = true) throws(SystemError) {
    guard let status = try DirectoryHandle.current.statusIfExists(of: path) else { return }
    guard replaces, status.kind == .file else { throw SystemError("replace", path, .exists) }
  }

  /// What the symlink at `path` leads to; nil where a file can be made or replaced there.
  private static func next(_ path: Path, _ given: Path, _ followsLinks: Bool) throws(Refusal)
    -> Path?
  {
    guard let last = path.bytes.last, last != UInt8(ascii: "/") else { throw .noFileName(given) }
    guard let status = try status(of: path) else {
      guard try self.status(of: path.parent, follow: true)?.kind == .directory else {
        throw .noDirectory(given)
      }
      return nil
    }
    switch status.kind {
    case .file: return nil
    case .symlink where followsLinks:
      guard !isOfProcessFileSystem(status) else { throw .openFile(given) }
      do throws(SystemError) {
        let target = try DirectoryHandle.current.symlinkTarget(of: path)
        return target.isAbsolute ? target : path.parent.appending(target.bytes)
      } catch { throw .system(error) }
    default: throw .occupied(given, status.kind)
    }
  }

  private static func status(of path: Path, follow: Bool = false) throws(Refusal) -> FileStatus? {
    do throws(SystemError) {
      return try DirectoryHandle.current.statusIfExists(of: path, follow: follow)
    } catch { throw .system(error) }
  }

  private static func isOfProcessFileSystem(_ status: FileStatus) -> Bool {
    // Where there is none, "/proc" may be an ordinary directory.
    guard let own = try? DirectoryHandle.current.status(of: Path("/proc/self")) else {
      return false
    }
    return own.kind == .symlink && own.device == status.device
  }
}

extension FileStatus.Kind {
  /// With its article, to be read after "is".
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
