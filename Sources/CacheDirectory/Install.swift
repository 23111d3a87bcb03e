internal import PayloadFormat
internal import PayloadReader
internal import Posix

// How a tree comes into a cache directory: look, lock, look again, act, rename. Correctness rests on the
// rename; the lock only saves work, so that everything holds where locks don't work.

/// How long another instance may take before this one unpacks as well.
private let longestWait: Int64 = 600 * 1_000_000_000

extension CacheDirectory {
  /// `install`, so that no signal ends the process before what was begun is removed, and none is lost.
  func installHoldingSignals(_ payload: Payload, _ check: CheckPolicy, _ observer: CacheObserver)
    throws(CacheError) -> CachedTree
  {
    TerminationSignals.hold()
    defer { TerminationSignals.release() }
    do throws(CacheError) { return try install(payload, check, observer) } catch {
      throw roomError(error, payload)
    }
  }

  /// Makes the tree ready: unpacks it, or, where it is there and did not pass its check, confirms or
  /// replaces it.
  private func install(_ payload: Payload, _ check: CheckPolicy, _ observer: CacheObserver)
    throws(CacheError) -> CachedTree
  {
    let lock = try InstallLock(self, payload, observer)
    defer { lock.release() }
    if lock.wasContended, let tree = try lookUp(payload, check, observer) { return tree }
    reclaimStaging(of: payload)

    let manifest = try reading { () throws(PayloadError) in
      try payload.verifyPrefix()
      return try payload.readManifest()
    }
    let isPresent = openOwned(payload) != nil
    if isPresent, let tree = try confirm(payload, manifest, observer) { return tree }
    try unpack(payload, manifest, replacing: isPresent, observer)
    guard let sealed = openSealed(payload, withTable: false) else {
      // Removed between the rename and now.
      throw .payload(.system(SystemError("open", treePath(payload), .noSuchFile)))
    }
    return CachedTree(root: treePath(payload), lease: sealed.release(), wasUnpacked: true)
  }

  /// Checks a tree in full that did not pass its check, and seals it anew if it is right.
  private func confirm(_ payload: Payload, _ manifest: Manifest, _ observer: CacheObserver)
    throws(CacheError) -> CachedTree?
  {
    guard let directory = openOwned(payload),
      let root = try? FileDescriptor.open(treeDirectory, in: directory.handle, .directory)
    else { return nil }
    let matches = try reading { () throws(PayloadError) in
      try treeMatches(root.handle, manifest, hashing: true, progress: observer.checking)
    }
    guard matches else { return nil }
    let boot = currentBootID()
    let old = Seal.read(in: directory.handle, treeID: payload.treeID, withTable: false)
    // What was read back after a reboot was on the disk.
    let isDurable = old.map { $0.isDurable || $0.bootID != boot } ?? false
    try system { () throws(SystemError) in
      let seal = try Seal(
        of: manifest, treeID: payload.treeID, in: root.handle, bootID: boot, isDurable: isDurable)
      try seal.write(in: directory.handle)
    }
    _ = try? directory.lock(exclusive: false, wait: false)
    return CachedTree(root: treePath(payload), lease: directory, wasUnpacked: false)
  }

