internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// How a tree gets into a cache directory: look, lock, look again, act, rename. The rename makes it correct. The
// lock only saves work, so the procedure is correct even if locks don't work.

extension CacheDirectory {
  /// Calls `install` with termination signals held. A signal cannot end the process before unfinished work is
  /// removed, and no signal is lost.
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

  /// Makes the tree ready: unpacks it. If it exists and failed its check, confirms, repairs or replaces it.
  private func install(_ payload: Payload, _ request: TreeRequest) throws(Failure)
    -> CachedTree
  {
    let check = request.check
    let timeline = request.observer.timeline
    timeline.begin(.lock)
    // Something else may have the lock file's name.
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
    // A failed full check is not repeated here: `confirm` makes it under the lock.
    if check != .full, let tree = try lookUp(payload, request) { return tree }
    timeline.begin(.cleanUp)
    reclaimStaging(of: payload.treeName)

    timeline.begin(.plan)
    try payload.verifyPrefix()
    let manifest = try payload.readManifest()
    // More than one round is needed only if others keep removing the tree.
    for _ in 0..<8 {
      let isPresent = openOwned(payload.treeName) != nil
      if isPresent, let tree = try confirm(payload, manifest, request) { return tree }
      if let tree = try unpack(payload, manifest, replacing: isPresent, request) { return tree }
      if let tree = try lookUp(payload, request) { return tree }
    }
    throw Failure("open", treePath(payload), .noSuchFile)
  }

  /// Compares a tree that failed its check, repairs it if it is damaged, and seals it again. Returns nil if the
  /// tree must be replaced.
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
    // In a copy with all its names, only sizes and modes are compared, unless the request asks for more.
    let looksAtDirectories = request.check == .seal || request.check == .dirs
    var isCopy = false
    if looksAtDirectories, let old, old.isConfirmed(), old.isDurable || !request.isDurable {
      isCopy = old.isOfCopy(in: root.handle)
    }
    var damaged = try damagedEntries(
      of: root.handle, manifest, hashing: isCopy ? .none : .all, progress: request.observer.checking
    )
    if isCopy && !damaged.isEmpty {
      // The damage justifies a full comparison.
      damaged = try damagedEntries(
        of: root.handle, manifest, hashing: .all, progress: request.observer.checking)
    }
    var isOnDisk = false
    var sealing = request
    if damaged.isEmpty {
      // A killed repair may have left directories with other modes and times.
      if !isCopy { try? settleDirectories(of: root.handle, manifest) }
      if let old {
        // Whether a copy has reached the disk is unknown.
        isOnDisk = old.isDurable && !isCopy
        // The data read came from the disk, or from memory, because containers may have boot ids of their own. So
        // it is written to the disk.
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
      // If the disk is full, the tree is used as it is and checked again next time. After any other error,
      // something blocks the seal, or the tree was replaced meanwhile.
      guard error.isWantOfRoom else { return nil }
    }
    return CachedTree(root: treePath(payload), wasUnpacked: !damaged.isEmpty, use: use)
  }

  /// Restores a lease that a cleaner or a person removed or replaced. Keeps one that exists but cannot be opened
  /// now.
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

