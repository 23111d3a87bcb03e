public import Posix

/// A directory for one test. It is removed with its contents when its owner ends.
public final class TemporaryDirectory: Sendable {
  public let path: Path

  // Unpacking sets the process's mask and restores it. Concurrent tests must not see each other's mask.
  private static let mask: UInt32 = ProcessContext.setFileModeMask(0)

  public init() throws {
    _ = TemporaryDirectory.mask
    let parent = ProcessContext.environment("TMPDIR") ?? Path("/tmp")
    path = parent.appending("onefold-test-\(hexText(try randomBytes(8)).string)".utf8)
    try DirectoryHandle.current.createDirectory(path, mode: 0o700)
  }

  deinit { try? removeTree(path, in: .current) }

  /// The path of `name` in this directory.
  public func callAsFunction(_ name: String) -> Path { path.appending(name.utf8) }

  /// Creates a file, with the directories above it. The umask does not affect the mode.
  @discardableResult
  public func write(_ name: String, _ bytes: [UInt8] = [], mode: UInt32 = 0o644) throws -> Path {
    try makeParents(of: name)
    let file = try FileDescriptor.open(self(name), .createNew, mode: mode)
    try file.write(bytes)
    try file.setMode(mode)
    return self(name)
  }

  /// Creates a directory, with those above it.
  @discardableResult
  public func makeDirectory(_ name: String, mode: UInt32 = 0o755) throws -> Path {
    try makeParents(of: name)
    try DirectoryHandle.current.createDirectory(self(name), mode: mode)
    try DirectoryHandle.current.setMode(of: self(name), mode)
    return self(name)
  }

  public func remove(_ name: String) throws { try removeTree(self(name), in: .current) }

  public func symlink(_ name: String, to target: String) throws {
    try makeParents(of: name)
    try DirectoryHandle.current.createSymlink(self(name), to: Path(target))
  }

  /// Sets the time of `path`. Does not follow a symlink.
  public func setTime(_ name: String, seconds: Int64, nanoseconds: UInt32 = 0) throws {
    try DirectoryHandle.current.setModificationTime(
      of: self(name), FileTime(seconds: seconds, nanoseconds: nanoseconds))
  }

  public func status(_ name: String) throws -> FileStatus {
    try DirectoryHandle.current.status(of: self(name))
  }

  public func exists(_ name: String) throws -> Bool {
    try DirectoryHandle.current.statusIfExists(of: self(name)) != nil
  }

  /// The sorted names in `directory`, or in this directory if `directory` is empty.
  public func list(_ directory: String = "") throws -> [String] {
    try names(in: directory.isEmpty ? path : self(directory))
  }

  private func makeParents(of name: String) throws {
    var parent = ""
    for component in name.split(separator: "/").dropLast() {
      parent += parent.isEmpty ? "\(component)" : "/\(component)"
      if try !exists(parent) {
        try DirectoryHandle.current.createDirectory(self(parent), mode: 0o755)
      }
    }
  }
}
