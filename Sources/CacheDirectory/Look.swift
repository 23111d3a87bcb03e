internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// LOOK: whether the tree is there and sealed, and passes the check (docs/launch.md, "Checks"). Writes no file, so
// that a read-only cache is enough.

/// The result of LOOK.
enum Look {
  case passes(SealedDirectory)
  /// The directories above the cache directory are not safe.
  case isUnsafe(CacheRefusal)
  /// The tree is there and sealed, and fails the check.
  case fails(SealedDirectory)
  /// There is no tree with an intact seal, or another process is removing it.
  case isMissing
}

extension CacheDirectory {
  func look(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> Look {
    request.observer.timeline.begin(.check)
    return try lookUp(payload, request)
  }

  /// LOOK AGAIN: the tree, if another instance has made it ready.
  @inline(never)
  func lookAgain(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> CachedTree? {
    guard case .passes(let sealed) = try look(payload, request) else { return nil }
    return finish(sealed, payload, request)
  }

  @inline(never)
  func lookUp(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> Look {
    let precedesExec = request.precedesExec
    guard
      let sealed = openSealed(
        payload, withTable: request.check == .dirs, precedesExec: precedesExec)
    else { return .isMissing }
    if !isKnown(sealed.seal.place), let refusal = ancestorRefusal(of: path) {
      return .isUnsafe(refusal)
    }
    let isConfirmed = sealed.seal.isConfirmed(leavesOpen: precedesExec)
    sealed.isTrusted = isConfirmed && (sealed.seal.isDurable || !request.isDurable)
    guard sealed.isTrusted, try passes(request.check, sealed, payload, request) else {
      return .fails(sealed)
    }
    return .passes(sealed)
  }

  private func passes(
    _ check: CheckPolicy, _ sealed: SealedDirectory, _ payload: Payload,
    _ request: TreeRequest
  ) throws(Failure) -> Bool {
    switch check {
    case .seal: return true
    case .dirs:
      guard let root = sealed.openRoot() else { return false }
      return sealed.seal.directoriesMatch(in: root, leavesOpen: request.precedesExec)
    case .files: return try matches(sealed, payload, hashing: .whereTimesDiffer, request)
    case .full: return try matches(sealed, payload, hashing: .all, request)
    }
  }

  private func matches(
    _ sealed: SealedDirectory, _ payload: Payload, hashing: Hashing,
    _ request: TreeRequest
  ) throws(Failure) -> Bool {
    guard let root = sealed.openRoot() else { return false }
    return try treeMatches(
      root, try payload.readManifest(), hashing: hashing,
      progress: request.observer.checking)
  }

  /// Returns a tree that failed its check, in a cache that can't be written to, if it is a confirmed copy or right
  /// in full. The times of a copy cannot match the seal, and this cache cannot be sealed again.
  @inline(never)
  func useAsItIs(
    _ sealed: SealedDirectory, _ payload: Payload, _ request: TreeRequest
  ) throws(Failure) -> CachedTree? {
    if sealed.isTrusted {
      // The failed check has compared the files.
      guard request.check == .dirs else { return nil }
      if let root = sealed.openRoot(), sealed.seal.isOfCopy(in: root) {
        return finish(sealed, payload, request)
      }
    }
    guard try matches(sealed, payload, hashing: .all, request) else { return nil }
    return finish(sealed, payload, request)
  }

  /// Whether something has the tree's name.
  func hasEntry(_ treeName: Path) -> Bool { (try? handle.status(of: treeName)) != nil }

  /// Whether the sealed tree exists.
  @inline(never)
  func holds(_ payload: Payload) -> Bool {
    openSealed(payload, withTable: false) != nil
  }

  /// Returns the tree, and marks it as used today for clean-up (docs/launch.md, "Clean-up").
  @inline(never)
  func finish(
    _ sealed: SealedDirectory, _ payload: Payload, _ request: TreeRequest
  ) -> CachedTree {
    let status = sealed.status
    let age = WallClock.seconds(since: status.modified)
    // Once a day is enough and costs other launches nothing. A time in the future means that the clock was wrong.
    if age >= secondsOfDay || age <= -secondsOfDay, status.user == ProcessContext.owner, isWritable
    {
      try? sealed.use.directory.setModificationTimeToNow()
    }
    if request.precedesExec { ProcessContext.leaveFilesOpen() }
    return CachedTree(root: treePath(payload), wasUnpacked: false, use: sealed.use)
  }

  /// Opens the directory of a tree with an intact seal, and takes the lease.
  @inline(never)
  func openSealed(_ payload: Payload, withTable: Bool, precedesExec: Bool = false)
    -> SealedDirectory?
  {
    guard let owned = openOwned(payload.treeName, precedesExec ? .leaseDirectory : .directory)
    else { return nil }
    let status = owned.status
    guard let use = takeLease(owned.release(), payload.treeName, precedesExec: precedesExec),
      let file = Seal.open(in: use.directory.handle),
      let seal = Seal(reading: file, treeID: payload.treeID, withTable: withTable)
    else { return nil }
    return SealedDirectory(use: use, status: status, seal: seal, file: consume file)
  }

  /// Opens the directory of a tree if it belongs to the user or root and only its owner can write to it.
  @inline(never)
  func openOwned(_ name: Path, _ options: OpenOptions = .directory) -> OwnedDirectory? {
    guard let directory = try? FileDescriptor.open(name, in: handle, options),
      let status = try? directory.status(),
      status.isOnlyOurs
    else { return nil }
    return OwnedDirectory(directory: directory, status: status)
  }

  /// Takes the lease of the tree in `directory`, whose name is `name`. Returns nil if another process is removing
  /// the tree: it held the lock, and then the name was gone.
  ///
  /// The tree is usable even without the lock. A process that removes a tree holds the lock only until it has
  /// renamed the tree. If a stopped process holds it for longer, the tree is used without it.
  @inline(never)
  func takeLease(_ directory: consuming FileDescriptor, _ name: Path, precedesExec: Bool = false)
    -> TreeUse?
  {
    _ = try? directory.lock(exclusive: false, wait: false)
    guard let lease = Lease.open(in: directory.handle, precedesExec ? .lease : .readNoFollow) else {
      return TreeUse(directory: directory, lease: nil)
    }
    var attempt = 0
    while lease.lock(exclusive: false) == .refused && attempt < leaseAttempts {
      MonotonicClock.sleep(milliseconds: leasePause)
      guard directory.isNamed(name, in: handle) else { return nil }
      attempt += 1
    }
    return TreeUse(directory: directory, lease: lease)
  }
}

let secondsOfDay: Int64 = 86_400

/// How often to ask for a lease that another process holds exclusively, and the pause in milliseconds: one second
/// in all.
private let leaseAttempts = 200
private let leasePause: UInt32 = 5

/// The open directory of a tree; only its owner can write to it.
struct OwnedDirectory: ~Copyable {
  let directory: FileDescriptor
  /// The modification time is the day of the last use.
  let status: FileStatus

  consuming func release() -> FileDescriptor { directory }
}

/// The open directory of a tree, its lease and its seal.
final class SealedDirectory {
  let use: TreeUse
  let status: FileStatus
  let seal: Seal
  /// The open seal.
  let file: FileDescriptor
  /// Whether no power cut can have undone what the seal records, and the tree is as durable as the request asks.
  var isTrusted = false
  private var root: FileDescriptor? = nil

  init(use: TreeUse, status: FileStatus, seal: Seal, file: consuming FileDescriptor) {
    self.use = use
    self.status = status
    self.seal = seal
    self.file = file
  }

  /// The tree; nil if it can't be opened. It stays open as long as this object lives.
  func openRoot() -> DirectoryHandle? {
    if root == nil {
      root = try? FileDescriptor.open(treeDirectory, in: use.directory.handle, .directory)
    }
    return root?.handle
  }
}

extension Seal {
  /// Whether no power cut can have undone what the seal records: it was written in this boot, or confirmed after
  /// a reboot.
  func isConfirmed(leavesOpen: Bool = false) -> Bool {
    isDurable || bootID == currentBootID(leavesOpen: leavesOpen)
  }
}
