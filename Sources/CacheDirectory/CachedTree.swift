public import PayloadFormat
public import PayloadReader
public import Posix
public import Reporting

/// A cached tree that is ready to be used, and what tells others that it is used.
public struct CachedTree: ~Copyable {
  /// The tree's own directory: what `{root}` stands for. Absolute.
  public let root: Path
  /// Whether it had to be unpacked.
  public let wasUnpacked: Bool
  /// Held for as long as this is open.
  let use: TreeUse
}

/// What a launch holds of a tree that it uses (docs/launch.md, "The lease"). Both stay open in the program.
struct TreeUse: ~Copyable {
  /// The directory that holds tree, seal and lease: with a shared `flock`, which keeps cleaners of temporary directories
  /// off, and older launchers.
  let directory: FileDescriptor
  /// With a shared lock; nil where there is none, or such locks don't work.
  let lease: Lease?
}

/// Is told what happens while a tree is made ready, to show it to a person.
public struct CacheObserver: Sendable {
  public var unpacking: UnpackProgress
  /// Unpacking what is to replace something damaged.
  public var repairing: UnpackProgress
  public var checking: UnpackProgress
  /// Gets the phases, where that is asked for.
  public var timeline: Timeline?
  /// Another instance is unpacking the same tree; called again and again until it is done.
  public var waiting: @Sendable () -> Void
  /// The tree is unpacked although the directory that all users share is there, which can't be used: why, to be read
  /// after its path.
  public var refusedShared: @Sendable (SkippedCandidate) -> Void
  /// Files of programs were moved out of a tree that was replaced.
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

/// How a tree is to be made ready.
public struct TreeRequest: Sendable {
  /// What is checked of a tree that is there.
  public var check = CheckPolicy.dirs
  /// Fails if the system lacks what the tree of a record needs. Called before the tree is unpacked; nil if the tree is not to
  /// run on this system.
  public var checkSystem: (@Sendable (LaunchRecord) throws(Failure) -> Void)?
  /// Whether the tree must outlive a power cut that follows at once: the launches after it need not check it
  /// in full once, which a cache that is read-only then could not note (docs/launch.md, "Power cuts").
  public var isDurable = false
  /// Whether this process executes the program as soon as the tree is ready: the lease stays open then, and the kernel
  /// closes what else was opened on the way.
  public var precedesExec = false
  /// How long another instance may take before this one unpacks as well, in nanoseconds.
  public var longestWait: Int64 = 600 * 1_000_000_000
  public var observer: CacheObserver

  public init(observer: CacheObserver) { self.observer = observer }
}

extension Payload {
  /// The name of the tree's directory in a cache directory: the last 16 bytes of the tree id, in hexadecimal.
  public var treeName: Path { CacheDirectory.treeName(of: treeID.bytes) }

  /// Bytes of the path of the program below a cache directory, with the slash before it.
  fileprivate var programPathLength: Int {
    1 + treeName.count + 1 + treeDirectory.count + 1 + record.entry.count
  }
}

/// The name of the tree below the directory that `Payload.treeName` names.
let treeDirectory = Path("tree")

/// Finds the tree of `payload` in a cache directory, or unpacks it there.
///
/// The first candidate that holds the tree or can be written to is used. Termination signals are held while
/// something is written: where one comes, what was begun is removed and `Failure.interrupted` is thrown.
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

/// Where the tree of `payload` is, or would be unpacked to.
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
  /// What older launchers named the directory of a tree, which had another layout.
  static func olderTreeName(of treeID: [UInt8]) -> Path { Path(hexText(treeID.prefix(16)).bytes) }

  @inline(never)
  func treePath(_ payload: Payload) -> Path {
    path.appending(payload.treeName.bytes).appending(treeDirectory.bytes)
  }

