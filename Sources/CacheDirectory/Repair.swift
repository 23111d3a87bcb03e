internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// REPAIR: only the damaged entries of a tree are replaced, while programs run from it (docs/decisions/0011).
//
// Each damaged entry is unpacked to a staging directory and then renamed over the one in the tree. Nothing is
// changed in place. A process that has the old file open or mapped keeps it. A process that opens the path finds
// either the old entry or the complete new one. If a directory is missing or something else has its name, one
// rename brings it with everything below it.
//
// The seal is removed before the first rename and written again after the last change. A kill in between leaves a
// tree without a seal, which the next launch compares in full. A kill before or after leaves a tree with a
// correct seal. Directories get their times only after all their entries are right. If locks don't work, another
// instance may write a seal meanwhile; it then cannot hide an entry that is still missing.

extension CacheDirectory {
  /// Replaces the `damaged` entries of the tree. Removes the seal; the caller seals the tree again.
  ///
  /// Returns false if the repair is impossible and the whole tree must be replaced. Throws if the disk is full, a
  /// signal arrives, or the payload is damaged: unpacking a whole tree would fail as well.
  func repair(
    _ damaged: EntrySet, of present: PresentTree, _ payload: Payload,
    _ manifest: Manifest, _ observer: CacheObserver
  ) throws(Failure) -> Bool {
    guard !damaged.contains(0) else { return false }
    let repair = TreeRepair(manifest: manifest, damaged: damaged, root: present.root.handle)
    let size = UnpackedSize(manifest, only: repair.unpacked)
    observer.timeline.begin(.plan)
    do throws(Failure) {
      try requireRoom(for: size, in: handle)
      let claimed = try claimStaging(payload.treeName)
      let name = claimed.staging.name
      // Runs before the tree is sealed: a process that finds the tree without a seal looks for leftovers.
      defer { try? removeMarked(name) }
      let staging = claimed.staging.directory.handle
      let staged = try makeTreeDirectory(in: staging)
      observer.timeline.begin(.unpack)
      try unpackTree(
        of: payload, manifest, only: repair.unpacked, into: staged.handle, modes: cachedModes,
        workers: workerCount(for: manifest), progress: observer.repairing,
        timeline: observer.timeline)
      observer.timeline.begin(.publish)
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      try removeSeal(in: present.use.directory, payload)
      try repair.replaceEntries(staged: staged.handle, staging: staging)
      return true
    } catch {
      if error.isWantOfRoom { throw roomError(needed: size.bytesNeeded) }
      guard error.kind == .system else { throw error }
      return false
    }
  }

  private func removeSeal(in directory: borrowing FileDescriptor, _ payload: Payload)
    throws(Failure)
  {
    let old = Seal.read(in: directory.handle, treeID: payload.treeID, withTable: false)
    try removeTree(Seal.fileName, in: directory.handle)
    // A power cut must not bring back a durable seal, which the next boot would trust, above files whose content
    // was not written yet. If a file system cannot sync a directory alone, it keeps the order of changes.
    if old?.isDurable == true { try? directory.synchronize() }
  }
}

/// The entries to replace, and the way they get into the tree. No path leads through a possible symlink: every
/// directory is opened from its parent.
private struct TreeRepair {
  private let manifest: Manifest
  private let damaged: EntrySet
  private let root: DirectoryHandle
  /// The entries to unpack: the damaged ones except hard links, which are created in the tree.
  let unpacked: EntrySet

  init(manifest: Manifest, damaged: EntrySet, root: DirectoryHandle) {
    self.manifest = manifest
    self.damaged = damaged
    self.root = root
    var unpacked = EntrySet(count: manifest.entryCount)
    for index in 0..<manifest.entryCount
    where damaged.contains(index) && manifest.entry(index).type != .hardLink {
      unpacked.insert(index)
    }
    self.unpacked = unpacked
  }

  /// Moves the unpacked entries from `staged`, a directory in `staging`, into the tree.
  func replaceEntries(staged: DirectoryHandle, staging: DirectoryHandle) throws(Failure) {
    var index = 1
    while index < manifest.entryCount {
      if isMoved(index) { index = try moveSiblings(of: index, from: staged) } else { index += 1 }
    }
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      if entry.type == .hardLink,
        damaged.contains(index) || damaged.contains(entry.hardLinkTarget)
      {
        try makeHardLink(entry, staging)
      }
    }
    try settleDirectories(of: root, manifest)
  }

  /// Whether the entry is moved by itself instead of with a directory above it.
  private func isMoved(_ index: Int) -> Bool {
    guard unpacked.contains(index) else { return false }
    let parent = manifest.entry(index).parent
    return parent == 0 || !damaged.contains(parent)
  }

  /// Moves the entry `first` and the following entries of the same directory, which are mostly all of them, so
  /// that the directory is opened once. Returns the index of the next entry to examine.
  private func moveSiblings(of first: Int, from staged: DirectoryHandle) throws(Failure) -> Int {
    let parent = manifest.entry(first).parent
    let source = try openDirectory(parent, of: manifest, below: staged)
    let target = try openToChange(parent)
    for index in first..<manifest.entryCount where isMoved(index) {
      let entry = manifest.entry(index)
      guard entry.parent == parent else { return index }
      let name = Path([UInt8](manifest.name(of: entry)))
      try put(name, in: source.handle, as: name, in: target.handle)
    }
    return manifest.entryCount
  }

  /// Makes `entry` a name of its file, which must be in place.
  private func makeHardLink(_ entry: Manifest.Entry, _ staging: DirectoryHandle)
    throws(Failure)
  {
    let file = manifest.entry(entry.hardLinkTarget)
    let name = Path([UInt8](manifest.name(of: entry)))
    let fileName = Path([UInt8](manifest.name(of: file)))
    let temporary = Path("link")
    let source = try openDirectory(file.parent, of: manifest, below: root)
    let target = try openToChange(entry.parent)
    // More than one round is needed only if another instance replaces the file at the same time. Both check again
    // after each rename, so the last rename leaves two names of one file.
    for _ in 0..<8 {
      let status = try source.handle.status(of: fileName)
      if let existing = try target.handle.statusIfExists(of: name), existing.isSameFile(as: status)
      {
        return
      }
      try staging.createHardLink(temporary, to: fileName, in: source.handle)
      try put(temporary, in: staging, as: name, in: target.handle)
      // Renaming one name of a file over another does nothing, and an exchange may have put a directory here.
      // Remove either.
      try removeTree(temporary, in: staging)
    }
    throw Failure("create the hard link", name, .exists)
  }

  /// Opens a directory of the tree, and gives its owner the permissions that the manifest withholds. Settling the
  /// directories restores its mode.
  private func openToChange(_ index: Int) throws(Failure) -> FileDescriptor {
    let directory = try openDirectory(index, of: manifest, below: root)
    let mode = cachedModes.mode(of: manifest.entry(index))
    if mode & 0o700 != 0o700 { try directory.setMode(mode | 0o700) }
    return directory
  }
}

