import PayloadReader
import Posix

/// The running onefile itself.
struct OwnExecutable {
  /// The open file, or the negated error number.
  private let result: Int32

  /// Opens the file that the kernel runs, which need not be the one that now has its name. Must come before anything
  /// else is opened.
  init() { result = ProcessContext.openFirst(OwnExecutable.kernelName) }

  private static var kernelName: Path { Path("/proc/self/exe") }

  /// Its trailer and launch record. The path is absolute: what `{exe}` stands for. To be called once.
  func read() throws(Failure) -> Payload {
    let path =
      (try? DirectoryHandle.current.symlinkTarget(of: OwnExecutable.kernelName))
      ?? ProcessContext.absolutePath(ProcessContext.executableName)
    return try Payload.read(try openFile(path), named: path)
  }

  /// Messages about reading the file name `path`, and not the kernel's link to it.
  private func openFile(_ path: Path) throws(Failure) -> FileDescriptor {
    if result >= 0 { return FileDescriptor(owning: result, path: path) }
    let errno = Errno(rawValue: -result)
    guard errno == .noSuchFile else { throw Failure("open", path, errno) }
    // No /proc in a bare chroot: the name it was started by is the next best.
    return try FileDescriptor.open(path, .read)
  }
}
