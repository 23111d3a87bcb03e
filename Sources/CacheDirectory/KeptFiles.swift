internal import PayloadFormat
internal import Posix

// What a program wrote into its tree is not removed with it (docs/decisions/0034-files-of-programs.md).

/// The paths of a manifest's entries, as hashes (FNV-1a, 64 bits).
struct PackedNames {
  /// An open hash table; 0 is a free place.
  private var table: [UInt64]

  /// The hash of the tree's root.
  static var root: UInt64 { 0xCBF2_9CE4_8422_2325 }

  /// The hash of what has a name in the directory that has the hash `parent`.
  static func hash(_ name: [UInt8], in parent: UInt64) -> UInt64 {
    let prime: UInt64 = 0x100_0000_01B3
    var hash = (parent ^ UInt64(UInt8(ascii: "/"))) &* prime
    for byte in name { hash = (hash ^ UInt64(byte)) &* prime }
    return hash == 0 ? 1 : hash
  }

  /// Of all entries but the root, 8 bytes each.
  static func encoded(_ manifest: Manifest) -> [UInt8] {
    var hashes = [UInt64](repeating: root, count: manifest.entryCount)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 * manifest.entryCount)
    for index in 1..<max(1, manifest.entryCount) {
      let entry = manifest.entry(index)
      let hash = hash([UInt8](manifest.name(of: entry)), in: hashes[entry.parent])
      hashes[index] = hash
      Seal.append(hash, 8, to: &bytes)
    }
    return bytes
  }

  /// Takes what `encoded` gives.
  init(_ bytes: [UInt8]) {
    let count = bytes.count / 8
    var capacity = 16
    while capacity < 2 * count { capacity *= 2 }
    table = [UInt64](repeating: 0, count: capacity)
    let raw = bytes.span.bytes
    for index in 0..<count {
      let hash = raw.unsafeLoadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
      if hash != 0 { table[place(of: hash)] = hash }
    }
  }

  func contains(_ hash: UInt64) -> Bool { table[place(of: hash)] == hash }

  /// Where a hash is, or would be.
  private func place(of hash: UInt64) -> Int {
    var index = Int(truncatingIfNeeded: hash) & (table.count - 1)
    while table[index] != 0 && table[index] != hash { index = (index + 1) & (table.count - 1) }
    return index
  }
}

extension CacheDirectory {
  /// Moves what is in a tree and was not packed to a directory of its own, `<id>.<random>`, and returns the path of that; nil if there is
  /// nothing, or if the seal does not tell what was packed. `name`: the tree's directory, which may be hidden already.
  @inline(never)
  func keepFiles(of name: Path) throws(SystemError) -> Path? {
    guard let directory = try? FileDescriptor.open(name, in: handle, .directory),
      let packed = Seal.packedNames(in: directory.handle)
    else { return nil }
    let source = name.appending(treeDirectory.bytes)
    guard let status = try handle.statusIfExists(of: source), status.kind == .directory else {
      return nil
    }
    var keeper = FileKeeper(
      cache: handle, packed: packed, source: source, device: status.device)
    try keeper.move(Path(), PackedNames.root)
    return keeper.target.map { path.appending($0.bytes) }
  }
}

private struct FileKeeper {
  let cache: DirectoryHandle
  let packed: PackedNames
  /// The tree, from the cache directory.
  let source: Path
  let device: UInt64
  /// Where files are moved to, from the cache directory; nil as long as there are none.
  var target: Path? = nil

  /// Moves what was not packed in a directory, which has a path from the tree's root and its hash.
  mutating func move(_ directory: Path, _ hash: UInt64) throws(SystemError) {
    let opened = try openWithPermissions(inSource(directory), in: cache)
    // What is on another file system is not removed either.
    guard try opened.status().device == device else { return }
    for name in try opened.handle.names() {
      let path = directory.appending(name)
      let own = PackedNames.hash(name, in: hash)
      let isDirectory = try cache.status(of: inSource(path)).kind == .directory
      if packed.contains(own) {
        if isDirectory { try move(path, own) }
      } else if !isDirectory || holdsFiles(path) {
        do throws(SystemError) { try keep(path) } catch {
          // An overlay file system does not rename a directory of a lower layer.
          guard isDirectory && error.errno == .otherFileSystem else {
            throw error
          }
          try move(path, own)
        }
      }
    }
  }

  private func inSource(_ path: Path) -> Path {
    path.isEmpty ? source : source.appending(path.bytes)
  }

  /// Whether anything but directories is below it, as far as that can be seen.
  private func holdsFiles(_ directory: Path) -> Bool {
    guard let names = try? cache.names(in: inSource(directory)) else { return true }
    for name in names {
      let path = directory.appending(name)
      let kind = (try? cache.status(of: inSource(path)))?.kind
      if kind != .directory || holdsFiles(path) { return true }
    }
    return false
  }

  private mutating func keep(_ path: Path) throws(SystemError) {
    let target = try makeTarget()
    let bytes = [UInt8](path.bytes)
    for index in bytes.indices where bytes[index] == UInt8(ascii: "/") {
      try? cache.createDirectory(target.appending(bytes[..<index]), mode: 0o700)
    }
    try cache.rename(inSource(path), to: target.appending(bytes))
  }

  private mutating func makeTarget() throws(SystemError) -> Path {
    if let target { return target }
    // Of "<id>/tree" or ".<id>.<random>/tree".
    let dot = UInt8(ascii: ".")
    let id = source.bytes.drop { $0 == dot }.prefix(CacheName.treeNameLength)
    let made = Path([UInt8](try hiddenName(for: ArraySlice([UInt8](id))).bytes.dropFirst()))
    try cache.createDirectory(made, mode: 0o700)
    target = made
    return made
  }
}
