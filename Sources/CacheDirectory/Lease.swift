internal import PayloadReader
internal import Posix

/// The file `lease` beside a tree (docs/launch.md, "The lease"): Onefold's mark on a directory, and what is locked by
/// programs that run from the tree, by who unpacks it, and by who removes it.
///
/// The lock is of the open file description (`FileDescriptor.lockRecord`). Programs share it. Only who may write to the file
/// can have it alone, and who only wants to know asks without taking it.
final class Lease: Sendable {
  let file: FileDescriptor

  init(_ file: consuming FileDescriptor) { self.file = file }

  static var fileName: Path { Path("lease") }
  /// What the file holds.
  static var mark: [UInt8] {
    [UInt8](Path("Onefold unpacked this directory, and removes it when it is not used.\n").bytes)
  }

  enum Answer {
    case taken, refused
    /// Such locks don't work here.
    case unsupported
  }

  /// Opens the lease in `directory`; nil where there is none that is ours. `options` are `lease`, `readNoFollow` or
  /// `updateNoFollow`.
  @inline(never)
  static func open(in directory: DirectoryHandle, _ options: OpenOptions) -> Lease? {
    guard let file = try? FileDescriptor.open(fileName, in: directory, options) else { return nil }
    return Lease(file)
  }

  /// Makes the lease in `directory`, which has none.
  static func create(
    in directory: DirectoryHandle, named name: Path = Lease.fileName
  ) throws(Failure) -> Lease {
    let file = try FileDescriptor.open(name, in: directory, .createNewToUpdate, mode: 0o644)
    // Who may enter the cache directory may use what is in it.
    try file.setMode(0o644)
    try file.write(mark)
    return Lease(file)
  }

  @inline(never)
  func lock(exclusive: Bool) -> Answer {
    guard let isTaken = try? file.lockRecord(exclusive: exclusive) else { return .unsupported }
    return isTaken ? .taken : .refused
  }

  /// Whether a program uses the tree, or somebody works at it; nil where that can't be told.
  func isHeld() -> Bool? { try? file.isRecordLocked() }

  /// Whether the file holds the mark, and is the owner's alone to change.
  @inline(never)
  func isMark() throws(Failure) -> Bool {
    let status = try file.status()
    // What else stands there can't always be read.
    guard status.kind == .file && status.isOnlyOurs else { return false }
    return try file.bytes(at: 0, count: Lease.mark.count + 1) == Lease.mark
  }
}
