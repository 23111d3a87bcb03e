internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// How a tree comes into a cache directory: look, lock, look again, act, rename. Correctness rests on the
// rename; the lock only saves work, so that everything holds where locks don't work.

extension CacheDirectory {
  /// `install`, so that no signal ends the process before what was begun is removed, and none is lost.
  func installHoldingSignals(_ payload: Payload, _ request: TreeRequest) throws(Failure)
    -> CachedTree
  {
    TerminationSignals.hold()
    let mask = ProcessContext.setFileModeMask(0o022)
    defer {
      ProcessContext.setFileModeMask(mask)
      TerminationSignals.release()
    }
    do throws(Failure) { return try install(payload, request) } catch {
      guard error.isWantOfRoom, let manifest = try? payload.readManifest() else { throw error }
      throw roomError(needed: manifest.allocatedLength)
    }
  }

  /// Makes the tree ready: unpacks it, or, where it is there and did not pass its check, confirms, repairs
  /// or replaces it.
  private func install(_ payload: Payload, _ request: TreeRequest) throws(Failure)
    -> CachedTree
  {
    let check = request.check
    let timeline = request.observer.timeline
    timeline.begin(.lock)
    // Something may stand in its place.
    var lock = try? InstallLock(in: handle, payload.treeName)
    defer { lock?.release() }
    let start = MonotonicClock.now
    while !(lock?.take() ?? true) && MonotonicClock.now - start < request.longestWait {
      if check == .seal || check == .dirs, let tree = try lookUp(payload, request) {
        return tree
      }
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      request.observer.waiting()
      MonotonicClock.sleep(milliseconds: 10)
    }
    timeline.begin(.check)
    // A full check that failed once need not be made twice: `confirm` makes it under the lock.
    if check != .full, let tree = try lookUp(payload, request) { return tree }
    timeline.begin(.cleanUp)
    reclaimStaging(of: payload.treeName)

    timeline.begin(.plan)
    try payload.verifyPrefix()
    let manifest = try payload.readManifest()
    // More than one round only where somebody removes trees as fast as they come.
    for _ in 0..<8 {
      let isPresent = openOwned(payload.treeName) != nil
      if isPresent, let tree = try confirm(payload, manifest, request) { return tree }
      if let tree = try unpack(payload, manifest, replacing: isPresent, request) { return tree }
      if let tree = try lookUp(payload, request) { return tree }
    }
    throw Failure("open", treePath(payload), .noSuchFile)
  }

  /// Compares a tree that did not pass its check, repairs it if it is damaged, and seals it anew.
  /// Returns nil where it must be replaced.
  private func confirm(_ payload: Payload, _ manifest: Manifest, _ request: TreeRequest)
    throws(Failure) -> CachedTree?
  {
    guard let owned = openOwned(payload.treeName),
      let root = try? openWithPermissions(treeDirectory, in: owned.directory.handle)
    else { return nil }
    let complete = timeOfCompletion(in: owned.directory.handle)
    ensureLease(in: owned.directory.handle)
    guard let use = takeLease(owned.release(), payload.treeName) else { return nil }
    let directory = use.directory.handle
    let timeline = request.observer.timeline
    timeline.begin(.check)
    restoreDirectoryModes(of: root.handle, manifest)
    let old = Seal.read(in: directory, treeID: payload.treeID, withTable: true)
    // Of a copy that has all its names only sizes and modes are compared, unless the request is for more.
    let looksAtDirectories = request.check == .seal || request.check == .dirs
    var isCopy = false
    if looksAtDirectories, let old, old.isConfirmed(), old.isDurable || !request.isDurable {
      isCopy = old.isOfCopy(in: root.handle)
    }
    var damaged = try damagedEntries(
      of: root.handle, manifest, hashing: isCopy ? .none : .all, progress: request.observer.checking
    )
    if isCopy && !damaged.isEmpty {
      // It is worth a closer look.
      damaged = try damagedEntries(
        of: root.handle, manifest, hashing: .all, progress: request.observer.checking)
    }
    var isOnDisk = false
    var sealing = request
    if damaged.isEmpty {
      // Of a repair that was killed.
      if !isCopy { try? settleDirectories(of: root.handle, manifest) }
      if let old {
        // Of a copy nobody knows.
        isOnDisk = old.isDurable && !isCopy
        // What was read back came from the disk, or, as containers may have boot ids of their own, from memory.
        if !isCopy && old.bootID != currentBootID() { sealing.isDurable = true }
      }
    } else {
      guard
        try repair(damaged, of: root.handle, in: use.directory, payload, manifest, request.observer)
      else {
        return nil
      }
    }
    timeline.begin(.seal)
    do throws(Failure) {
      try seal(
        root, of: manifest, payload, in: directory, completeSince: complete, isOnDisk: isOnDisk,
        sealing)
    } catch {
      // For want of room the tree is used as it is, and checked again next time. Otherwise something is in
      // the way, or the tree was replaced meanwhile.
      guard error.isWantOfRoom else { return nil }
    }
    return CachedTree(root: treePath(payload), wasUnpacked: !damaged.isEmpty, use: use)
  }

