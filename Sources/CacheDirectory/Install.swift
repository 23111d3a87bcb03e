internal import PayloadFormat
internal import PayloadReader
internal import Posix

// How a tree comes into a cache directory: look, lock, look again, act, rename. Correctness rests on the
// rename; the lock only saves work, so that everything holds where locks don't work.

extension CacheDirectory {
  /// `install`, so that no signal ends the process before what was begun is removed, and none is lost.
  func installHoldingSignals(_ payload: Payload, _ request: TreeRequest) throws(CacheError)
    -> CachedTree
  {
    TerminationSignals.hold()
    let mask = ProcessContext.setFileModeMask(0o022)
    defer {
      ProcessContext.setFileModeMask(mask)
      TerminationSignals.release()
    }
    do throws(CacheError) { return try install(payload, request) } catch {
      throw roomError(error, payload)
    }
  }

  /// Makes the tree ready: unpacks it, or, where it is there and did not pass its check, confirms or
  /// replaces it.
  private func install(_ payload: Payload, _ request: TreeRequest) throws(CacheError) -> CachedTree
  {
    let check = request.check
    let timeline = request.observer.timeline
    timeline.begin(.lock)
    var lock = try InstallLock(in: handle, payload)
    defer { lock.release() }
    let start = MonotonicClock.now
    while !lock.take() && MonotonicClock.now - start < request.longestWait {
      if check == .seal || check == .dirs, let tree = try lookUp(payload, request) {
        return tree
      }
      if let signal = TerminationSignals.pending { throw .payload(.interrupted(signal: signal)) }
      request.observer.waiting()
      MonotonicClock.sleep(milliseconds: 10)
    }
    timeline.begin(.check)
    // A full check that failed once need not be made twice: `confirm` makes it under the lock.
    if check != .full, let tree = try lookUp(payload, request) { return tree }
    timeline.begin(.cleanUp)
    reclaimStaging(of: payload)

    timeline.begin(.plan)
    let manifest = try reading { () throws(PayloadError) in
      try payload.verifyPrefix()
      return try payload.readManifest()
    }
    // More than one round only where somebody removes trees as fast as they come.
    for _ in 0..<8 {
      let isPresent = openOwned(payload) != nil
      if isPresent, let tree = try confirm(payload, manifest, request.observer) { return tree }
      if let lease = try unpack(payload, manifest, replacing: isPresent, request.observer) {
        return CachedTree(root: treePath(payload), lease: lease, wasUnpacked: true)
      }
      if let tree = try lookUp(payload, request) { return tree }
    }
    throw .payload(.system(SystemError("open", treePath(payload), .noSuchFile)))
  }

  /// Checks a tree in full that did not pass its check, and seals it anew if it is right.
  private func confirm(_ payload: Payload, _ manifest: Manifest, _ observer: CacheObserver)
    throws(CacheError) -> CachedTree?
  {
    guard let directory = openOwned(payload),
      let root = try? FileDescriptor.open(treeDirectory, in: directory.handle, .directory)
    else { return nil }
    // The lease first: who holds the lock alone is removing the tree.
    if let isLocked = try? directory.lock(exclusive: false, wait: false), !isLocked { return nil }
    observer.timeline.begin(.check)
    let matches = try reading { () throws(PayloadError) in
      try treeMatches(root.handle, manifest, hashing: true, progress: observer.checking)
    }
    guard matches else { return nil }
    observer.timeline.begin(.seal)
    // What was read back after a reboot was on the disk.
    let old = Seal.read(in: directory.handle, treeID: payload.treeID, withTable: false)
    let isOnDisk = old.map { $0.isDurable || $0.bootID != currentBootID() } ?? false
    do throws(SystemError) {
      try seal(root, of: manifest, payload, in: directory.handle, isOnDisk: isOnDisk)
    } catch {
      // For want of room the tree is used as it is, and checked again next time. Otherwise something is in
      // the way, or the tree was replaced meanwhile.
      guard error.errno == .noSpace || error.errno == .quotaExceeded else { return nil }
    }
    return CachedTree(root: treePath(payload), lease: directory, wasUnpacked: false)
  }

