import PayloadReader
import Posix

/// The running onefile itself.
struct OwnExecutable {
  /// Absolute: what `{exe}` stands for.
  let path: Path

  init() {
    path =
      (try? DirectoryHandle.current.symlinkTarget(of: OwnExecutable.kernelName))
      ?? ProcessContext.absolutePath(ProcessContext.executableName)
  }

  private static var kernelName: Path { Path("/proc/self/exe") }

  /// Opens the file that the kernel runs, which need not be the one that now has its name.
  func open() throws(LaunchError) -> Payload {
    do throws(PayloadError) { return try Payload.read(try openFile(), named: path) } catch {
      throw LaunchError(error)
    }
  }

  private func openFile() throws(PayloadError) -> FileDescriptor {
    do throws(SystemError) {
      // Messages about reading it name the file, and not the kernel's link to it.
      let file = try FileDescriptor.open(OwnExecutable.kernelName, .read)
      return FileDescriptor(owning: file.release(), path: path)
    } catch {
      guard error.errno == .noSuchFile else {
        throw .system(SystemError("open", path, error.errno))
      }
    }
    // No /proc in a bare chroot: the name it was started by is the next best.
    do throws(SystemError) { return try FileDescriptor.open(path, .read) } catch {
      throw .system(error)
    }
  }
}