  /// Gives the directory of a tree the lease that a cleaner, or a person, removed or replaced. One that only can't be opened
  /// now stays.
  @inline(never)
  private func ensureLease(in directory: DirectoryHandle) {
    do throws(Failure) {
      let file = try FileDescriptor.open(Lease.fileName, in: directory, .readNoFollow)
      if try Lease(file).isMark() { return }
    } catch {
      guard error.errno == .noSuchFile || error.errno == .symlinkLoop else { return }
    }
    guard let name = try? hiddenName(for: Lease.fileName.bytes) else { return }
    do throws(Failure) {
      _ = try Lease.create(in: directory, named: name)
      if try directory.statusIfExists(of: Lease.fileName)?.kind == .directory {
        try removeTree(Lease.fileName, in: directory)
      }
      try directory.rename(name, to: Lease.fileName)
    } catch { try? directory.removeFile(name) }
  }

  /// Unpacks to a staging directory, seals, and renames it into place. Removes it where that fails.
  ///
  /// Returns the tree, with a lease that is held since before it had its name; nil where another instance was
  /// first, whose tree is as good.
  private func unpack(
    _ payload: Payload, _ manifest: Manifest, replacing: Bool, _ request: TreeRequest
  ) throws(Failure) -> CachedTree? {
    let timeline = request.observer.timeline
    timeline.begin(.plan)
    try requireRoom(for: UnpackedSize(manifest), in: directory)
    let claimed = try claimStaging(payload.treeName)
    let staging = claimed.staging.name
    do throws(Failure) {
      timeline.begin(.unpack)
      let observer = request.observer
      try fill(
        claimed.staging.directory, payload, manifest,
        replacing ? observer.repairing : observer.unpacking, request)
      timeline.begin(.publish)
      // Who may enter the cache directory may use what is in it: a tree that root prewarmed serves all.
      try claimed.staging.directory.setMode(0o755)
      if replacing { inheritLease(of: payload.treeName, claimed.staging.directory.handle) }
      // Shared from here on: who finds the published tree must get the lease.
      let use = claimed.share()
      guard try publish(staging, payload, replacing: replacing, observer) else { return nil }
      return CachedTree(root: treePath(payload), wasUnpacked: true, use: use)
    } catch {
      request.observer.timeline.begin(.cleanUp)
      try? removeMarked(staging)
      throw error
    }
  }

  /// Makes the lease of the tree that is to be replaced that of the new one as well: programs that run from there find
  /// their files in the new one, and hold its lease. Otherwise, where that can't be, the new one has its own.
  private func inheritLease(of treeName: Path, _ staging: DirectoryHandle) {
    guard let directory = try? FileDescriptor.open(treeName, in: handle, .directory),
      let name = try? hiddenName(for: Lease.fileName.bytes)
    else { return }
    do throws(Failure) {
      try staging.createHardLink(name, to: Lease.fileName, in: directory.handle)
      try staging.rename(name, to: Lease.fileName)
    } catch { try? staging.removeFile(name) }
    // It is another one if somebody else could write to the old tree.
    ensureLease(in: staging)
  }

  /// Makes a staging directory and holds its lease alone, which tells who cleans up that somebody is at work there.
  @inline(never)
  func claimStaging(_ treeName: Path) throws(Failure) -> ClaimedStaging {
    while true {
      let staging = try makeStaging(named: treeName.bytes, in: handle)
      let name = staging.name
      do throws(Failure) {
        let lease = try Lease.create(in: staging.directory.handle)
        // For older launchers, which clean up by it.
        _ = try? staging.directory.lock(exclusive: true, wait: false)
        if lease.lock(exclusive: true) != .refused, staging.directory.isNamed(name, in: handle) {
          return ClaimedStaging(staging: staging, lease: lease)
        }
        try? removeMarked(name)
      } catch {
        try? removeMarked(name)
        if !error.errno.isMissing { throw error }
      }
    }
  }

  /// Makes the directory in a staging directory that a tree is unpacked to.
  func makeTreeDirectory(in staging: DirectoryHandle) throws(Failure) -> FileDescriptor {
    try staging.createDirectory(treeDirectory, mode: 0o700)
    return try FileDescriptor.open(treeDirectory, in: staging, .directory)
  }

