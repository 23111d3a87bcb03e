internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// SEAL ANEW: a tree that was compared, and repaired if needed, gets a seal of its present state.

extension CacheDirectory {
  /// Returns nil if something blocks the seal, or if the tree was replaced meanwhile: the tree must be replaced.
  @inline(never)
  func sealAnew(
    _ present: PresentTree, wasRepaired: Bool, _ payload: Payload, _ manifest: Manifest,
    _ request: TreeRequest
  ) throws(Failure) -> CachedTree? {
    request.observer.timeline.begin(.seal)
    do throws(Failure) {
      try seal(
        present.root, of: manifest, payload, in: present.use.directory.handle,
        completeSince: present.completed, isOnDisk: present.isOnDisk,
        isDurable: request.isDurable || present.isOfEarlierBoot)
    } catch {
      // If the disk is full, the tree is used as it is and checked again next time.
      guard error.isWantOfRoom else { return nil }
    }
    return tree(present.use, payload, wasUnpacked: wasRepaired, request)
  }

  /// The tree that this launch made ready.
  @inline(never)
  func tree(
    _ use: TreeUse, _ payload: Payload, wasUnpacked: Bool, _ request: TreeRequest
  ) -> CachedTree {
    // If this fails, the program runs without a lease, as it does if locks don't work.
    if request.precedesExec { try? use.keepAcrossExec() }
    return CachedTree(root: treePath(payload), wasUnpacked: wasUnpacked, use: use)
  }

  /// Seals the tree in `root` in its present state. `completeSince`: `timeOfCompletion`, or nil if it was just
  /// unpacked. `isOnDisk`: a power cut can no longer harm the tree.
  /// `isDurable`: no power cut may harm it afterwards.
  func seal(
    _ root: borrowing FileDescriptor, of manifest: Manifest, _ payload: Payload,
    in directory: DirectoryHandle, completeSince time: FileTime?, isOnDisk: Bool,
    isDurable: Bool
  ) throws(Failure) {
    let boot = currentBootID()
    // If the system has no boot id, the data must be on disk now.
    let mustBeOnDisk = isDurable || boot.allSatisfy { $0 == 0 }
    if mustBeOnDisk && !isOnDisk { try root.synchronizeVolume() }
    let record = payload.record
    let owner = TreeOwner(
      name: record.name, version: record.version, bytes: manifest.contentLength,
      keepDays: record.keepDays ?? defaultKeepDays)
    let seal = try Seal(
      of: manifest, treeID: payload.treeID, owner: owner, in: root.handle, isNew: time == nil,
      place: place, bootID: boot, isDurable: isOnDisk || mustBeOnDisk)
    try seal.write(in: directory, since: time)
  }
}