  /// Unpacks to a staging directory, seals, and renames it into place. Removes it where that fails.
  ///
  /// Returns the lease, which is held since before the tree had its name; nil where another instance was
  /// first, whose tree is as good.
  private func unpack(
    _ payload: Payload, _ manifest: Manifest, replacing: Bool, _ observer: CacheObserver
  ) throws(CacheError) -> FileDescriptor? {
    observer.timeline.begin(.plan)
    try reading { () throws(PayloadError) in try requireRoom(for: manifest, in: directory) }
    let staging = try reading { () throws(PayloadError) in
      try makeStaging(named: payload.treeName.bytes, in: handle)
    }
    do throws(CacheError) {
      let owner = try system { () throws(SystemError) in
        try FileDescriptor.open(staging, in: handle, .directory)
      }
      // Tells reclaimStaging that somebody is at work here.
      _ = try? owner.lock(exclusive: true, wait: false)
      observer.timeline.begin(.unpack)
      try fill(
        owner, payload, manifest, replacing ? observer.repairing : observer.unpacking,
        observer.timeline)
      observer.timeline.begin(.publish)
      // Who may enter the cache directory may use what is in it: a tree that root prewarmed serves all.
      try system { () throws(SystemError) in try owner.setMode(0o755) }
      // Shared from here on: who finds the published tree must get the lease.
      _ = try? owner.lock(exclusive: false, wait: false)
      if try publish(staging, payload, replacing: replacing) { return owner }
      return nil
    } catch {
      observer.timeline.begin(.cleanUp)
      try? removeTree(staging, in: handle)
      throw error
    }
  }

  private func fill(
    _ staging: borrowing FileDescriptor, _ payload: Payload, _ manifest: Manifest,
    _ progress: @escaping UnpackProgress, _ timeline: Timeline?
  ) throws(CacheError) {
    let handle = staging.handle
    let root = try system { () throws(SystemError) in
      try handle.createDirectory(treeDirectory, mode: 0o700)
      return try FileDescriptor.open(treeDirectory, in: handle, .directory)
    }
    try reading { () throws(PayloadError) in
      try unpackTree(
        of: payload, manifest, into: root.handle, workers: workerCount(for: manifest),
        progress: progress, timeline: timeline)
    }
    timeline.begin(.seal)
    try system { () throws(SystemError) in
      try seal(root, of: manifest, payload, in: handle, isOnDisk: false)
    }
    if let signal = TerminationSignals.pending { throw .payload(.interrupted(signal: signal)) }
  }

  /// Seals the tree in `root` as it is. `isOnDisk`: a power cut can't harm it any more.
  private func seal(
    _ root: borrowing FileDescriptor, of manifest: Manifest, _ payload: Payload,
    in directory: DirectoryHandle, isOnDisk: Bool
  ) throws(SystemError) {
    let boot = currentBootID()
    // Where the system does not tell one boot from another, the data must be on the disk now.
    let isUnknown = boot.allSatisfy { $0 == 0 }
    if isUnknown && !isOnDisk { try root.synchronizeVolume() }
    let seal = try Seal(
      of: manifest, treeID: payload.treeID, in: root.handle, bootID: boot,
      isDurable: isOnDisk || isUnknown)
    try seal.write(in: directory)
  }

  /// Renames `staging` into place, and returns true; or removes it, where another instance was first, and
  /// returns false. `replacing`: what is there is damaged; otherwise it is another instance's, and as good.
  private func publish(_ staging: Path, _ payload: Payload, replacing: Bool) throws(CacheError)
    -> Bool
  {
    let name = payload.treeName
    for _ in 0..<8 {
      do throws(SystemError) {
        try handle.renameWithoutReplacing(staging, to: name)
        return true
      } catch {
        switch error.errno {
        case .exists, .notEmpty, .notDirectory: break
        default: throw .payload(.system(error))
        }
      }
      if !replacing && holds(payload) {
        try? removeTree(staging, in: handle)
        return false
      }
      if try replace(name, by: staging) { return true }
    }
    throw .payload(.system(SystemError("rename", path.appending(staging.bytes), .exists)))
  }

