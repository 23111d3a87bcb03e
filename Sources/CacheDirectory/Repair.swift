internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// Repair of exactly the damaged entries of a tree, while programs run from it (docs/decisions/0011).
//
// Every damaged entry is unpacked anew to a staging directory and then renamed over the one in the tree, so
// that nothing is ever changed in place: who has the old file open or mapped keeps it, and who opens the path
// finds either the old entry or the whole new one. A directory that is missing, or in whose place something
// else stands, comes with all that is below it by one rename.
//
// The seal is removed before the first rename and written anew after the last change. A kill between leaves a
// tree without a seal, which the next launch compares in full; one before or after it leaves a tree whose
// seal tells the truth. Directories get their times after all their entries are right, so that not even a
// seal that another instance wrote meanwhile, where locks don't work, hides an entry that is yet to come.

extension CacheDirectory {
  /// Replaces the entries in `damaged` of the tree in `root`, which is below `directory`. The seal is gone
  /// then, and the caller seals the tree anew.
  ///
  /// Returns false where that can't be done, and the whole tree must be replaced. Fails for want of room,
  /// where a signal comes, or where the payload is damaged: a whole tree would fail as well.
  func repair(
    _ damaged: EntrySet, of root: DirectoryHandle, in directory: borrowing FileDescriptor,
    _ payload: Payload, _ manifest: Manifest, _ observer: CacheObserver
  ) throws(Failure) -> Bool {
    guard !damaged.contains(0) else { return false }
    let repair = TreeRepair(manifest: manifest, damaged: damaged, root: root)
    let size = UnpackedSize(manifest, only: repair.unpacked)
    observer.timeline.begin(.plan)
    do throws(Failure) {
      try requireRoom(for: size, in: self.directory)
      let claimed = try claimStaging(payload.treeName)
      let name = claimed.staging.name
      // Before the tree is sealed, so that whoever finds it without a seal looks for what was left.
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
      try removeSeal(in: directory, payload)
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
    // A power cut must not bring back a seal that is believed in the next boot, above files whose content
    // was not yet written. A file system that can't write a directory's names alone keeps their order.
    if old?.isDurable == true { try? directory.synchronize() }
  }
}

/// Which entries are made anew, and how they come into the tree. No path is followed that a symlink may stand
/// in: every directory is opened below its parent.
private struct TreeRepair {
  private let manifest: Manifest
  private let damaged: EntrySet
  private let root: DirectoryHandle
  /// What is unpacked: the damaged entries but hard links, which are made in the tree.
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

  /// Moves what was unpacked to `staged`, a directory of `staging`, into the tree.
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

  /// Whether the entry is moved by itself, and not with a directory above it.
  private func isMoved(_ index: Int) -> Bool {
    guard unpacked.contains(index) else { return false }
    let parent = manifest.entry(index).parent
    return parent == 0 || !damaged.contains(parent)
  }

  /// Moves the entry `first` and those of the same directory that follow it, which mostly are all: the
  /// directory is opened once for them. Returns the index of the next that may have to be moved.
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
    // More than one round only where another instance replaces the file at the same time. Looking again
    // after each rename makes the last of them leave two names of one file.
    for _ in 0..<8 {
      let status = try source.handle.status(of: fileName)
      if let existing = try target.handle.statusIfExists(of: name), existing.isSameFile(as: status)
      {
        return
      }
      try staging.createHardLink(temporary, to: fileName, in: source.handle)
      try put(temporary, in: staging, as: name, in: target.handle)
      // Renaming one name of a file over another does nothing, and a directory may have been exchanged.
      try removeTree(temporary, in: staging)
    }
    throw Failure("create the hard link", name, .exists)
  }

  /// Opens a directory of the tree, and gives its owner the permissions that the manifest does not. It has
  /// its own mode again when all directories are settled.
  private func openToChange(_ index: Int) throws(Failure) -> FileDescriptor {
    let directory = try openDirectory(index, of: manifest, below: root)
    let mode = cachedModes.mode(of: manifest.entry(index))
    if mode & 0o700 != 0o700 { try directory.setMode(mode | 0o700) }
    return directory
  }
}

/// Puts the entry `name` of a staging directory in the place of `newName`, whatever is there. A directory that
/// was there is in the staging directory then.
private func put(
  _ name: Path, in staging: DirectoryHandle, as newName: Path, in directory: DirectoryHandle
) throws(Failure) {
  // More than one round only where another instance does the same at the same time.
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
      // A directory can't be renamed to another parent without the right to write to it.
      if try directory.status(of: newName).kind == .directory {
        _ = try openWithPermissions(newName, in: directory)
      }
      return try staging.exchange(name, with: newName, in: directory)
    } catch {
      switch error.errno {
      case .noSuchFile, .staleHandle: continue
      case .otherFileSystem:
        // A directory of a lower layer, which an overlay file system does not rename.
        try removeTree(newName, in: directory)
      case _ where error.errno.isUnknownRename:
        // No atomic exchange on this file system: there is a moment with neither.
        try directory.rename(newName, to: try hiddenName(for: newName.bytes), in: staging)
      default: throw error
      }
    }
  }
  throw Failure("rename", newName, .exists)
}

// MARK: Directories

/// Opens the directory entry `index`, which is reached from `root` through its parents and no symlink.
private func openDirectory(_ index: Int, of manifest: Manifest, below root: DirectoryHandle)
  throws(Failure) -> FileDescriptor
{
  if index == 0 { return try FileDescriptor.open(Path("."), in: root, .directory) }
  let entry = manifest.entry(index)
  let parent = try openDirectory(entry.parent, of: manifest, below: root)
  let name = Path([UInt8](manifest.name(of: entry)))
  return try FileDescriptor.open(name, in: parent.handle, .directory)
}

/// Gives the directories of a tree that have another mode the manifest's, parents before their children:
/// what is below one without permissions can't be compared, and is not damaged for that. What can't be set
/// right this way the comparison finds; so it does with one that others can write to and should not, of which
/// nobody knows what they put there.
func restoreDirectoryModes(of root: DirectoryHandle, _ manifest: Manifest) {
  for index in 0..<manifest.entryCount where manifest.entry(index).type == .directory {
    guard let status = try? root.status(of: Path(manifest.path(of: index))),
      status.mode & 0o022 == 0
    else { continue }
    try? setDirectoryMode(index, status, of: root, manifest)
  }
}

/// Gives the directories of a tree in which every entry is right the modes and times of the manifest,
/// children before their parents. One that holds further names keeps its time: it tells programs which keep a
/// list of the directory that theirs is out of date.
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
