import Posix

/// A file that appears under its name only when it is complete.
///
/// It has no name while it is written where the file system allows that (open(2), O_TMPFILE), so that not
/// even SIGKILL leaves a part of it behind; elsewhere a hidden name beside its own. (Replacing a file takes a
/// hidden name for a moment, because no system call links over a name; the file is complete then.) One thread at a time
/// uses it.
final class OutputFile: @unchecked Sendable {
  private let path: Path
  private let file: FileDescriptor
  /// The hidden name, where there is one.
  private var temporary: Path?
  private(set) var length: UInt64 = 0

  /// `mode` is less the umask.
  init(_ path: Path, mode: UInt32 = 0o777) throws(PackError) {
    if try system({ () throws(SystemError) in
      try DirectoryHandle.current.statusIfExists(of: path, follow: true)
    })?.kind == .directory {
      throw .outputDirectory(path)
    }
    let hidden = try OutputFile.hiddenPath(path)
    let opened: FileDescriptor
    var name: Path? = nil
    do throws(SystemError) {
      opened = try FileDescriptor.openUnnamed(in: path.parent, mode: mode)
    } catch {
      switch error.errno {
      case .notSupported, .isDirectory, .invalidArgument:
        opened = try system { () throws(SystemError) in
          try FileDescriptor.open(hidden, .createNew, mode: mode)
        }
        name = hidden
      default: throw .system(SystemError("create", path, error.errno))
      }
    }
    self.path = path
    file = opened
    temporary = name
  }

  deinit {
    if let temporary { try? DirectoryHandle.current.removeFile(temporary) }
  }

  private static func hiddenPath(_ path: Path) throws(PackError) -> Path {
    var name = try system { () throws(SystemError) in try hiddenName(for: path.lastComponent) }
    name.append(contentsOf: Path(".partial").bytes)
    return path.parent.appending(name.bytes)
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(PackError) {
    do throws(SystemError) { try file.write(bytes) } catch {
      throw .system(SystemError("write", path, error.errno))
    }
    length += UInt64(bytes.count)
  }

  func write(_ bytes: [UInt8]) throws(PackError) {
    try bytes.span.withUnsafeBytes { (buffer) throws(PackError) -> Void in try write(buffer) }
  }

  /// Puts the file under its name, over one that is there.
  func publish() throws(PackError) {
    if temporary == nil {
      do throws(SystemError) {
        try file.link(as: path)
        return
      } catch {
        guard error.errno == .exists else { throw .system(error) }
      }
      let hidden = try OutputFile.hiddenPath(path)
      try system { () throws(SystemError) in try file.link(as: hidden) }
      temporary = hidden
    }
    guard let name = temporary else { return }
    try system { () throws(SystemError) in try DirectoryHandle.current.rename(name, to: path) }
    temporary = nil
  }
}
