internal import PayloadReader
internal import Posix

/// The file `lease` beside a tree (docs/launch.md, "The lease"). It marks a directory as Onefold's. Programs that
/// run from the tree lock it, as do the processes that unpack or remove it.
///
/// The lock belongs to the open file description (`FileDescriptor.lockRecord`). Programs share it. An exclusive
/// lock needs write access to the file. To find out whether it is held, a process asks without taking it.
final class Lease: Sendable {
  let file: FileDescriptor

  init(_ file: consuming FileDescriptor) { self.file = file }

  static var fileName: Path { Path("lease") }
  /// The content of the file.
  static var mark: [UInt8] {
    [UInt8](Path("Onefold unpacked this directory, and removes it when it is not used.\n").bytes)
  }

  enum Answer {
    case taken, refused
    /// The file system lacks such locks.
    case unsupported
  }

  /// Opens the lease in `directory`; nil if it cannot be opened. `options` are `lease`, `readNoFollow` or
  /// `updateNoFollow`.
  @inline(never)
  static func open(in directory: DirectoryHandle, _ options: OpenOptions) -> Lease? {
    guard let file = try? FileDescriptor.open(fileName, in: directory, options) else { return nil }
    return Lease(file)
  }

  /// Creates the lease in `directory`, which must not have one.
  static func create(
    in directory: DirectoryHandle, named name: Path = Lease.fileName
  ) throws(Failure) -> Lease {
    let file = try FileDescriptor.open(name, in: directory, .createNewToUpdate, mode: 0o644)
    // All users who may enter the cache directory may use its trees.
    try file.setMode(0o644)
    try file.write(mark)
    return Lease(file)
  }

  @inline(never)
  func lock(exclusive: Bool) -> Answer {
    guard let isTaken = try? file.lockRecord(exclusive: exclusive) else { return .unsupported }
    return isTaken ? .taken : .refused
  }

  /// Whether a program uses the tree, or a launch works on it; nil if that cannot be determined.
  func isHeld() -> Bool? { try? file.isRecordLocked() }

  /// Whether the file holds the mark, and only its owner can change it.
  @inline(never)
  func isMark() throws(Failure) -> Bool {
    let status = try file.status()
    // An entry of another kind cannot always be read.
    guard status.kind == .file && status.isOnlyOurs else { return false }
    return try file.bytes(at: 0, count: Lease.mark.count + 1) == Lease.mark
  }
}

extension CacheDirectory {
  /// Restores a lease that a cleaner or a person removed or replaced. Keeps one that exists but cannot be opened
  /// now.
  @inline(never)
  func ensureLease(in directory: DirectoryHandle) {
    do throws(Failure) {
      let file = try FileDescriptor.open(Lease.fileName, in: directory, .readNoFollow)
      if try Lease(file).isMark() { return }
    } catch {
      guard error.errno == .noSuchFile || error.errno == .symlinkLoop else { return }
    }
    guard let name = try? hiddenName(for: Lease.fileName.bytes) else { return }
    do throws(Failure) {
      _ = try Lease.create(in: directory, named: name)
      if try directory.statusIfExists(of: Lease.fileName)?.kind == .directory {
        try removeTree(Lease.fileName, in: directory)
      }
      try directory.rename(name, to: Lease.fileName)
    } catch { try? directory.removeFile(name) }
  }
}
