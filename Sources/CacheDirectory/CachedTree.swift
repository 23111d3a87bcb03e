public import PayloadFormat
public import PayloadReader
public import Posix

/// A cached tree that is ready to be used, and the lease on it.
public struct CachedTree: ~Copyable {
  /// The tree's own directory: what `{root}` stands for. Absolute.
  public let root: Path
  /// The lease: a shared lock on the directory that holds tree and seal, for as long as this is open.
  public let lease: FileDescriptor
  /// Whether it had to be unpacked.
  public let wasUnpacked: Bool
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

  public init(
    unpacking: @escaping UnpackProgress, repairing: @escaping UnpackProgress = { _, _ in },
    checking: @escaping UnpackProgress, waiting: @escaping @Sendable () -> Void
  ) {
    self.unpacking = unpacking
    self.repairing = repairing
    self.checking = checking
    self.waiting = waiting
  }
}

/// How a tree is to be made ready.
public struct TreeRequest: Sendable {
  /// What is checked of a tree that is there.
  public var check = CheckPolicy.dirs
  /// Whether the tree is to run on this system: before it is unpacked, what it needs of the system is looked
  /// for (`requireGlibc`).
  public var willRun = true
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
  /// The name of the tree's directory in a cache directory: the first 16 bytes of the tree id, in hexadecimal.
  public var treeName: Path { CacheDirectory.treeName(of: treeID.bytes) }
}

/// The name of the tree below the directory that `Payload.treeName` names.
let treeDirectory = Path("tree")

/// Finds the tree of `payload` in a cache directory, or unpacks it there.
///
/// The first candidate that holds the tree or can be written to is used. Termination signals are held while
/// something is written: where one comes, what was begun is removed and `PayloadError.interrupted` thrown.
public func openTree(of payload: Payload, _ request: TreeRequest) throws(CacheError) -> CachedTree {
  let timeline = request.observer.timeline
  timeline.begin(.find)
  var search = CacheSearch(create: true)
  while let cache = search.next() {
    timeline.begin(.check)
    do throws(PayloadError) {
      if let tree = try cache.makeReady(payload, request) { return tree }
    } catch { throw .payload(error) }
    timeline.begin(.find)
  }
  throw .noDirectory(search.skipped)
}

/// Where the tree of `payload` is, or would be unpacked to.
public func treePath(of payload: Payload) throws(CacheError) -> Path {
  var search = CacheSearch(create: true)
  while let cache = search.next() {
    if cache.isWritable || cache.holds(payload) { return cache.treePath(payload) }
  }
  throw .noDirectory(search.skipped)
}

extension CacheDirectory {
  static func treeName(of treeID: [UInt8]) -> Path { Path(hexText(treeID.prefix(16)).bytes) }

  func treePath(_ payload: Payload) -> Path {
    path.appending(payload.treeName.bytes).appending(treeDirectory.bytes)
  }

  /// The tree, unpacked where it is not there or damaged; nil where it isn't and the cache can't be written to.
  fileprivate func makeReady(_ payload: Payload, _ request: TreeRequest) throws(PayloadError)
    -> CachedTree?
  {
    if let tree = try lookUp(payload, request) { return tree }
    guard isWritable else { return nil }
    request.observer.timeline.begin(.plan)
    if request.willRun { try requireGlibc(for: payload.record) }
    let tree = try installHoldingSignals(payload, request)
    if request.precedesExec {
      do throws(SystemError) { try tree.lease.keepAcrossExec() } catch { throw .system(error) }
    }
    // From here on a signal ends the process by itself.
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    return tree
  }

  /// Whether the tree is there, sealed.
  func holds(_ payload: Payload) -> Bool {
    openSealed(payload, withTable: false) != nil
  }