  private func fill(
    _ staging: borrowing FileDescriptor, _ payload: Payload, _ manifest: Manifest,
    _ progress: @escaping UnpackProgress, _ request: TreeRequest
  ) throws(Failure) {
    let handle = staging.handle
    let root = try makeTreeDirectory(in: handle)
    try unpackTree(
      of: payload, manifest, into: root.handle, modes: cachedModes,
      workers: workerCount(for: manifest), progress: progress,
      timeline: request.observer.timeline)
    request.observer.timeline.begin(.seal)
    try seal(
      root, of: manifest, payload, in: handle, completeSince: nil, isOnDisk: false, request)
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
  }

  /// Seals the tree in `root` as it is. `completeSince`: `timeOfCompletion`; nil: it was unpacked just now. `isOnDisk`: a power
  /// cut can't harm it any more.
  private func seal(
    _ root: borrowing FileDescriptor, of manifest: Manifest, _ payload: Payload,
    in directory: DirectoryHandle, completeSince time: FileTime?, isOnDisk: Bool,
    _ request: TreeRequest
  ) throws(Failure) {
    let boot = currentBootID()
    // Where the system does not tell one boot from another, the data must be on the disk now.
    let mustBeOnDisk = request.isDurable || boot.allSatisfy { $0 == 0 }
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

  /// Renames `staging` into place, and returns true; or removes it, where another instance was first, and
  /// returns false. `replacing`: what is there is damaged; otherwise it is another instance's, and as good.
  private func publish(
    _ staging: Path, _ payload: Payload, replacing: Bool, _ observer: CacheObserver
  ) throws(Failure) -> Bool {
    let name = payload.treeName
    for _ in 0..<8 {
      do throws(Failure) {
        try handle.renameWithoutReplacing(staging, to: name)
        return true
      } catch {
        switch error.errno {
        case .exists, .notEmpty, .notDirectory: break
        default: throw error
        }
      }
      if !replacing && holds(payload) {
        try? removeMarked(staging)
        return false
      }
      if try replace(name, by: staging, observer) { return true }
    }
    throw Failure("rename", path.appending(staging.bytes), .exists)
  }

  /// Puts `staging` in the place of `name`, and removes what was there. Programs that run from there keep
  /// the files that they have open, and find equal ones under the old paths. Returns false where `name` is
  /// free now.
  private func replace(_ name: Path, by staging: Path, _ observer: CacheObserver)
    throws(Failure) -> Bool
  {
    do throws(Failure) {
      try handle.exchange(staging, with: name)
    } catch {
      switch error.errno {
      case .noSuchFile, .staleHandle: return false
      case .otherFileSystem:
        try removeReplaced(name, observer)
        return false
      case _ where error.errno.isUnknownRename:
        return try replaceInTwoSteps(name, by: staging, observer)
      default: throw error
      }
    }
    try? removeReplaced(staging, observer)
    return true
  }

  /// Removes a tree that was replaced, and tells what a program wrote into it.
  private func removeReplaced(_ name: Path, _ observer: CacheObserver) throws(Failure) {
    var result = CleanUpResult()
    defer { for item in result.kept { observer.moved(item) } }
    try removeMarked(name, &result)
  }

  /// `replace` on a file system without atomic exchange: there is a moment without a tree.
  private func replaceInTwoSteps(_ name: Path, by staging: Path, _ observer: CacheObserver)
    throws(Failure) -> Bool
  {
    let old = try hiddenName(for: name.bytes)
    do throws(Failure) { try handle.rename(name, to: old) } catch {
      guard error.errno == .otherFileSystem else { throw error }
      try removeReplaced(name, observer)
    }
    defer { try? removeReplaced(old, observer) }
    // Where another instance is first, the caller looks again.
    return (try? handle.renameWithoutReplacing(staging, to: name)) != nil
  }

  /// A failed write for want of room, as what it means for the person who can make some: `needed` bytes.
  func roomError(needed: UInt64) -> Failure {
    let available = (try? directory.volume())?.bytesAvailable ?? 0
    return .noSpace(directory: path, needed: needed, available: available)
  }
}

/// A staging directory whose lease this process holds alone.
struct ClaimedStaging: ~Copyable {
  let staging: StagingDirectory
  let lease: Lease

  /// Shares the lease from now on, as who uses the tree does: through a descriptor for reading.
  consuming func share() -> TreeUse {
    _ = lease.lock(exclusive: false)
    let shared = Lease.open(in: staging.directory.handle, .readNoFollow)
    _ = shared?.lock(exclusive: false)
    _ = try? staging.directory.lock(exclusive: false, wait: false)
    return TreeUse(directory: staging.release(), lease: shared)
  }
}
