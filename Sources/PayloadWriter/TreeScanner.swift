import PayloadFormat
import Posix

/// A directory tree to pack, with entries in the order of the format.
struct ScannedTree: Sendable {
  struct Entry: Sendable {
    var parent: Int
    var name: [UInt8]
    var kind: Kind
    /// 0 to 0o777; 0 for links.
    var mode: UInt16
    var modified: FileTime
    /// The size of a file in bytes.
    var size: UInt64
    var device: UInt64
    var inode: UInt64
  }

  enum Kind: Sendable, Equatable {
    case directory
    case file
    case symlink([UInt8])
    /// The index of the file's entry.
    case hardLink(Int)
  }

  var root: Path
  var entries: [Entry]

  /// The path of an entry from the root; empty for the root.
  func relativePath(_ index: Int) -> Path {
    var names: [[UInt8]] = []
    var next = index
    while next != 0 {
      names.append(entries[next].name)
      next = entries[next].parent
    }
    var path = Path()
    for name in names.reversed() { path = path.appending(name) }
    return path
  }

  func path(_ index: Int) -> Path {
    index == 0 ? root : root.appending(relativePath(index).bytes)
  }
}

/// The status of the tree's own directory, which may be reached through a symlink.
func treeStatus(_ root: Path) throws(Failure) -> FileStatus {
  do throws(Failure) {
    let status = try DirectoryHandle.current.status(of: root, follow: true)
    if status.kind == .directory { return status }
  } catch {
    guard error.errno == .noSuchFile || error.errno == .notDirectory else { throw error }
  }
  throw .notDirectory(root)
}

/// Lists the tree below `root`, which may be reached through a symlink. Does not read file content.
func scanTree(_ root: Path) throws(Failure) -> ScannedTree {
  let status = try treeStatus(root)
  let descriptor = try FileDescriptor.open(root, .directoryFollow)
  var scanner = TreeScanner(tree: ScannedTree(root: root, entries: []))
  try scanner.scan(descriptor.handle, status)
  return scanner.tree
}

private struct TreeScanner {
  var tree: ScannedTree
  /// The first entry of each file with several names.
  private var firstNames: [FileIdentity: Int] = [:]

  private struct FileIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  init(tree: ScannedTree) { self.tree = tree }

  /// Scans breadth first, because entries are sorted by their parent's index.
  mutating func scan(_ root: DirectoryHandle, _ status: FileStatus) throws(Failure) {
    tree.entries.append(
      ScannedTree.Entry(
        parent: 0, name: [], kind: .directory, mode: UInt16(status.mode & 0o777),
        modified: status.modified, size: 0, device: status.device, inode: status.inode))
    var index = 0
    while index < tree.entries.count {
      if tree.entries[index].kind == .directory {
        let directory = tree.relativePath(index)
        let names = try root.names(in: directory.isEmpty ? Path(".") : directory)
        for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
          try add(name, to: index, directory.appending(name), root)
        }
      }
      index += 1
    }
  }

  private mutating func add(_ name: [UInt8], to parent: Int, _ path: Path, _ root: DirectoryHandle)
    throws(Failure)
  {
    let full = tree.root.appending(path.bytes)
    guard path.count <= Limits.pathLength else { throw .pathTooLong(full) }
    let status = try root.status(of: path)
    var entry = ScannedTree.Entry(
      parent: parent, name: name, kind: .directory, mode: UInt16(status.mode & 0o777),
      modified: status.modified, size: 0, device: status.device, inode: status.inode)
    switch status.kind {
    case .directory: break
    case .file:
      guard status.mode & 0o7000 == 0 else { throw .specialBits(full) }
      entry.kind = .file
      entry.size = UInt64(status.size)
      if status.links > 1 {
        let identity = FileIdentity(device: status.device, inode: status.inode)
        if let first = firstNames[identity] {
          entry.kind = .hardLink(first)
        } else {
          firstNames[identity] = tree.entries.count
        }
      }
    case .symlink:
      let target = try root.symlinkTarget(of: path)
      let bytes = [UInt8](target.bytes)
      guard PathRules.staysInside(bytes.span, depth: depth(of: parent)) else {
        throw .symlinkLeaves(full, target: target)
      }
      entry.kind = .symlink(bytes)
      entry.mode = 0
    case .fifo, .socket, .device, .other: throw .unsupported(full, status.kind)
    }
    tree.entries.append(entry)
  }

  private func depth(of index: Int) -> Int {
    var depth = 0
    var next = index
    while next != 0 {
      depth += 1
      next = tree.entries[next].parent
    }
    return depth
  }
}
