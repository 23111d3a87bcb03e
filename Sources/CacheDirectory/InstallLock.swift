internal import Posix

/// The lock that only one of many simultaneous first launches holds, and whoever removes a tree.
struct InstallLock: ~Copyable {
  private var file: FileDescriptor
  private let directory: DirectoryHandle
  private let name: Path
  /// Whether nobody else is known to hold it.
  private var isOurs = false

  /// What marks the file, from the moment when it is made: only such a one is ever removed by who did not hold it. No other
  /// program gives an empty file the sticky bit.
  private static var mode: UInt32 { 0o1600 }

  /// The name of the lock file of a tree.
  static func name(_ treeName: Path) -> Path {
    var name = treeName
    name.append(contentsOf: Path(".lock").bytes)
    return name
  }

  /// Opens the lock file of a tree, which is made where it is missing.
  @inline(never)
  init(in directory: DirectoryHandle, _ treeName: Path) throws(Failure) {
    name = InstallLock.name(treeName)
    self.directory = directory
    file = try InstallLock.open(name, in: directory)
  }

  private static func open(_ name: Path, in directory: DirectoryHandle) throws(Failure)
    -> FileDescriptor
  {
    try FileDescriptor.open(name, in: directory, .createLock, mode: mode)
  }

  /// Returns false where somebody else holds it. Where locks don't work there is nothing to wait for.
  @inline(never)
  mutating func take() -> Bool {
    // More than two rounds only where others make and remove it as fast as it is opened.
    for _ in 0..<8 {
      isOurs = (try? file.lock(exclusive: true, wait: false)) ?? true
      guard isOurs else { return false }
      if file.isNamed(name, in: directory) {
        // What holds something is somebody else's, and no lock.
        let status = try? file.status()
        isOurs = status.map { $0.size == 0 } ?? true
        return true
      }
      // Who held it before has removed the file, and others make another one.
      isOurs = false
      guard let next = try? InstallLock.open(name, in: directory) else { return true }
      file = next
    }
    return true
  }

  /// Whether a file is the lock file of a launch.
  @inline(never)
  static func isMarked(_ file: borrowing FileDescriptor) -> Bool {
    guard let status = try? file.status() else { return false }
    return status.kind == .file && status.user == ProcessContext.owner && status.size == 0
      && status.mode == mode
  }

  /// Removes the lock file while it is locked; who waits for it looks at the tree anyway. Where locks don't
  /// work it protects nothing.
  func release() {
    if isOurs { try? directory.removeFile(name) }
  }
}