  /// Unpacks to a staging directory, seals, and renames it into place. Removes it where that fails.
  private func unpack(
    _ payload: Payload, _ manifest: Manifest, replacing: Bool, _ observer: CacheObserver
  ) throws(CacheError) {
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
      try fill(owner, payload, manifest, observer)
      try publish(staging, payload, replacing: replacing)
    } catch {
      try? removeTree(staging, in: handle)
      throw error
    }
  }

  private func fill(
    _ staging: borrowing FileDescriptor, _ payload: Payload, _ manifest: Manifest,
    _ observer: CacheObserver
  ) throws(CacheError) {
    let handle = staging.handle
    let root = try system { () throws(SystemError) in
      try handle.createDirectory(treeDirectory, mode: 0o700)
      return try FileDescriptor.open(treeDirectory, in: handle, .directory)
    }
    try reading { () throws(PayloadError) in
      try unpackTree(
        of: payload, manifest, into: root.handle, workers: workerCount(for: manifest),
        progress: observer.unpacking)
    }
    try system { () throws(SystemError) in
      let boot = currentBootID()
      // Where the system does not tell one boot from another, the data must be on the disk now.
      let isUnknown = boot.allSatisfy { $0 == 0 }
      if isUnknown { try root.synchronizeVolume() }
      let seal = try Seal(
        of: manifest, treeID: payload.treeID, in: root.handle, bootID: boot, isDurable: isUnknown)
      try seal.write(in: handle)
    }
    if let signal = TerminationSignals.pending { throw .payload(.interrupted(signal: signal)) }
  }

  /// Renames `staging` into place. `replacing`: what is there is damaged; otherwise it is another
  /// instance's, and as good.
  private func publish(_ staging: Path, _ payload: Payload, replacing: Bool) throws(CacheError) {
    let name = payload.treeName
    var attempts = 0
    while true {
      attempts += 1
      do throws(SystemError) {
        try handle.renameWithoutReplacing(staging, to: name)
        return
      } catch {
        guard error.errno == .exists || error.errno == .notEmpty || error.errno == .notDirectory,
          attempts < 8
        else { throw .payload(.system(error)) }
      }
      if !replacing && holds(payload) {
        try? removeTree(staging, in: handle)
        return
      }
      try replace(name, by: staging)
      if holds(payload) { return }
    }
  }

  /// Puts `staging` in the place of `name`, and removes what was there. Programs that run from there keep
  /// the files that they have open, and find equal ones under the old paths.
  private func replace(_ name: Path, by staging: Path) throws(CacheError) {
    do throws(SystemError) {
      try handle.exchange(staging, with: name)
      try? removeTree(staging, in: handle)
    } catch {
      switch error.errno {
      case .noSuchFile: return
      case .invalidArgument, .noSystemCall, .notSupported:
        // No atomic exchange on this file system: there is a moment without a tree.
        try system { () throws(SystemError) in try removeTree(name, in: handle) }
      default: throw .payload(.system(error))
      }
    }
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

  /// Removes the tree, if there is one. Returns whether there was.
  func remove(_ payload: Payload) throws(CacheError) -> Bool {
    let name = payload.treeName
    guard let directory = try? FileDescriptor.open(name, in: handle, .directory) else {
      return false
    }
    if (try? directory.lock(exclusive: true, wait: false)) == false {
      throw .inUse(path.appending(name.bytes))
    }
    try system { () throws(SystemError) in
      // From here on nobody takes it for a tree.
      if try directory.handle.statusIfExists(of: Seal.fileName) != nil {
        try directory.handle.removeFile(Seal.fileName)
      }
      try removeTree(name, in: handle)
    }
    return true
  }
}

/// The lock that only one of many simultaneous first launches holds.
private struct InstallLock: ~Copyable {
  private let file: FileDescriptor
  private let holdsLock: Bool
  private let directory: DirectoryHandle
  private let name: Path
  /// Whether somebody else may have done the work meanwhile.
  let wasContended: Bool

  /// Waits until nobody else holds the lock, the tree is there, or ten minutes have passed.
  init(_ cache: borrowing CacheDirectory, _ payload: Payload, _ observer: CacheObserver)
    throws(CacheError)
  {
    var name = payload.treeName
    name.append(contentsOf: Path(".lock").bytes)
    let handle = cache.handle
    let lockName = name
    let opened = try system { () throws(SystemError) in
      try FileDescriptor.open(lockName, in: handle, .createLock, mode: 0o600)
    }
    let start = MonotonicClock.now
    var waited = false
    var holdsLock = false
    while true {
      guard let isLocked = try? opened.lock(exclusive: true, wait: false) else { break }
      if isLocked {
        holdsLock = true
        break
      }
      if let signal = TerminationSignals.pending { throw .payload(.interrupted(signal: signal)) }
      waited = true
      if cache.holds(payload) || MonotonicClock.now - start > longestWait { break }
      observer.waiting()
      MonotonicClock.sleep(milliseconds: 10)
    }
    self.name = lockName
    directory = handle
    wasContended = waited
    self.holdsLock = holdsLock
    file = opened
  }

  /// Removes the lock file while it is locked; who waits for it looks at the tree anyway.
  func release() {
    if holdsLock { try? directory.removeFile(name) }
  }
}
