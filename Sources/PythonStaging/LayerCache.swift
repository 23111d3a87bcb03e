import BuildTools
import ContentHash
import PayloadFormat
import Posix

/// A cache of staged trees, by all their inputs: an interpreter, alone or with hashed requirements, relocated, pruned
/// and compiled.
///
/// A layer and the trees that start from it share their files by hard links, because creating thousands of files can
/// take longer than everything else. Staging therefore never writes into an existing file, but replaces it. A layer
/// whose content has changed is not used.
struct LayerCache {
  /// Nil keeps nothing.
  var directory: Path?
  var workers: Int

  /// The maximum number of kept layers, by last use: those of four applications and of the interpreter that they share.
  static let most = 5

  /// The key of a layer. `parts` are all inputs that decide its content.
  static func key(_ parts: [String]) -> String {
    var hasher = SHA256Hasher()
    for part in parts {
      let bytes = [UInt8](part.utf8)
      hasher.update(Array("\(bytes.count):".utf8).span)
      hasher.update(bytes.span)
    }
    return hexText(hasher.finish().bytes).string
  }

  /// Creates `root`, which must not exist, from the layer. Returns the note kept with it, or nil if there is no layer.
  func start(_ root: Path, from key: String) throws(Failure) -> String? {
    guard let directory, isSafe(directory) else { return nil }
    removeLeftovers()
    let layer = directory.appending(key)
    guard exists(layer.appending("complete")) else { return nil }
    let note: String
    do throws(Failure) {
      let lease = try lock(layer, exclusive: false)
      defer { withExtendedLifetime(lease.rawValue) {} }
      note = String(decoding: try readFile(layer.appending("complete")), as: UTF8.self)
      let tree = layer.appending("tree")
      guard Facts([UInt8](note.utf8))["digest"] == (try digest(tree)) else {
        try removeIfPresent(layer)
        return nil
      }
      try copyTree(tree, to: root, follow: false, linking: true)
    } catch {
      if error.kind == .interrupted { throw error }
      // A layer that is being removed or cannot be read counts as missing.
      try removeIfPresent(root)
      return nil
    }
    if let stamp = try? FileDescriptor.open(layer.appending("complete"), .read) {
      try? stamp.setModificationTimeToNow()
    }
    return note
  }

  private func digest(_ tree: Path) throws(Failure) -> String {
    hexText(try treeDigest(tree, workers: workers).bytes).string
  }

  /// Whether no other user can have written there.
  private func isSafe(_ directory: Path) -> Bool {
    guard let status = try? DirectoryHandle.current.status(of: directory) else { return false }
    return status.kind == .directory && status.isOnlyOurs
  }

  /// Keeps the tree `root` as a layer, with a note. A layer that cannot be kept is no error.
  func keep(_ root: Path, as key: String, note: String) throws(Failure) {
    guard let directory else { return }
    do throws(Failure) {
      try createDirectories(directory)
      guard isSafe(directory) else { return }
      let hidden = try hiddenName(for: Array(key.utf8)[...])
      let staging = directory.appending(hidden.bytes)
      do throws(Failure) {
        try createDirectories(staging)
        let lease = try lock(staging, exclusive: true)
        defer { withExtendedLifetime(lease.rawValue) {} }
        let tree = staging.appending("tree")
        try copyTree(root, to: tree, follow: false, linking: true)
        try writeFile(staging.appending("complete"), "\(note)digest \(try digest(tree))\n")
        try DirectoryHandle.current.renameWithoutReplacing(
          staging, to: directory.appending(key))
      } catch {
        try? removeIfPresent(staging)
        throw error
      }
      prune()
    } catch {
      if error.kind == .interrupted { throw error }
    }
  }

  /// Removes the leftovers of killed packers. A packer that fills a layer holds a lock on it.
  private func removeLeftovers() {
    for path in entries(where: { $0.first == UInt8(ascii: ".") && $0.count == 82 }) {
      guard let lease = try? lock(path, exclusive: true) else { continue }
      try? removeIfPresent(path)
      _ = consume lease
    }
  }

  /// Removes the least recently used layers, but none that is being copied.
  private func prune() {
    var layers: [(used: Int64, path: Path)] = []
    for path in entries(where: { $0.count == 64 && $0.allSatisfy(isHexDigit) }) {
      if let status = try? DirectoryHandle.current.status(of: path.appending("complete")) {
        layers.append((status.modified.seconds, path))
      }
    }
    for layer in layers.sorted(by: { $0.used > $1.used }).dropFirst(Self.most) {
      guard let lease = try? lock(layer.path, exclusive: true) else { continue }
      try? removeIfPresent(layer.path.appending("complete"))
      try? removeIfPresent(layer.path)
      _ = consume lease
    }
  }

  /// The paths of entries whose names match. Other entries do not belong to the cache.
  private func entries(where isOwn: ([UInt8]) -> Bool) -> [Path] {
    guard let directory, let names = try? DirectoryHandle.current.names(in: directory) else {
      return []
    }
    return names.filter(isOwn).map { directory.appending($0) }
  }

  private func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  /// Locks a directory. Fails if another process has locked it.
  private func lock(_ path: Path, exclusive: Bool) throws(Failure) -> FileDescriptor {
    let descriptor = try FileDescriptor.open(path, .directory)
    let taken = try descriptor.lock(exclusive: exclusive, wait: false)
    guard taken else { throw .failed("\(path.quoted) is in use") }
    return descriptor
  }
}
