import CacheDirectory
import Posix

/// The files of cached trees that have names in several trees (docs/launch.md, "Files of older trees").
///
/// Looks at every file, and at nothing twice. What can't be looked at counts as not shared.
struct SharedFiles {
  private struct Key: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  private struct File {
    var size: UInt64
    /// All its names, and those in each tree.
    var links: UInt64
    var names: UInt64
  }

  /// By the path of the tree's directory in the cache.
  private var trees: [[UInt8]: [Key: File]] = [:]

  init(of items: [CacheItem]) {
    for item in items where item.kind == .tree {
      var files: [Key: File] = [:]
      SharedFiles.visit(Path("tree"), in: item.path, &files)
      trees[[UInt8](item.path.bytes)] = files
    }
  }

  /// Bytes of the tree's files that have a name outside it too.
  func sharedBytes(of item: CacheItem) -> UInt64 {
    files(of: item).values.reduce(0) { $0 + ($1.links > $1.names ? $1.size : 0) }
  }

  /// Bytes that are free when these trees are removed: those of files that have no name elsewhere.
  func bytesFreed(byRemoving items: [CacheItem]) -> UInt64 {
    var files: [Key: File] = [:]
    for item in items {
      files.merge(self.files(of: item)) { a, b in
        File(size: a.size, links: a.links, names: a.names + b.names)
      }
    }
    return files.values.reduce(0) { $0 + ($1.links > $1.names ? 0 : $1.size) }
  }

  private func files(of item: CacheItem) -> [Key: File] { trees[[UInt8](item.path.bytes)] ?? [:] }

  private static func visit(_ name: Path, in directory: Path, _ files: inout [Key: File]) {
    guard let parent = try? FileDescriptor.open(directory, .directory) else { return }
    visit(name, in: parent.handle, &files)
  }

  private static func visit(_ name: Path, in parent: DirectoryHandle, _ files: inout [Key: File]) {
    guard let directory = try? FileDescriptor.open(name, in: parent, .directory),
      let names = try? directory.handle.names()
    else { return }
    for bytes in names {
      let child = Path(bytes)
      guard let status = try? directory.handle.status(of: child) else { continue }
      switch status.kind {
      case .directory: visit(child, in: directory.handle, &files)
      case .file:
        let key = Key(device: status.device, inode: status.inode)
        let file = File(size: UInt64(max(0, status.size)), links: status.links, names: 0)
        files[key, default: file].names += 1
      default: continue
      }
    }
  }
}
