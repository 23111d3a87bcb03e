internal import PayloadFormat
internal import PayloadReader
internal import Posix

// Before UNPACK: the trees whose equal files the new tree shares (docs/decisions/0041-reuse-between-trees.md).

/// A sealed tree of the same application, which this user unpacked and used.
final class OlderTree: Sendable {
  let root: FileDescriptor
  fileprivate let lastUse: FileTime

  init(root: consuming FileDescriptor, lastUse: FileTime) {
    self.root = root
    self.lastUse = lastUse
  }

  fileprivate func isLater(than other: OlderTree?) -> Bool {
    other.map { lastUse.isLater(than: $0.lastUse) } ?? true
  }
}

extension CacheDirectory {
  /// The two trees of the application in this directory that were used last, the latest first. Only trees with a kept
  /// manifest: clean-up could not tell their files from those of a program after they were shared.
  @inline(never)
  func olderTrees(of payload: Payload) -> [OlderTree] {
    var latest: OlderTree? = nil
    var second: OlderTree? = nil
    for bytes in (try? handle.names()) ?? [] where CacheName(bytes) == .tree {
      let name = Path(bytes)
      guard !name.elementsEqual(payload.treeName), let tree = olderTree(name, of: payload) else {
        continue
      }
      if tree.isLater(than: latest) {
        second = latest
        latest = tree
      } else if tree.isLater(than: second) {
        second = tree
      }
    }
    var found: [OlderTree] = []
    if let latest { found.append(latest) }
    if let second { found.append(second) }
    return found
  }

  private func olderTree(_ name: Path, of payload: Payload) -> OlderTree? {
    guard let owned = openOwned(name), owned.status.user == ProcessContext.owner else { return nil }
    let directory = owned.directory.handle
    guard KeptManifest.exists(in: directory),
      let seal = Seal.read(in: directory, treeID: nil, withTable: true), !seal.isOlder,
      seal.owner.name == payload.record.name,
      let root = try? FileDescriptor.open(treeDirectory, in: directory, .directory)
    else { return nil }
    return OlderTree(root: root, lastUse: owned.status.modified)
  }

  /// What `unpackTree` gets of them; nil for none.
  func sources(_ trees: [OlderTree]) -> OlderTrees? {
    guard !trees.isEmpty else { return nil }
    var roots: [DirectoryHandle] = []
    for tree in trees { roots.append(tree.root.handle) }
    return OlderTrees(roots: roots, cache: handle)
  }
}