  /// Unpacks to a staging directory, seals it, and renames it into place. Removes it on failure.
  ///
  /// Returns the tree; its lease is held since before the rename. Returns nil if another instance was first; its
  /// tree is equivalent.
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
      // All users who may enter the cache directory may use its trees: one that root prewarmed serves all.
      try claimed.staging.directory.setMode(0o755)
      if replacing { inheritLease(of: payload.treeName, claimed.staging.directory.handle) }
      // Shared from here on: a launch that finds the published tree must get the lease.
      let use = claimed.share()
      guard try publish(staging, payload, replacing: replacing, observer) else { return nil }
      return CachedTree(root: treePath(payload), wasUnpacked: true, use: use)
    } catch {
      request.observer.timeline.begin(.cleanUp)
      try? removeMarked(staging)
      throw error
    }
  }

  /// Gives the new tree the lease of the tree that it replaces: running programs hold that lease, and find their
  /// files in the new tree. If that fails, the new tree keeps its own lease.
  private func inheritLease(of treeName: Path, _ staging: DirectoryHandle) {
    guard let directory = try? FileDescriptor.open(treeName, in: handle, .directory),
      let name = try? hiddenName(for: Lease.fileName.bytes)
    else { return }
    do throws(Failure) {
      try staging.createHardLink(name, to: Lease.fileName, in: directory.handle)
      try staging.rename(name, to: Lease.fileName)
    } catch { try? staging.removeFile(name) }
    // If others could write to the old tree, the lease may not be Onefold's: create one.
    ensureLease(in: staging)
  }

  /// Creates a staging directory and holds its lease exclusively, so that a clean-up sees that it is in use.
  @inline(never)
  func claimStaging(_ treeName: Path) throws(Failure) -> ClaimedStaging {
    while true {
      let staging = try makeStaging(named: treeName.bytes, in: handle)
      let name = staging.name
      do throws(Failure) {
        let lease = try Lease.create(in: staging.directory.handle)
        // Older launchers decide by this lock whether to clean up.
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

  /// Creates the directory that receives the tree in a staging directory.
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

  /// Seals the tree in `root` in its present state. `completeSince`: `timeOfCompletion`, or nil if it was just
  /// unpacked. `isOnDisk`: a power cut can no longer harm the tree.
  private func seal(
    _ root: borrowing FileDescriptor, of manifest: Manifest, _ payload: Payload,
    in directory: DirectoryHandle, completeSince time: FileTime?, isOnDisk: Bool,
    _ request: TreeRequest
  ) throws(Failure) {
    let boot = currentBootID()
    // If the system has no boot id, the data must be on disk now.
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

  /// Renames `staging` into place and returns true. If another instance was first, removes `staging` and returns
  /// false. `replacing`: the existing tree is damaged; otherwise another instance made it, and it is equivalent.
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

  /// Puts `staging` in the place of `name`, and removes the old tree. Programs that run from it keep their open
  /// files, and find equal ones under the old paths. Returns false if `name` is now free.
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

  /// Removes a replaced tree, and reports the files that a program wrote into it.
  private func removeReplaced(_ name: Path, _ observer: CacheObserver) throws(Failure) {
    var result = CleanUpResult()
    defer { for item in result.kept { observer.moved(item) } }
    try removeMarked(name, &result)
  }

  /// Replaces the tree on a file system without atomic exchange: for a moment there is no tree.
  private func replaceInTwoSteps(_ name: Path, by staging: Path, _ observer: CacheObserver)
    throws(Failure) -> Bool
  {
    let old = try hiddenName(for: name.bytes)
    do throws(Failure) { try handle.rename(name, to: old) } catch {
      guard error.errno == .otherFileSystem else { throw error }
      try removeReplaced(name, observer)
    }
    defer { try? removeReplaced(old, observer) }
    // If another instance is first, the caller looks again.
    return (try? handle.renameWithoutReplacing(staging, to: name)) != nil
  }

  /// The error for a write that failed because the disk is full. It tells the user to free `needed` bytes.
  func roomError(needed: UInt64) -> Failure {
    let available = (try? directory.volume())?.bytesAvailable ?? 0
    return .noSpace(directory: path, needed: needed, available: available)
  }
}

/// A staging directory whose lease only this process holds.
struct ClaimedStaging: ~Copyable {
  let staging: StagingDirectory
  let lease: Lease

  /// Shares the lease from now on, through a read-only descriptor like that of a program that uses the tree.
  consuming func share() -> TreeUse {
    _ = lease.lock(exclusive: false)
    let shared = Lease.open(in: staging.directory.handle, .readNoFollow)
    _ = shared?.lock(exclusive: false)
    _ = try? staging.directory.lock(exclusive: false, wait: false)
    return TreeUse(directory: staging.release(), lease: shared)
  }
}
