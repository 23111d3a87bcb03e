import PayloadReader
import Posix

/// The running onefile itself.
struct OwnExecutable {
  /// The open file, or the negated error number.
  private let result: Int32

  /// Opens the file that the kernel runs, even if its name now leads to another file. Call this before anything
  /// else is opened.
  init() { result = ProcessContext.openFirst(OwnExecutable.kernelName) }

  private static var kernelName: Path { Path("/proc/self/exe") }

  /// Reads its trailer and launch record. The payload's path is absolute; it replaces `{exe}`. Call this once.
  func read() throws(Failure) -> Payload {
    let path =
      (try? DirectoryHandle.current.symlinkTarget(of: OwnExecutable.kernelName))
      ?? ProcessContext.absolutePath(ProcessContext.executableName)
    return try Payload.read(try openFile(path), named: path)
  }

  /// Opens the file so that messages about reading it name `path` instead of the kernel's link.
  private func openFile(_ path: Path) throws(Failure) -> FileDescriptor {
    if result >= 0 { return FileDescriptor(owning: result, path: path) }
    let errno = Errno(rawValue: -result)
    guard errno == .noSuchFile else { throw Failure("open", path, errno) }
    // A bare chroot has no /proc: fall back to the name that started this process.
    return try FileDescriptor.open(path, .read)
  }
}
