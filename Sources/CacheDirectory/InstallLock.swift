internal import Posix

/// The lock that only one of many simultaneous first launches holds, and whoever removes a tree.
struct InstallLock: ~Copyable {
  private var file: FileDescriptor
  private let directory: DirectoryHandle
  private let name: Path
  /// Whether nobody else is known to hold it.
  private var isOurs = false

  /// The name of the lock file of a tree.
  static func name(_ treeName: Path) -> Path {
    var name = treeName
    name.append(contentsOf: Path(".lock").bytes)
    return name
  }

  /// Opens the lock file of a tree, which is made where it is missing.
  init(in directory: DirectoryHandle, _ treeName: Path) throws(SystemError) {
    name = InstallLock.name(treeName)
    self.directory = directory
    file = try InstallLock.open(name, in: directory)
  }

  private static func open(_ name: Path, in directory: DirectoryHandle) throws(SystemError)
    -> FileDescriptor
  {
    try FileDescriptor.open(name, in: directory, .createLock, mode: 0o600)
  }

  /// Returns false where somebody else holds it. Where locks don't work there is nothing to wait for.
  mutating func take() -> Bool {
    // More than two rounds only where others make and remove it as fast as it is opened.
    for _ in 0..<8 {
      isOurs = (try? file.lock(exclusive: true, wait: false)) ?? true
      if !isOurs || file.isNamed(name, in: directory) { return isOurs }
      // Who held it before has removed the file, and others make another one.
      isOurs = false
      guard let next = try? InstallLock.open(name, in: directory) else { return true }
      file = next
    }
    return true
  }

  /// Removes the lock file while it is locked; who waits for it looks at the tree anyway. Where locks don't
  /// work it protects nothing.
  func release() {
    if isOurs { try? directory.removeFile(name) }
  }
}