/// Puts the entry `name` of a staging directory in the place of `newName`, whatever is there. If that was a
/// directory, it is in the staging directory afterwards.
private func put(
  _ name: Path, in staging: DirectoryHandle, as newName: Path, in directory: DirectoryHandle
) throws(Failure) {
  // More than one round is needed only if another instance does the same at the same time.
  for _ in 0..<8 {
    do throws(Failure) {
      return try staging.rename(name, to: newName, in: directory)
    } catch {
      switch error.errno {
      case .isDirectory, .notDirectory, .exists, .notEmpty, .otherFileSystem: break
      default: throw error
      }
    }
    do throws(Failure) {
      // Moving a directory to another parent needs write permission on the directory itself.
      if try directory.status(of: newName).kind == .directory {
        _ = try openWithPermissions(newName, in: directory)
      }
      return try staging.exchange(name, with: newName, in: directory)
    } catch {
      switch error.errno {
      case .noSuchFile, .staleHandle: continue
      case .otherFileSystem:
        // An overlay file system cannot rename a directory of a lower layer.
        try removeTree(newName, in: directory)
      case _ where error.errno.isUnknownRename:
        // Without atomic exchange, neither entry exists for a moment.
        try directory.rename(newName, to: try hiddenName(for: newName.bytes), in: staging)
      default: throw error
      }
    }
  }
  throw Failure("rename", newName, .exists)
}

// MARK: Directories

/// Opens the directory entry `index`, starting at `root`, through its parents and no symlink.
func openDirectory(_ index: Int, of manifest: Manifest, below root: DirectoryHandle)
  throws(Failure) -> FileDescriptor
{
  if index == 0 { return try FileDescriptor.open(Path("."), in: root, .directory) }
  let entry = manifest.entry(index)
  let parent = try openDirectory(entry.parent, of: manifest, below: root)
  let name = Path([UInt8](manifest.name(of: entry)))
  return try FileDescriptor.open(name, in: parent.handle, .directory)
}

/// Gives directories with other modes those of the manifest, parents before children: entries below a directory
/// without permissions cannot be compared, but are not damaged. The comparison finds directories that cannot be
/// corrected this way. It also finds directories that others can write to against the manifest, because their
/// content is unknown.
func restoreDirectoryModes(of root: DirectoryHandle, _ manifest: Manifest) {
  for index in 0..<manifest.entryCount where manifest.entry(index).type == .directory {
    guard let status = try? root.status(of: Path(manifest.path(of: index))),
      status.mode & 0o022 == 0
    else { continue }
    try? setDirectoryMode(index, status, of: root, manifest)
  }
}

/// Gives the directories the modes and times of the manifest, children before parents. All entries must be right.
/// A directory with further names keeps its time, which tells programs that their cached list of it is out of
/// date.
func settleDirectories(of root: DirectoryHandle, _ manifest: Manifest) throws(Failure) {
  var names = [Int](repeating: 0, count: manifest.entryCount)
  for index in 1..<max(1, manifest.entryCount) { names[manifest.entry(index).parent] += 1 }
  var index = manifest.entryCount - 1
  while index >= 0 {
    let entry = manifest.entry(index)
    if entry.type == .directory {
      let status = try root.status(of: Path(manifest.path(of: index)))
      if !isStored(entry.modified, as: status.modified),
        let directory = try? openDirectory(index, of: manifest, below: root),
        let present = try? directory.handle.names(), present.count == names[index]
      {
        try? directory.setModificationTime(entry.modified)
      }
      try setDirectoryMode(index, status, of: root, manifest)
    }
    index -= 1
  }
}

private func setDirectoryMode(
  _ index: Int, _ status: FileStatus, of root: DirectoryHandle, _ manifest: Manifest
) throws(Failure) {
  let entry = manifest.entry(index)
  let mode = cachedModes.mode(of: entry)
  guard status.kind == .directory, status.mode & 0o777 != mode else { return }
  let parent = try openDirectory(entry.parent, of: manifest, below: root)
  let name = index == 0 ? Path(".") : Path([UInt8](manifest.name(of: entry)))
  try openWithPermissions(name, in: parent.handle).setMode(mode)
}
