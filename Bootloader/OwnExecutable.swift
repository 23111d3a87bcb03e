import PayloadReader
import Posix

/// The running onefile itself.
struct OwnExecutable {
  /// Opens the file that the kernel runs, which need not be the one that now has its name.
  func open() throws(LaunchError) -> Payload {
    do throws(PayloadError) { return try Payload.read(try openFile(), named: path) } catch {
      throw LaunchError(error)
    }
  }

  private func openFile() throws(PayloadError) -> FileDescriptor {
    do throws(SystemError) { return try FileDescriptor.open(Path("/proc/self/exe"), .read) } catch {
      guard error.errno == .noSuchFile else {
        throw .system(SystemError("open", path, error.errno))
      }
    }
    // No /proc in a bare chroot: the name it was started by is the next best.
    do throws(SystemError) { return try FileDescriptor.open(path, .read) } catch {
      throw .system(error)
    }
  }

  /// Absolute: what `{exe}` stands for.
  var path: Path {
    if let path = try? DirectoryHandle.current.symlinkTarget(of: Path("/proc/self/exe")) {
      return path
    }
    let name = ProcessContext.executableName
    guard !name.isAbsolute, let current = try? ProcessContext.workingDirectory() else {
      return name
    }
    return current.appending(name.bytes)
  }
}
