internal import PayloadReader
internal import Posix

// Files that a program wrote into its tree are not removed with the tree
// (docs/decisions/0034-files-of-programs.md).

extension CacheDirectory {
  /// Moves files that a program wrote out of a tree that is about to be removed, to a directory of their own.
  /// `directory` holds the tree; `name` is its name in the cache directory, which may be hidden.
  ///
  /// Packed entries are older than the seal and are removed in place; the rest is moved. First the tree gets
  /// another name. If this clean-up is interrupted, that name tells the next one to continue.
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
    try removeTree(others, in: holder, deadline: deadline, keeping: time)
    guard let status = try holder.statusIfExists(of: others) else { return }
    // The name is "<id>" or ".<id>.<random>".
    let id = name.bytes.drop { $0 == UInt8(ascii: ".") }.prefix(CacheName.treeNameLength)
    let target = Path([UInt8](try hiddenName(for: ArraySlice([UInt8](id))).bytes.dropFirst()))
    try handle.rename(name.appending(others.bytes), to: target)
    result.kept.append(CacheItem(.kept, name: target, directory: path, status: status))
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
