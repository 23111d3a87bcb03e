internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// COMPARE: what is wrong with a tree that failed its check. The caller holds the tree's lock.

/// The result of COMPARE.
enum Comparison {
  case isRight(PresentTree)
  case isDamaged(PresentTree, EntrySet)
  /// The tree must be replaced.
  case isBeyondRepair
  /// Nothing of the tree's name can be used.
  case isMissing
}

/// A tree that is there, opened to be repaired and sealed anew, with its lease.
final class PresentTree {
  let use: TreeUse
  let root: FileDescriptor
  /// All packed entries were last changed before this time.
  let completed: FileTime
  /// Whether no power cut can harm the tree.
  var isOnDisk = false
  /// Whether it was sealed in an earlier boot: it must reach the disk before it is sealed anew.
  var isOfEarlierBoot = false

  init(use: TreeUse, root: consuming FileDescriptor, completed: FileTime) {
    self.use = use
    self.root = root
    self.completed = completed
  }
}

extension CacheDirectory {
  /// Compares the tree with its manifest. Restores its lease, and the modes and times of its directories.
  func compare(_ payload: Payload, _ manifest: Manifest, _ request: TreeRequest)
    throws(Failure) -> Comparison
  {
    guard let owned = openOwned(payload.treeName) else { return .isMissing }
    guard let tree = try? openWithPermissions(treeDirectory, in: owned.directory.handle) else {
      return .isBeyondRepair
    }
    let completed = timeOfCompletion(in: owned.directory.handle)
    ensureLease(in: owned.directory.handle)
    guard let use = takeLease(owned.release(), payload.treeName) else { return .isBeyondRepair }
    let present = PresentTree(use: use, root: tree, completed: completed)
    let root = present.root.handle
    request.observer.timeline.begin(.check)
    restoreDirectoryModes(of: root, manifest)
    let old = Seal.read(in: present.use.directory.handle, treeID: payload.treeID, withTable: true)
    // In a copy with all its names, only sizes and modes are compared, unless the request asks for more.
    let looksAtDirectories = request.check == .seal || request.check == .dirs
    var isCopy = false
    if looksAtDirectories, let old, old.isConfirmed(), old.isDurable || !request.isDurable {
      isCopy = old.isOfCopy(in: root)
    }
    var damaged = try damagedEntries(
      of: root, manifest, hashing: isCopy ? .none : .all, progress: request.observer.checking)
    if isCopy && !damaged.isEmpty {
      // The damage justifies a full comparison.
      damaged = try damagedEntries(
        of: root, manifest, hashing: .all, progress: request.observer.checking)
    }
    guard damaged.isEmpty else { return .isDamaged(present, damaged) }
    // A killed repair may have left directories with other modes and times.
    if !isCopy { try? settleDirectories(of: root, manifest) }
    if let old {
      // Whether a copy has reached the disk is unknown.
      present.isOnDisk = old.isDurable && !isCopy
      // The data read came from the disk, or from memory, because containers may have boot ids of their own. So
      // it is written to the disk.
      present.isOfEarlierBoot = !isCopy && old.bootID != currentBootID()
    }
    return .isRight(present)
  }
}
