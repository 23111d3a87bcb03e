public import Posix

/// A hidden directory `.<name>.<16 hexadecimal digits>` for unfinished work. It is removed with its content when
/// its owner ends.
///
/// The directory holds a mark: a file that the owner keeps locked (flock(2)). A killed process loses the lock, so
/// that another process can remove its leftovers: `reclaim`. Only one thread at a time may use a stage.
public final class Stage: @unchecked Sendable {
  public let path: Path
  /// The locked mark; nil if the file system has no locks.
  private let mark: FileDescriptor?
  private var isKept = false

  private static let markName = Path("onefold-stage")
  private static let newMarkName = Path("onefold-stage.new")
  private static let markContent = Array("onefold stage 1\n".utf8)

  /// Creates a stage beside the file `output` and named after it. The umask reduces `mode`.
  ///
  /// - Throws: the failure of a system call; nothing is left then.
  public convenience init(beside output: Path, mode: UInt32 = 0o700) throws(Failure) {
    try self.init(in: output.parent, named: output.lastComponent, mode: mode)
  }

  /// - Throws: the failure of a system call; nothing is left then.
  public init(in directory: Path, named name: ArraySlice<UInt8>, mode: UInt32 = 0o700)
    throws(Failure)
  {
    let path = directory.appending(try hiddenName(for: name).bytes)
    try DirectoryHandle.current.createDirectory(path, mode: mode)
    self.path = path
    do throws(Failure) { mark = try Stage.makeMark(in: path) } catch {
      try? removeTree(path, in: .current)
      throw error
    }
  }

  deinit { try? remove() }

  /// Removes the stage now, and throws if that fails.
  public func remove() throws(Failure) {
    if !isKept { try Stage.remove(path, in: .current) }
  }

  /// Keeps the directory from now on, even after this process ends.
  public func keep() {
    isKept = true
    try? DirectoryHandle.current.removeFile(path.appending(Stage.markName.bytes))
  }

  /// Removes this user's stages in `directory` whose owners were killed. Keeps directories without a mark and
  /// those whose owner still runs. Ignores errors, because they only leave the directory as it was.
  public static func reclaim(in directory: Path) {
    guard let opened = try? FileDescriptor.open(directory, .directoryFollow),
      let names = try? opened.handle.names()
    else { return }
    for bytes in names where isName(bytes[...]) {
      let name = Path(bytes)
      guard let lock = lockOfAbandoned(name, in: opened.handle) else { continue }
      try? remove(name, in: opened.handle)
      // Holds the lock until here, so that no other process removes it too.
      _ = consume lock
    }
  }

  /// Whether a path is that of a stage of any user.
  public static func isStage(_ path: Path) -> Bool {
    guard isName(path.lastComponent) else { return false }
    for name in [markName, newMarkName] {
      let status = try? DirectoryHandle.current.statusIfExists(of: path.appending(name.bytes))
      if status?.kind == .file { return true }
    }
    return false
  }

  // MARK: Mark

  /// No other process sees the mark before it is locked.
  private static func makeMark(in path: Path) throws(Failure) -> FileDescriptor? {
    let name = path.appending(markName.bytes)
    let hidden = path.appending(newMarkName.bytes)
    let file = try FileDescriptor.open(hidden, .createNew, mode: 0o600)
    try file.write(markContent)
    // Without a lock, no process may treat it as left over, but it is still a stage.
    guard (try? file.lock(exclusive: true, wait: false)) == true else { return nil }
    try DirectoryHandle.current.rename(hidden, to: name)
    return file
  }

  /// Whether `bytes` has the form of a name from `hiddenName`.
  private static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.count > 18, bytes.first == UInt8(ascii: ".") else { return false }
    let end = bytes.suffix(17)
    guard end.first == UInt8(ascii: ".") else { return false }
    for byte in end.dropFirst() {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): continue
      default: return false
      }
    }
    return true
  }

  /// Locks a stage that no process holds. Nil if `name` is not a stage of this user, or its owner still runs.
  private static func lockOfAbandoned(_ name: Path, in directory: DirectoryHandle)
    -> FileDescriptor?
  {
    guard let stage = try? FileDescriptor.open(name, in: directory, .directory),
      isOwn(try? stage.status()),
      let mark = try? FileDescriptor.open(markName, in: stage.handle, .updateNoFollow),
      let status = try? mark.status(), status.kind == .file, isOwn(status),
      let content = try? mark.bytes(at: 0, count: markContent.count + 1), content == markContent,
      (try? mark.lock(exclusive: true, wait: false)) == true
    else { return nil }
    return mark
  }

  private static func isOwn(_ status: FileStatus?) -> Bool {
    guard let status else { return false }
    return status.user == ProcessContext.effectiveUser && status.mode & 0o022 == 0
  }

  /// Removes the mark last, so that another process can finish an interrupted removal.
  private static func remove(_ name: Path, in directory: DirectoryHandle) throws(Failure) {
    guard try directory.statusIfExists(of: name) != nil else { return }
    let opened = try openWithPermissions(name, in: directory)
    let device = try opened.status().device
    let handle = opened.handle
    for bytes in try handle.names() where bytes[...] != markName.bytes {
      let child = Path(bytes)
      guard try handle.status(of: child).device == device else {
        throw Failure("remove", opened.path.appending(bytes), .notSupported)
      }
      try removeTree(child, in: handle)
    }
    try removeTree(name, in: directory)
  }
}
