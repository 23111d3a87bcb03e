import OutputFiles
import Posix

/// A directory for the caches of all measured programs. It is removed with its contents when its owner ends.
final class Workspace {
  private let stage: Stage
  var path: Path { stage.path }

  /// Also removes leftovers of killed benchmarks from the same directory.
  init(in directory: Path) throws(Failure) {
    let parent = ProcessContext.absolutePath(directory)
    Stage.reclaim(in: parent)
    stage = try Stage(in: parent, named: Path("onefold-bench").bytes)
  }

  /// Removes the directory, and reports a failure.
  func remove() throws(Failure) {
    try stage.remove()
  }

  /// Creates an empty directory in it.
  func makeDirectory(_ name: String) throws(Failure) -> Path {
    let made = path.appending(name)
    try removeTree(made, in: .current)
    try DirectoryHandle.current.createDirectory(made, mode: 0o700)
    return made
  }
}

/// The files that a launch left in a directory: the number of regular files without repeated hard links, and their
/// bytes.
struct Written: Equatable {
  var files = 0
  var bytes: Int64 = 0

  init(below path: Path) throws(Failure) {
    var seen: Set<[UInt64]> = []
    try count(path, &seen)
  }

  private mutating func count(_ path: Path, _ seen: inout Set<[UInt64]>) throws(Failure) {
    let names = try DirectoryHandle.current.names(in: path)
    for name in names {
      let entry = path.appending(name)
      let status = try DirectoryHandle.current.status(of: entry)
      switch status.kind {
      case .directory: try count(entry, &seen)
      case .file where status.links == 1 || seen.insert([status.device, status.inode]).inserted:
        files += 1
        bytes += status.size
      default: break
      }
    }
  }
}
