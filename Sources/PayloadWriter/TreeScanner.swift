import PayloadFormat
public import Posix

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
    /// The content of an added file; nil for entries of the tree itself.
    var content: [UInt8]? = nil
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

/// A file that is packed as part of a tree without being there, in a directory at the tree's top.
///
/// It takes the place of a file of that path in the tree.
public struct AddedFile: Sendable {
  public var directory: String
  public var name: String
  public var content: [UInt8]
  /// Of the file. The directory has `directoryTime` if the tree does not have it.
  public var modified: FileTime
  public var directoryTime: FileTime

  public init(
    directory: String, name: String, content: [UInt8], modified: FileTime, directoryTime: FileTime
  ) {
    self.directory = directory
    self.name = name
    self.content = content
    self.modified = modified
    self.directoryTime = directoryTime
  }
}

/// Lists the tree below `root`, which may be reached through a symlink. Does not read file content.
func scanTree(_ root: Path, adding added: AddedFile? = nil) throws(Failure) -> ScannedTree {
  let status = try treeStatus(root)
  let descriptor = try FileDescriptor.open(root, .directoryFollow)
  var scanner = TreeScanner(tree: ScannedTree(root: root, entries: []), added: added)
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

  private let added: AddedFile?
  /// Whether the tree itself has the directory of the added file.
  private var hasDirectory = true

  init(tree: ScannedTree, added: AddedFile?) {
    self.tree = tree
    self.added = added
  }

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
        for name in try names(in: directory, root) {
          try add(name, to: index, directory.appending(name), root)
        }
      }
      index += 1
    }
  }

  /// The names in a directory with those that are added, sorted.
  private mutating func names(in directory: Path, _ root: DirectoryHandle) throws(Failure)
    -> [[UInt8]]
  {
    var names: [[UInt8]] = []
    let isAdded = added.map { directory.bytes.elementsEqual($0.directory.utf8) } ?? false
    if !isAdded || hasDirectory {
      names = try root.names(in: directory.isEmpty ? Path(".") : directory)
    }
    if let added, isAdded || directory.isEmpty {
      let name = [UInt8]((isAdded ? added.name : added.directory).utf8)
      if !names.contains(name) {
        names.append(name)
        if !isAdded { hasDirectory = false }
      }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Adds the added file or its directory, if `path` is one that the tree does not have itself.
  private mutating func addAdded(_ name: [UInt8], to parent: Int, _ path: Path) -> Bool {
    guard let added else { return false }
    var entry = ScannedTree.Entry(
      parent: parent, name: name, kind: .directory, mode: 0o755, modified: added.directoryTime,
      size: 0, device: 0, inode: 0)
    if path.bytes.elementsEqual("\(added.directory)/\(added.name)".utf8) {
      entry.kind = .file
      entry.mode = 0o644
      entry.modified = added.modified
      entry.size = UInt64(added.content.count)
      entry.content = added.content
    } else if hasDirectory || !path.bytes.elementsEqual(added.directory.utf8) {
      return false
    }
    tree.entries.append(entry)
    return true
  }

  private mutating func add(_ name: [UInt8], to parent: Int, _ path: Path, _ root: DirectoryHandle)
    throws(Failure)
  {
    if addAdded(name, to: parent, path) { return }
    let full = tree.root.appending(path.bytes)
    guard path.count <= Limits.pathLength else { throw .pathTooLong(full) }
    let status = try root.status(of: path)
    var entry = ScannedTree.Entry(
      parent: parent, name: name, kind: .directory, mode: UInt16(status.mode & 0o777),
      modified: status.modified, size: 0, device: status.device, inode: status.inode)
    switch status.kind {
    case .directory: break
    case _ where added.map { path.bytes.elementsEqual($0.directory.utf8) } ?? false:
      throw .isReserved(full)
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
