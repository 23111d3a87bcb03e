public import PayloadFormat
public import PayloadReader
public import Posix
public import Reporting

/// A cached tree that is ready for use, with the locks that mark it as in use.
public struct CachedTree: ~Copyable {
  /// The absolute path of the tree's own directory; it replaces `{root}`.
  public let root: Path
  /// Whether this call unpacked it or repaired part of it.
  public let wasUnpacked: Bool
  /// The locks, held until this value ends.
  let use: TreeUse
}

/// The descriptors that a launch holds of a tree in use (docs/launch.md, "The lease"). Both stay open in the
/// program.
struct TreeUse: ~Copyable {
  /// The directory that holds the tree, the seal and the lease. Its shared `flock` keeps away older launchers and
  /// cleaners of temporary directories.
  let directory: FileDescriptor
  /// The lease with a shared lock; nil if there is none. The lock is missing if the file system lacks such locks.
  let lease: Lease?
}

/// Callbacks that show a person how a tree is made ready.
public struct CacheObserver: Sendable {
  public var unpacking: UnpackProgress
  /// Progress of unpacking the replacements of damaged entries.
  public var repairing: UnpackProgress
  public var checking: UnpackProgress
  /// Records the phases, if set.
  public var timeline: Timeline?
  /// Called again and again while another instance unpacks the same tree.
  public var waiting: @Sendable () -> Void
  /// Called if the tree was unpacked although the directory that all users share has one, which cannot be used.
  /// The reason follows the path.
  public var refusedShared: @Sendable (SkippedCandidate) -> Void
  /// Called when files that programs wrote were moved out of a replaced tree.
  public var moved: @Sendable (CacheItem) -> Void

  public init(
    unpacking: @escaping UnpackProgress, repairing: @escaping UnpackProgress = { _, _ in },
    checking: @escaping UnpackProgress, waiting: @escaping @Sendable () -> Void,
    refusedShared: @escaping @Sendable (SkippedCandidate) -> Void = { _ in },
    moved: @escaping @Sendable (CacheItem) -> Void = { _ in }
  ) {
    self.unpacking = unpacking
    self.repairing = repairing
    self.checking = checking
    self.waiting = waiting
    self.refusedShared = refusedShared
    self.moved = moved
  }
}

/// The requirements on a tree that is made ready.
public struct TreeRequest: Sendable {
  /// The check for an existing tree.
  public var check = CheckPolicy.dirs
  /// Throws if the system lacks something that the record's tree needs. Called before the tree is unpacked. Nil
  /// if the tree will not run on this system.
  public var checkSystem: (@Sendable (LaunchRecord) throws(Failure) -> Void)?
  /// Whether the tree must survive a power cut right afterwards. Later launches then skip the one full check
  /// after a reboot. A cache that has become read-only could not record that check (docs/launch.md, "Power
  /// cuts").
  public var isDurable = false
  /// Whether this process executes the program as soon as the tree is ready. The lease then stays open, and
  /// `execve` closes the other descriptors.
  public var precedesExec = false
  /// Nanoseconds to wait for another instance before this one unpacks as well.
  public var longestWait: Int64 = 600 * 1_000_000_000
  public var observer: CacheObserver

  public init(observer: CacheObserver) { self.observer = observer }
}

extension Payload {
  /// The name of the tree's directory in a cache directory: the last 16 bytes of the tree id in hexadecimal.
  public var treeName: Path { CacheDirectory.treeName(of: treeID.bytes) }

  /// The length in bytes of the program's path below a cache directory, with the leading slash.
  fileprivate var programPathLength: Int {
    1 + treeName.count + 1 + treeDirectory.count + 1 + record.entry.count
  }
}

/// The name of the tree in the directory that `Payload.treeName` names.
let treeDirectory = Path("tree")

/// Finds the tree of `payload` in a cache directory, or unpacks it there.
///
/// Uses the first candidate that holds the tree or is writable. Termination signals are held during writes. If
/// one arrives, the unfinished work is removed and `Failure.interrupted` is thrown.
public func openTree(of payload: Payload, _ request: TreeRequest) throws(Failure) -> CachedTree {
  let timeline = request.observer.timeline
  timeline.begin(.find)
  var search = CacheSearch(create: true, room: payload.programPathLength)
  while let cache = search.next() {
    timeline.begin(.check)
    var refusal: CacheRefusal? = nil
    if let tree = try cache.makeReady(payload, request, &refusal) {
      if tree.wasUnpacked, let shared = search.sharedTree(payload.treeName) {
        request.observer.refusedShared(shared)
      }
      return tree
    }
    if refusal == nil && !cache.isWritable
      && (try? cache.handle.status(of: payload.treeName)) != nil
    {
      refusal = .unusableTree
    }
    if let refusal { search.refuse(refusal) }
    timeline.begin(.find)
  }
  throw .noDirectory(search.skipped)
}

/// The path of the tree of `payload`, or the path where it would be unpacked.
public func treePath(of payload: Payload) throws(Failure) -> Path {
  var search = CacheSearch(create: true, room: payload.programPathLength)
  while let cache = search.next() {
    guard cache.isWritable || cache.holds(payload) else { continue }
    if let unsafe = ancestorRefusal(of: cache.path) {
      search.refuse(unsafe)
    } else {
      return cache.treePath(payload)
    }
  }
  throw .noDirectory(search.skipped)
}

