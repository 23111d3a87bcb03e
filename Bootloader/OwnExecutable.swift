import PayloadReader
import Posix

/// The running onefile itself.
struct OwnExecutable {
  /// Opens the file that the kernel runs, which need not be the one that now has its name.
  func open() throws(LaunchError) -> Payload {
    let kernelPath = Path("/proc/self/exe")
    do throws(PayloadError) {
      do throws(PayloadError) {
        return try Payload.open(kernelPath)
      } catch {
        // No /proc in a bare chroot: the name it was started by is the next best.
        guard case .system(let inner) = error, inner.errno == .noSuchFile else { throw error }
        return try Payload.open(path)
      }
    } catch { throw LaunchError(named(error)) }
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

  /// Messages should show the name that the user knows.
  private func named(_ error: PayloadError) -> PayloadError {
    switch error {
    case .noPayload: return .noPayload(path)
    case .format(let inner, _): return .format(inner, path)
    case .damaged(let part, _): return .damaged(part, path)
    default: return error
    }
  }
}