  /// Puts `staging` in the place of `name`, and removes what was there. Programs that run from there keep
  /// the files that they have open, and find equal ones under the old paths. Returns false where `name` is
  /// free now.
  private func replace(_ name: Path, by staging: Path) throws(CacheError) -> Bool {
    do throws(SystemError) {
      try handle.exchange(staging, with: name)
    } catch {
      switch error.errno {
      case .noSuchFile: return false
      case .invalidArgument, .noSystemCall, .notSupported:
        // No atomic exchange on this file system: there is a moment without a tree.
        try system { () throws(SystemError) in try removeTree(name, in: handle) }
        return false
      default: throw .payload(.system(error))
      }
    }
    try? removeTree(staging, in: handle)
    return true
  }

  /// A failed write for want of room, as what it means for the person who can make some.
  private func roomError(_ error: CacheError, _ payload: Payload) -> CacheError {
    guard case .payload(.system(let inner)) = error,
      inner.errno == .noSpace || inner.errno == .quotaExceeded,
      let manifest = try? payload.readManifest()
    else { return error }
    let available = (try? directory.volume())?.bytesAvailable ?? 0
    return .payload(
      .noSpace(directory: path, needed: manifest.allocatedLength, available: available))
  }

  // MARK: Removing

  /// Removes the staging directories that launches of this payload left when they were killed. Errors are
  /// ignored: a later launch tries again.
  func reclaimStaging(of payload: Payload) {
    guard let names = try? handle.names() else { return }
    var prefix = [UInt8(ascii: ".")]
    prefix.append(contentsOf: payload.treeName.bytes)
    prefix.append(UInt8(ascii: "."))
    for name in names where name.starts(with: prefix) {
      let path = Path(name)
      guard let staging = try? FileDescriptor.open(path, in: handle, .directory),
        (try? staging.lock(exclusive: true, wait: false)) == true
      else { continue }
      try? removeTree(path, in: handle)
    }
  }

  /// Removes the lock file that a killed launch left, unless somebody holds it.
  func reclaimLock(of payload: Payload) {
    let name = InstallLock.name(payload)
    guard let file = try? FileDescriptor.open(name, in: handle, .readNoFollow),
      (try? file.lock(exclusive: true, wait: false)) == true
    else { return }
    try? handle.removeFile(name)
  }

  /// Removes the tree, if there is one. Returns whether there was.
  func remove(_ payload: Payload) throws(CacheError) -> Bool {
    let name = payload.treeName
    guard let directory = try? FileDescriptor.open(name, in: handle, .directory) else {
      return false
    }
    // Nobody else may put another tree in its place meanwhile.
    var lock = try InstallLock(in: handle, payload)
    defer { lock.release() }
    guard lock.take(), (try? directory.lock(exclusive: true, wait: false)) != false else {
      throw .inUse(path.appending(name.bytes))
    }
    try system { () throws(SystemError) in
      // From here on nobody takes it for a tree.
      if try directory.handle.statusIfExists(of: Seal.fileName) != nil {
        try directory.handle.removeFile(Seal.fileName)
      }
      let hidden = try hiddenName(for: name.bytes)
      try handle.rename(name, to: hidden)
      try removeTree(hidden, in: handle)
    }
    return true
  }
}

/// The lock that only one of many simultaneous first launches holds.
private struct InstallLock: ~Copyable {
  private let file: FileDescriptor
  private let directory: DirectoryHandle
  private let name: Path
  private var isHeld = false

  static func name(_ payload: Payload) -> Path {
    var name = payload.treeName
    name.append(contentsOf: Path(".lock").bytes)
    return name
  }

  init(in directory: DirectoryHandle, _ payload: Payload) throws(CacheError) {
    let name = InstallLock.name(payload)
    file = try system { () throws(SystemError) in
      try FileDescriptor.open(name, in: directory, .createLock, mode: 0o600)
    }
    self.name = name
    self.directory = directory
  }

  /// Returns false where somebody else holds it. Where locks don't work there is nothing to wait for.
  mutating func take() -> Bool {
    guard let isTaken = try? file.lock(exclusive: true, wait: false) else { return true }
    isHeld = isTaken
    return isTaken
  }

  /// Removes the lock file while it is locked; who waits for it looks at the tree anyway.
  func release() {
    if isHeld { try? directory.removeFile(name) }
  }
}