extension CacheDirectory {
  static func treeName(of treeID: [UInt8]) -> Path { Path(hexText(treeID.suffix(16)).bytes) }
  /// The name that older launchers gave to the directory of a tree, which had another layout.
  static func olderTreeName(of treeID: [UInt8]) -> Path { Path(hexText(treeID.prefix(16)).bytes) }

  @inline(never)
  func treePath(_ payload: Payload) -> Path {
    path.appending(payload.treeName.bytes).appending(treeDirectory.bytes)
  }

  /// Returns the tree; unpacks or repairs it if needed. Returns nil if the tree is not usable and the cache is
  /// not writable, or if `refusal` gives a reason against this cache.
  fileprivate func makeReady(
    _ payload: Payload, _ request: TreeRequest, _ refusal: inout CacheRefusal?
  ) throws(Failure) -> CachedTree? {
    if let tree = try lookUp(payload, request, &refusal) { return tree }
    guard refusal == nil, isWritable else { return nil }
    if !isNew { refusal = ancestorRefusal(of: path) }
    guard refusal == nil else { return nil }
    request.observer.timeline.begin(.plan)
    try request.checkSystem?(payload.record)
    let tree = try installHoldingSignals(payload, request)
    if request.precedesExec {
      // If this fails, the program runs without a lease, as it does if locks don't work.
      try? tree.use.keepAcrossExec()
    }
    // From here on a signal ends the process by default.
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    return tree
  }

  /// Whether the sealed tree exists.
  @inline(never)
  func holds(_ payload: Payload) -> Bool {
    openSealed(payload, withTable: false) != nil
  }

  /// Calls `lookUp` when the directories above the cache are known to be safe.
  func lookUp(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> CachedTree? {
    var refusal: CacheRefusal? = nil
    return try lookUp(payload, request, &refusal)
  }

  /// Returns the tree if it exists and passes the check. Writes no file, so that a read-only cache is enough.
  private func lookUp(
    _ payload: Payload, _ request: TreeRequest, _ refusal: inout CacheRefusal?
  ) throws(Failure) -> CachedTree? {
    let check = request.check
    let precedesExec = request.precedesExec
    guard
      let sealed = openSealed(payload, withTable: check == .dirs, precedesExec: precedesExec)
    else { return nil }
    if !isKnown(sealed.seal.place) {
      refusal = ancestorRefusal(of: path)
      guard refusal == nil else { return nil }
    }
    let isConfirmed = sealed.seal.isConfirmed(leavesOpen: precedesExec)
    if isConfirmed && (sealed.seal.isDurable || !request.isDurable) {
      switch check {
      case .seal: return finish(sealed, payload, request)
      case .dirs:
        if let root = sealed.openRoot() {
          if sealed.seal.directoriesMatch(in: root.handle, leavesOpen: precedesExec) {
            return finish(sealed, payload, request)
          }
          // The times of a copied tree cannot match the seal, and this cache cannot be sealed again.
          if !isWritable && sealed.seal.isOfCopy(in: root.handle) {
            return finish(sealed, payload, request)
          }
        }
      case .files, .full: break
      }
    }
    // A failed check escalates. If the cache is writable, the repair is made under the lock.
    let canMend = isWritable
    if canMend && request.isDurable && !sealed.seal.isDurable { return nil }
    if canMend && (!isConfirmed || check == .seal || check == .dirs) { return nil }
    guard let root = sealed.openRoot() else { return nil }
    let manifest = try payload.readManifest()
    let matches = try treeMatches(
      root.handle, manifest, hashing: check != .files || !isConfirmed ? .all : .whereTimesDiffer,
      progress: request.observer.checking)
    guard matches else { return nil }
    return finish(sealed, payload, request)
  }

  /// Returns the tree, and marks it as used today for clean-up (docs/launch.md, "Clean-up").
  private func finish(
    _ sealed: consuming SealedDirectory, _ payload: Payload, _ request: TreeRequest
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

extension TreeUse {
  borrowing func keepAcrossExec() throws(Failure) {
    try directory.keepAcrossExec()
    try lease?.file.keepAcrossExec()
  }
}

/// The open directory of a tree; only its owner can write to it.
struct OwnedDirectory: ~Copyable {
  let directory: FileDescriptor
  /// The modification time is the day of the last use.
  let status: FileStatus

  consuming func release() -> FileDescriptor { directory }
}

/// The open directory of a tree, its lease and its seal.
struct SealedDirectory: ~Copyable {
  let use: TreeUse
  let status: FileStatus
  let seal: Seal
  /// The open seal.
  let file: FileDescriptor

  func openRoot() -> FileDescriptor? {
    try? FileDescriptor.open(treeDirectory, in: use.directory.handle, .directory)
  }
}

extension Seal {
  /// Whether no power cut can have undone what the seal records: it was written in this boot, or confirmed after
  /// a reboot.
  func isConfirmed(leavesOpen: Bool = false) -> Bool {
    isDurable || bootID == currentBootID(leavesOpen: leavesOpen)
  }
}
