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
  /// How long another instance may take before this one unpacks as well, in nanoseconds.
  public var longestWait: Int64 = 600 * 1_000_000_000
  public var observer: CacheObserver

  public init(observer: CacheObserver) { self.observer = observer }
}

extension Payload {
  /// The name of the tree's directory in a cache directory: the first 16 bytes of the tree id, in hexadecimal.
  public var treeName: Path { Path(hexText(treeID.bytes.prefix(16)).bytes) }
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
  return try withFirstCache { (cache) throws(CacheError) -> CachedTree? in
    timeline.begin(.check)
    if let tree = try cache.lookUp(payload, request) { return tree }
    guard cache.isWritable else {
      timeline.begin(.find)
      return nil
    }
    timeline.begin(.plan)
    if request.willRun {
      try reading { () throws(PayloadError) in try requireGlibc(for: payload.record) }
    }
    let tree = try cache.installHoldingSignals(payload, request)
    // From here on a signal ends the process by itself.
    if let signal = TerminationSignals.pending { throw .payload(.interrupted(signal: signal)) }
    return tree
  }
}

/// Where the tree of `payload` is, or would be unpacked to.
public func treePath(of payload: Payload) throws(CacheError) -> Path {
  try withFirstCache { (cache) throws(CacheError) -> Path? in
    cache.isWritable || cache.holds(payload) ? cache.treePath(payload) : nil
  }
}

/// What `body` makes of the first candidate that passes all checks and of which it makes something. It
/// returns nil for one that does not hold the tree and can't be written to.
private func withFirstCache<Result: ~Copyable>(
  _ body: (borrowing CacheDirectory) throws(CacheError) -> Result?
) throws(CacheError) -> Result {
  var skipped: [SkippedCandidate] = []
  for candidate in Candidates().list {
    var reason: StaticString = candidate.refusal ?? "can't be written to"
    if candidate.refusal == nil,
      let cache = CacheDirectory.open(candidate.path, create: true, reason: &reason),
      let result = try body(cache)
    {
      return result
    }
    skipped.append(SkippedCandidate(path: candidate.path, reason: reason))
  }
  throw .noDirectory(skipped)
}

/// Removes the tree of `payload`, and what interrupted launches left of it, from every cache directory.
/// Returns the directories that were removed.
public func removeTrees(of payload: Payload) throws(CacheError) -> [Path] {
  var removed: [Path] = []
  for candidate in Candidates().list where candidate.refusal == nil {
    var reason: StaticString = ""
    guard let cache = CacheDirectory.open(candidate.path, create: false, reason: &reason),
      cache.isWritable
    else { continue }
    if try cache.remove(payload) { removed.append(cache.path.appending(payload.treeName.bytes)) }
    cache.reclaimStaging(of: payload)
    cache.reclaimLock(of: payload)
  }
  return removed
}

extension CacheDirectory {
  func treePath(_ payload: Payload) -> Path {
    path.appending(payload.treeName.bytes).appending(treeDirectory.bytes)
  }

  /// Whether the tree is there, sealed.
  func holds(_ payload: Payload) -> Bool {
    openSealed(payload, withTable: false) != nil
  }

  /// The tree, if it is there and passes the check. Writes nothing, so that a read-only cache will do.
  func lookUp(_ payload: Payload, _ request: TreeRequest) throws(CacheError) -> CachedTree? {
    let check = request.check
    guard let sealed = openSealed(payload, withTable: check == .dirs) else { return nil }
    let isConfirmed = sealed.seal.isConfirmed
    if isConfirmed {
      switch check {
      case .seal:
        return CachedTree(root: treePath(payload), lease: sealed.release(), wasUnpacked: false)
      case .dirs:
        if let root = sealed.openRoot(), sealed.seal.directoriesMatch(in: root.handle) {
          return CachedTree(root: treePath(payload), lease: sealed.release(), wasUnpacked: false)
        }
      case .files, .full: break
      }
    }
    // A check that failed escalates. Where the tree can be mended, that is done under the lock.
    let canMend = isWritable
    if canMend && (!isConfirmed || check == .seal || check == .dirs) { return nil }
    guard let root = sealed.openRoot() else { return nil }
    let manifest = try reading { () throws(PayloadError) in try payload.readManifest() }
    let hashing = check != .files || !isConfirmed
    let matches = try reading { () throws(PayloadError) in
      try treeMatches(root.handle, manifest, hashing: hashing, progress: request.observer.checking)
    }
    guard matches else { return nil }
    return CachedTree(root: treePath(payload), lease: sealed.release(), wasUnpacked: false)
  }

  /// Opens the directory of a tree whose seal is whole, and takes the lease.
  func openSealed(_ payload: Payload, withTable: Bool) -> SealedDirectory? {
    guard let directory = openOwned(payload) else { return nil }
    // Where locks don't work there is no lease, and all else is the same. A lock that somebody holds
    // alone means that the tree is being removed.
    if let isLocked = try? directory.lock(exclusive: false, wait: false), !isLocked { return nil }
    guard let seal = Seal.read(in: directory.handle, treeID: payload.treeID, withTable: withTable)
    else { return nil }
    return SealedDirectory(directory: directory, seal: seal)
  }

  /// Opens the directory of the tree, if it is the user's or root's and nobody else can write to it.
  func openOwned(_ payload: Payload) -> FileDescriptor? {
    guard let directory = try? FileDescriptor.open(payload.treeName, in: handle, .directory),
      let status = try? directory.status(),
      status.isOnlyOurs
    else { return nil }
    return directory
  }
}

/// The open directory of a tree, and its seal.
struct SealedDirectory: ~Copyable {
  let directory: FileDescriptor
  let seal: Seal

  func openRoot() -> FileDescriptor? {
    try? FileDescriptor.open(treeDirectory, in: directory.handle, .directory)
  }

  consuming func release() -> FileDescriptor { directory }
}

extension Seal {
  /// Whether no power cut can have undone what the seal says: it was written in this boot, or confirmed
  /// after one.
  var isConfirmed: Bool { isDurable || bootID == currentBootID() }
}
