internal import PayloadFormat
internal import PayloadReader
internal import Posix

// Files that a program wrote into its tree are not removed with the tree
// (docs/decisions/0034-files-of-programs.md).

extension CacheDirectory {
  /// Moves files that a program wrote out of a tree that is about to be removed, to a directory of their own.
  /// `directory` holds the tree; `name` is its name in the cache directory, which may be hidden.
  ///
  /// Packed entries are removed in place: those that are older than the seal, and files that a later tree shared,
  /// which the kept manifest tells. The rest is moved. First the tree gets another name. If this clean-up is interrupted, that name tells the next one to continue.
  @inline(never)
  func moveOthers(
    out directory: borrowing FileDescriptor, named name: Path, _ deadline: Int64,
    _ result: inout CleanUpResult
  ) throws(Failure) {
    let others = Path("others")
    let holder = directory.handle
    let time = timeOfCompletion(in: holder)
    if try holder.statusIfExists(of: others) == nil {
      guard let seal = Seal.read(in: holder, treeID: nil, withTable: true),
        let root = try? FileDescriptor.open(treeDirectory, in: holder, .directory),
        try root.status().user == ProcessContext.owner,
        seal.holdsOthers(in: root.handle, since: time)
      else { return }
      try holder.rename(treeDirectory, to: others)
    }
    try removePacked(in: others, of: holder, since: time, deadline)
    try removeTree(others, in: holder, deadline: deadline, keeping: time)
    guard let status = try holder.statusIfExists(of: others) else { return }
    // The name is "<id>" or ".<id>.<random>".
    let id = name.bytes.drop { $0 == UInt8(ascii: ".") }.prefix(CacheName.treeNameLength)
    let target = Path([UInt8](try hiddenName(for: ArraySlice([UInt8](id))).bytes.dropFirst()))
    try handle.rename(name.appending(others.bytes), to: target)
    result.kept.append(CacheItem(.kept, name: target, directory: path, status: status))
  }

  /// Removes the packed files in `others` that changed after `time` but still are as packed: a link to a file, or
  /// the removal of one, changes the file too.
  @inline(never)
  private func removePacked(
    in others: Path, of holder: DirectoryHandle, since time: FileTime, _ deadline: Int64
  ) throws(Failure) {
    guard let seal = Seal.read(in: holder, treeID: nil, withTable: false),
      let manifest = KeptManifest.read(in: holder, treeID: seal.treeID),
      let root = try? FileDescriptor.open(others, in: holder, .directory)
    else { return }
    let device = try root.status().device
    let buffer = try Buffer(count: 256 << 10)
    var parent = 0
    var directory: FileDescriptor? = try? openDirectory(0, of: manifest, below: root.handle)
    for index in 1..<max(1, manifest.entryCount) {
      if MonotonicClock.now > deadline { throw Failure("remove", root.path, .timedOut) }
      let entry = manifest.entry(index)
      guard entry.type == .file || entry.type == .hardLink else { continue }
      if entry.parent != parent {
        parent = entry.parent
        directory = try? openDirectory(parent, of: manifest, below: root.handle)
      }
      guard let handle = directory?.handle else { continue }
      let packed = entry.type == .file ? entry : manifest.entry(entry.hardLinkTarget)
      let name = Path([UInt8](manifest.name(of: entry)))
      guard let status = try? handle.status(of: name), status.device == device,
        status.changed.isLater(than: time), packed.isLike(status, modes: cachedModes),
        let file = try? FileDescriptor.open(name, in: handle, .readNoFollow),
        (try? packed.isContent(of: file, buffer.bytes)) == true
      else { continue }
      try? handle.removeFile(name)
    }
  }

  /// The time at which the tree in `directory` was complete: all packed entries were last changed before it. The
  /// seal's modification time records it. Without a seal, the lease's time is used, which is older than all
  /// unpacked entries.
  @inline(never)
  func timeOfCompletion(in directory: DirectoryHandle) -> FileTime {
    let seal = try? directory.statusIfExists(of: Seal.fileName)
    let status = seal ?? (try? directory.statusIfExists(of: Lease.fileName))
    return status?.modified ?? FileTime(seconds: 0, nanoseconds: 0)
  }
}
