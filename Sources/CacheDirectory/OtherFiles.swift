internal import PayloadReader
internal import Posix

// What a program wrote into its tree is not removed with it (docs/decisions/0034-files-of-programs.md).

extension CacheDirectory {
  /// Moves what a program wrote into a tree that is about to be removed to a directory of its own. `directory` holds the tree,
  /// and has this name in the cache directory, which may be hidden.
  ///
  /// What was packed is older than the seal, and removed where it is; the rest is moved. First the tree gets another
  /// name, which tells the next clean-up to go on if this one ends before.
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
    // Of "<id>" or ".<id>.<random>".
    let id = name.bytes.drop { $0 == UInt8(ascii: ".") }.prefix(CacheName.treeNameLength)
    let target = Path([UInt8](try hiddenName(for: ArraySlice([UInt8](id))).bytes.dropFirst()))
    try handle.rename(name.appending(others.bytes), to: target)
    result.kept.append(CacheItem(.kept, name: target, directory: path, status: status))
  }

  /// Since when the tree in `directory` is complete: what was packed was last changed before. The seal keeps it as its time. Without
  /// one it is the lease's, which is older than all that was unpacked.
  @inline(never)
  func timeOfCompletion(in directory: DirectoryHandle) -> FileTime {
    let seal = try? directory.statusIfExists(of: Seal.fileName)
    let status = seal ?? (try? directory.statusIfExists(of: Lease.fileName))
    return status?.modified ?? FileTime(seconds: 0, nanoseconds: 0)
  }
}