  /// The tree, unpacked where it is not there or damaged; nil where it isn't and the cache can't be written to, or where
  /// `refusal` says why it must not be.
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
      // Without it the program has no lease, as where locks don't work.
      try? tree.use.keepAcrossExec()
    }
    // From here on a signal ends the process by itself.
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    return tree
  }

  /// Whether the tree is there, sealed.
  @inline(never)
  func holds(_ payload: Payload) -> Bool {
    openSealed(payload, withTable: false) != nil
  }

  /// `lookUp`, where everything above the cache directory is known to be safe.
  func lookUp(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> CachedTree? {
    var refusal: CacheRefusal? = nil
    return try lookUp(payload, request, &refusal)
  }

  /// The tree, if it is there and passes the check. Writes nothing, so that a read-only cache will do.
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
          // A tree whose times can't be those of the seal, and that can't be sealed anew.
          if !isWritable && sealed.seal.isOfCopy(in: root.handle) {
            return finish(sealed, payload, request)
          }
        }
      case .files, .full: break
      }
    }
    // A check that failed escalates. Where the tree can be mended, that is done under the lock.
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

  /// The tree, of which it is noted that it is used today: clean-up goes by that (docs/launch.md, "Clean-up").
  private func finish(
    _ sealed: consuming SealedDirectory, _ payload: Payload, _ request: TreeRequest
  ) -> CachedTree {
    let status = sealed.status
    let age = WallClock.seconds(since: status.modified)
    // Once a day is enough, and costs other launches nothing. A time in the future means that the clock was wrong.
    if age >= secondsOfDay || age <= -secondsOfDay, status.user == ProcessContext.owner, isWritable
    {
      try? sealed.use.directory.setModificationTimeToNow()
    }
    if request.precedesExec { ProcessContext.leaveFilesOpen() }
    return CachedTree(root: treePath(payload), wasUnpacked: false, use: sealed.use)
  }

  /// Opens the directory of a tree whose seal is whole, and takes the lease.
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

  /// Opens the directory of a tree, if it is the user's or root's and nobody else can write to it.
  @inline(never)
  func openOwned(_ name: Path, _ options: OpenOptions = .directory) -> OwnedDirectory? {
    guard let directory = try? FileDescriptor.open(name, in: handle, options),
      let status = try? directory.status(),
      status.isOnlyOurs
    else { return nil }
    return OwnedDirectory(directory: directory, status: status)
  }

  /// Takes the lease of the tree in `directory`, which has the name `name`. Nil where the tree is being removed: it had the
  /// lock of who does that, and then not its name any more.
  ///
  /// Not to get it is no damage. Who removes a tree holds the lock only until the tree has another name; one that is held
  /// for longer, by a process that was stopped, is no reason not to use the tree.
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

/// How often a lease is asked for that somebody holds alone, and milliseconds between: for a second.
private let leaseAttempts = 200
private let leasePause: UInt32 = 5

extension TreeUse {
  borrowing func keepAcrossExec() throws(Failure) {
    try directory.keepAcrossExec()
    try lease?.file.keepAcrossExec()
  }
}

/// The open directory of a tree, which nobody else can write to.
struct OwnedDirectory: ~Copyable {
  let directory: FileDescriptor
  /// Its modification time is the tree's last use, by the day.
  let status: FileStatus

  consuming func release() -> FileDescriptor { directory }
}

/// The open directory of a tree, with the lease, and its seal.
struct SealedDirectory: ~Copyable {
  let use: TreeUse
  let status: FileStatus
  let seal: Seal
  /// The seal's.
  let file: FileDescriptor

  func openRoot() -> FileDescriptor? {
    try? FileDescriptor.open(treeDirectory, in: use.directory.handle, .directory)
  }
}

extension Seal {
  /// Whether no power cut can have undone what the seal says: it was written in this boot, or confirmed
  /// after one.
  func isConfirmed(leavesOpen: Bool = false) -> Bool {
    isDurable || bootID == currentBootID(leavesOpen: leavesOpen)
  }
}