  /// The tree, if it is there and passes the check. Writes nothing, so that a read-only cache will do.
  func lookUp(_ payload: Payload, _ request: TreeRequest) throws(PayloadError) -> CachedTree? {
    let check = request.check
    let precedesExec = request.precedesExec
    guard
      let sealed = openSealed(payload, withTable: check == .dirs, precedesExec: precedesExec)
    else { return nil }
    let isConfirmed = sealed.seal.isConfirmed(leavesOpen: precedesExec)
    if isConfirmed && (sealed.seal.isDurable || !request.isDurable) {
      switch check {
      case .seal: return use(sealed, payload, request)
      case .dirs:
        if let root = sealed.openRoot(),
          sealed.seal.directoriesMatch(in: root.handle, leavesOpen: precedesExec)
        {
          return use(sealed, payload, request)
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
    let hashing = check != .files || !isConfirmed
    let matches = try treeMatches(
      root.handle, manifest, hashing: hashing, progress: request.observer.checking)
    guard matches else { return nil }
    return use(sealed, payload, request)
  }

  /// The tree, of which it is noted that it is used today: clean-up goes by that (docs/launch.md, "Clean-up").
  private func use(
    _ sealed: consuming SealedDirectory, _ payload: Payload, _ request: TreeRequest
  ) -> CachedTree {
    let status = sealed.status
    let age = WallClock.seconds(since: status.modified)
    // Once a day is enough, and costs other launches nothing. A time to come is a clock's that was wrong.
    if age >= secondsOfDay || age <= -secondsOfDay, status.user == ProcessContext.effectiveUser,
      isWritable
    {
      try? sealed.directory.setModificationTimeToNow()
    }
    if request.precedesExec { ProcessContext.leaveFilesOpen() }
    return CachedTree(root: treePath(payload), lease: sealed.directory, wasUnpacked: false)
  }

  /// Opens the directory of a tree whose seal is whole, and takes the lease.
  func openSealed(_ payload: Payload, withTable: Bool, precedesExec: Bool = false)
    -> SealedDirectory?
  {
    guard let owned = openOwned(payload.treeName, precedesExec ? .leaseDirectory : .directory),
      owned.takeLease(), let file = Seal.open(in: owned.directory.handle),
      let seal = Seal(reading: file, treeID: payload.treeID, withTable: withTable)
    else { return nil }
    let status = owned.status
    return SealedDirectory(
      directory: owned.release(), status: status, seal: seal, file: consume file)
  }

  /// Opens the directory of a tree, if it is the user's or root's and nobody else can write to it.
  func openOwned(_ name: Path, _ options: OpenOptions = .directory) -> OwnedDirectory? {
    guard let directory = try? FileDescriptor.open(name, in: handle, options),
      let status = try? directory.status(),
      status.isOnlyOurs
    else { return nil }
    return OwnedDirectory(directory: directory, status: status)
  }
}

let secondsOfDay: Int64 = 86_400

/// The open directory of a tree, which nobody else can write to.
struct OwnedDirectory: ~Copyable {
  let directory: FileDescriptor
  /// Its modification time is the tree's last use, by the day.
  let status: FileStatus

  /// Takes the lease. Returns false where somebody holds the lock alone: the tree is being removed. Where locks
  /// don't work there is no lease, and all else is the same.
  func takeLease() -> Bool {
    for attempt in 0..<5 {
      guard let isLocked = try? directory.lock(exclusive: false, wait: false) else { return true }
      if isLocked { return true }
      // Who lists a cache asks in this way, for a moment, whether the tree is in use.
      if attempt < 4 { MonotonicClock.sleep(milliseconds: 2) }
    }
    return false
  }

  consuming func release() -> FileDescriptor { directory }
}

/// The open directory of a tree, with the lease, and its seal.
struct SealedDirectory: ~Copyable {
  let directory: FileDescriptor
  let status: FileStatus
  let seal: Seal
  /// The seal's.
  let file: FileDescriptor

  func openRoot() -> FileDescriptor? {
    try? FileDescriptor.open(treeDirectory, in: directory.handle, .directory)
  }
}

extension Seal {
  /// Whether no power cut can have undone what the seal says: it was written in this boot, or confirmed
  /// after one.
  func isConfirmed(leavesOpen: Bool = false) -> Bool {
    isDurable || bootID == currentBootID(leavesOpen: leavesOpen)
  }
}
