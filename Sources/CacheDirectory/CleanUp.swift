internal import PayloadFormat
public import Posix

// What is removed from a cache directory, and when (docs/launch.md, "Clean-up"). Nothing here follows a symlink,
// nor touches what is another user's or does not carry Onefold's mark: a lease, or a seal.

/// Days for which an unused tree is kept where its launch record does not say.
public let defaultKeepDays = 30

/// Which of the trees in a cache directory a clean-up removes. None that is in use, and none of another user's.
public struct CleanUp: Sendable {
  /// This tree only (`Payload.treeName`), whenever it was used, and whether or not locks work that would tell that it
  /// is in use; nil: all.
  public var tree: Path? = nil
  /// Trees of the application of this name only; nil: of all.
  public var application: [UInt8]? = nil
  /// Days for which an unused tree is kept; nil: as its seal says.
  public var keepDays: Int? = nil
  /// How many trees of each application are kept in any case, those that were used last.
  public var keepNewest = 2
  /// All trees, whenever they were used; `keepDays` and `keepNewest` don't count then.
  public var removesAll = false
  /// Of `MonotonicClock`: then it stops. What is half removed is hidden, and the next clean-up goes on with it.
  public var deadline: Int64 = .max
  /// Tells what would be removed, and removes nothing.
  public var isDryRun = false

  public init() {}
}

/// Something in a cache directory.
public final class CacheItem: Sendable {
  public enum Kind: Sendable, Equatable {
    /// A tree with a whole seal.
    case tree
    /// A tree without one, which has the lease: something removed the seal, or damaged it.
    case unsealed
    /// What a launch that was killed left: a staging directory, or a tree that was half removed.
    case leftover
    /// Files that a program wrote into a tree that was removed since. They are never removed.
    case kept
    /// What does not carry Onefold's mark. It is never removed.
    case unknown
  }

  public let kind: Kind
  /// In the cache directory.
  public let name: Path
  /// The cache directory.
  public let directory: Path
  /// Of the onefile that sealed the tree; empty for others than trees.
  public let application: [UInt8]
  public let version: [UInt8]
  /// Bytes of the content of all files, by the seal.
  public let bytes: UInt64
  /// By the day.
  public let lastUse: FileTime
  public let keepDays: Int
  /// Whether a program runs from it, or a launch works at it.
  public let isInUse: Bool
  /// Whether an older launcher made it, whose programs hold another lock.
  let isOlder: Bool
  /// Whether it is the user's own, so that the user can remove it.
  public let isOwn: Bool

  init(
    _ kind: Kind, name: Path, directory: Path, seal: Seal? = nil, status: FileStatus,
    isInUse: Bool = false
  ) {
    let owner = seal?.owner
    self.kind = kind
    self.name = name
    self.directory = directory
    application = owner?.name ?? []
    version = owner?.version ?? []
    bytes = owner?.bytes ?? 0
    keepDays = owner?.keepDays ?? defaultKeepDays
    lastUse = status.modified
    isOlder = seal?.isOlder ?? false
    self.isInUse = isInUse
    isOwn = status.user == ProcessContext.owner
  }

  public var path: Path { directory.appending(name.bytes) }
}

/// What a clean-up did.
public struct CleanUpResult: Sendable {
  public var removed: [CacheItem] = []
  /// What would have been removed if nobody used it.
  public var inUse: [CacheItem] = []
  /// Files of programs, which were moved out of removed trees.
  public var kept: [CacheItem] = []
  public var failures: [Failure] = []

  public init() {}
}

/// What is in the cache directories of this user, and in the one that all users share, or in `directory` alone; and what
/// kept it from looking at the rest.
public func listCaches(in directory: Path? = nil) -> (items: [CacheItem], failures: [Failure]) {
  var items: [CacheItem] = []
  var search = CacheSearch(given: directory, create: false)
  var failures: [Failure] = []
  while let cache = search.next() {
    items += cache.items(&failures, RunningPrograms(in: cache))
  }
  return (items, failures + search.failures)
}

/// Cleans up all cache directories that this user can write to; or `directory` alone.
public func cleanUpCaches(_ cleanUp: CleanUp, in directory: Path? = nil) -> CleanUpResult {
  var result = CleanUpResult()
  var search = CacheSearch(given: directory, create: false)
  while let cache = search.next() {
    if cache.isWritable { cache.cleanUp(cleanUp, &result) }
  }
  result.failures += search.failures
  return result
}

/// Cleans up the cache directory that `tree` is in, if this user can write to it.
public func cleanUpCache(of tree: borrowing CachedTree, _ cleanUp: CleanUp) -> CleanUpResult {
  cleanUpCaches(cleanUp, in: tree.root.parent.parent)
}

/// Why `directory` can't be a cache directory of this user, to be read after its name; nil where it can.
public func refusal(ofCache directory: Path) -> Text? {
  var reason: CacheRefusal = ""
  let candidate = Candidates.Candidate(path: directory, refusal: nil)
  let cache = CacheDirectory.open(candidate, create: false, reason: &reason)
  return cache == nil ? reason.text : nil
}

extension CacheDirectory {
  // MARK: Looking

  /// Everything in the directory but lock files, and but what could not be looked at. Takes no lock. `running`: programs
  /// that tell what is in use although they hold no lease.
  func items(_ failures: inout [Failure], _ running: RunningPrograms?) -> [CacheItem] {
    var items: [CacheItem] = []
    do throws(Failure) {
      for name in try handle.names() {
        do throws(Failure) {
          if let item = try item(Path(name), running) { items.append(item) }
        } catch { failures.append(error) }
      }
    } catch { failures.append(error) }
    return items
  }

  /// Opens a directory that Onefold may have made; nil where there is none, or it is another user's to open.
  @inline(never)
  private func openItem(_ name: Path) throws(Failure) -> FileDescriptor? {
    do throws(Failure) {
      return try FileDescriptor.open(name, in: handle, .directory)
    } catch {
      // What is no directory any more is nothing of ours either.
      guard let status = try? handle.status(of: name), status.kind == .directory,
        status.user == ProcessContext.owner
      else { return nil }
      throw error
    }
  }

  /// What `name` is; nil for the lock file of a launch, and for what is gone.
  private func item(_ name: Path, _ running: RunningPrograms?) throws(Failure) -> CacheItem? {
    guard let status = try handle.statusIfExists(of: name) else { return nil }
    let unknown = CacheItem(.unknown, name: name, directory: path, status: status)
    switch CacheName([UInt8](name.bytes)) {
    case .lock: return isLock(name) ? nil : unknown
    case nil: return unknown
    case .kept:
      return status.kind == .directory
        ? CacheItem(.kept, name: name, directory: path, status: status) : unknown
    case .tree:
      guard status.isOnlyOurs, let directory = try openItem(name) else { return unknown }
      let seal = seal(in: directory.handle, ofTreeNamed: name)
      let lease = try mark(in: directory.handle)
      guard seal != nil || lease != nil else { return unknown }
      let isHeld = lease?.isHeld() ?? false
      return CacheItem(
        seal == nil ? .unsealed : .tree, name: name, directory: path, seal: seal, status: status,
        isInUse: isHeld || running?.use(name) ?? false)
    case .hidden:
      guard status.isOnlyOurs, let directory = try openItem(name) else { return unknown }
      guard let lease = try mark(in: directory.handle) else {
        return try isBare(directory)
          ? CacheItem(.leftover, name: name, directory: path, status: status) : unknown
      }
      return CacheItem(
        .leftover, name: name, directory: path, status: status, isInUse: lease.isHeld() ?? false)
    }
  }

  /// The lease in a directory, if it is Onefold's mark. Fails where it is there and can't be looked at.
  @inline(never)
  private func mark(
    in directory: DirectoryHandle, _ options: OpenOptions = .readNoFollow
  ) throws(Failure) -> Lease? {
    do throws(Failure) {
      let lease = Lease(try FileDescriptor.open(Lease.fileName, in: directory, options))
      return try lease.isMark() ? lease : nil
    } catch {
      if error.errno.isMissing || error.errno == .symlinkLoop || error.errno == .isDirectory {
        return nil
      }
      throw error
    }
  }

  /// The seal of a tree that belongs in a directory of this name.
  private func seal(in directory: DirectoryHandle, ofTreeNamed name: Path) -> Seal? {
    guard let seal = Seal.read(in: directory, treeID: nil, withTable: true) else { return nil }
    let id = seal.treeID.bytes
    let own = seal.isOlder ? CacheDirectory.olderTreeName(of: id) : CacheDirectory.treeName(of: id)
    return name.elementsEqual(own) ? seal : nil
  }

  /// Whether a hidden directory has nothing in it yet, or no more, but perhaps a lease without its mark: nothing is lost with
  /// it.
  private func isBare(_ directory: borrowing FileDescriptor) throws(Failure) -> Bool {
    let names = try directory.handle.names()
    if names.isEmpty { return true }
    guard names.count == 1, names[0].elementsEqual(Lease.fileName.bytes) else { return false }
    let status = try directory.handle.status(of: Lease.fileName)
    return status.kind == .file && status.size == 0 && status.user == ProcessContext.owner
  }

  private func isLock(_ name: Path) -> Bool {
    guard let file = try? FileDescriptor.open(name, in: handle, .readNoFollow) else { return false }
    return InstallLock.isMarked(file)
  }

  // MARK: Removing

  /// Removes what `cleanUp` says, and what launches that were killed left.
  func cleanUp(_ cleanUp: CleanUp, _ result: inout CleanUpResult) {
    let items = items(&result.failures, cleanUp.isDryRun ? RunningPrograms(in: self) : nil)
    // They are looked for only if there is something to remove.
    var running: RunningPrograms? = nil
    for item in items where cleanUp.isMeant(item, among: items) {
      guard MonotonicClock.now <= cleanUp.deadline else { return }
      var removal = item.isInUse ? Removal.inUse : .removed
      if !item.isInUse && !cleanUp.isDryRun {
        do throws(Failure) { removal = try remove(item, cleanUp, &running, &result) } catch {
          if error.errno != .timedOut { result.failures.append(error) }
          continue
        }
      }
      switch removal {
      case .removed: result.removed.append(item)
      // A launch at work is no news.
      case .inUse: if item.kind != .leftover { result.inUse.append(item) }
      case .notThere: continue
      }
    }
    if !cleanUp.isDryRun { reclaimFiles(cleanUp) }
  }

  private func remove(
    _ item: CacheItem, _ cleanUp: CleanUp, _ running: inout RunningPrograms?,
    _ result: inout CleanUpResult
  ) throws(Failure) -> Removal {
    if item.kind == .leftover {
      return try removeLeftover(item.name, deadline: cleanUp.deadline, &result)
    }
    return try removeUnused(item, cleanUp, &running, &result)
  }

  enum Removal { case removed, inUse, notThere }

  /// Removes a tree, if nobody uses it: lock, look again, act. Where locks don't work nobody knows, and only a clean-up
  /// of this very tree removes it.
  private func removeUnused(
    _ item: CacheItem, _ cleanUp: CleanUp, _ running: inout RunningPrograms?,
    _ result: inout CleanUpResult
  ) throws(Failure) -> Removal {
    let deadline = cleanUp.deadline
    let name = item.name
    // Nobody else may put another tree in its place from before it is opened. Where the lock file can't be made the
    // lock of the tree itself has to do: on a full disk this is how room is made.
    var lock = try? InstallLock(in: handle, name)
    defer { lock?.release() }
    guard lock?.take() ?? true else { return .inUse }
    guard let directory = try openItem(name) else { return .notThere }
    let lease = try mark(in: directory.handle, .updateNoFollow)
    switch claim(directory, lease, isOlder: item.isOlder) {
    case .taken: break
    case .unsupported where cleanUp.tree != nil: break
    case .refused, .unsupported: return .inUse
    }
    let programs = running ?? RunningPrograms(in: self, deadline: deadline)
    running = programs
    guard directory.isNamed(name, in: handle), !programs.use(name) else { return .inUse }
    // From here on nobody finds it, and nobody who has found it takes it for a tree.
    let hidden = try hiddenName(for: name.bytes)
    do throws(Failure) { try handle.rename(name, to: hidden) } catch {
      // An overlay file system does not rename a directory of a lower layer: without its seal it is no tree either.
      guard error.errno == .otherFileSystem else { throw error }
      try removeMarked(name, deadline: deadline, &result)
      return .removed
    }
    try removeMarked(hidden, deadline: deadline, &result)
    return .removed
  }

  /// Takes the lock of a tree alone. Programs of older launchers, and those where the file system has no locks of open
  /// files, hold the directory's.
  @inline(never)
  private func claim(
    _ directory: borrowing FileDescriptor, _ lease: Lease?, isOlder: Bool
  ) -> Lease.Answer {
    let answer = lease?.lock(exclusive: true) ?? (isOlder ? .unsupported : .taken)
    guard answer == .unsupported else { return answer }
    guard let isTaken = try? directory.lock(exclusive: true, wait: false) else {
      return .unsupported
    }
    return isTaken ? .taken : .refused
  }

  /// Removes a hidden directory that nobody holds. A launch holds its staging directory from the moment when it has
  /// made it, and the lock of its tree before.
  @inline(never)
  private func removeLeftover(
    _ name: Path, deadline: Int64 = .max, _ result: inout CleanUpResult
  ) throws(Failure) -> Removal {
    guard let directory = try openItem(name) else { return .notThere }
    let status = try directory.status()
    guard status.user == ProcessContext.owner else { return .notThere }
    let lease = try mark(in: directory.handle, .updateNoFollow)
    guard lease != nil else {
      guard try isBare(directory) else { return .notThere }
      try? directory.handle.removeFile(Lease.fileName)
      try handle.removeDirectory(name)
      return .removed
    }
    switch claim(directory, lease, isOlder: false) {
    case .taken: break
    case .refused: return .inUse
    case .unsupported:
      // Where locks don't work, only what no launch can still be at work at is known to be nobody's.
      guard WallClock.seconds(since: status.modified) >= secondsOfDay else { return .inUse }
    }
    try removeMarked(name, deadline: deadline, &result)
    return .removed
  }

  /// `removeMarked`, for callers that tell nobody what was kept.
  @inline(never)
  func removeMarked(_ name: Path) throws(Failure) {
    var result = CleanUpResult()
    try removeMarked(name, &result)
  }

  /// Removes a directory of the cache: files of programs are moved out of it first. Its seal follows, so
  /// that it is no tree from then on, and its mark is last, so that what a kill leaves is known to be Onefold's.
  @inline(never)
  func removeMarked(_ name: Path, deadline: Int64 = .max, _ result: inout CleanUpResult)
    throws(Failure)
  {
    if let directory = try? openWithPermissions(name, in: handle) {
      try moveOthers(out: directory, named: name, deadline, &result)
      try? directory.handle.removeFile(Seal.fileName)
      for bytes in try directory.handle.names() {
        let child = Path(bytes)
        guard !child.elementsEqual(Lease.fileName) else { continue }
        try removeTree(child, in: directory.handle, deadline: deadline)
      }
    }
    try removeTree(name, in: handle, deadline: deadline)
  }

  /// Removes the staging directories that launches of this tree left when they were killed, and seals that they
  /// had begun. Errors are ignored: a later launch tries again. The caller holds the tree's `InstallLock`.
  func reclaimStaging(of treeName: Path) {
    guard let names = try? handle.names() else { return }
    let prefix = hiddenPrefix(for: treeName.bytes)
    var result = CleanUpResult()
    for name in names where CacheName(name) == .hidden && name.starts(with: prefix) {
      _ = try? removeLeftover(Path(name), &result)
    }
    guard let owned = openOwned(treeName) else { return }
    for name in owned.halfFiles() { try? owned.directory.handle.removeFile(name) }
  }

  /// Removes the lock file that a killed launch left, unless somebody holds it.
  func reclaimLock(of treeName: Path) {
    let name = InstallLock.name(treeName)
    guard let file = try? FileDescriptor.open(name, in: handle, .readNoFollow),
      InstallLock.isMarked(file), (try? file.lock(exclusive: true, wait: false)) == true,
      file.isNamed(name, in: handle)
    else { return }
    try? handle.removeFile(name)
  }

  /// Removes the lock files and half-written seals of launches that were killed.
  private func reclaimFiles(_ cleanUp: CleanUp) {
    guard let names = try? handle.names() else { return }
    for name in names {
      guard MonotonicClock.now <= cleanUp.deadline else { return }
      switch CacheName(name) {
      case .lock: reclaimLock(of: Path([UInt8](name.prefix(CacheName.treeNameLength))))
      case .tree:
        guard let owned = openOwned(Path(name)), owned.status.user == ProcessContext.owner,
          !owned.halfFiles().isEmpty, var lock = try? InstallLock(in: handle, Path(name))
        else { continue }
        if lock.take() { reclaimStaging(of: Path(name)) }
        lock.release()
      case .hidden, .kept, nil: continue
      }
    }
  }
}

extension CleanUp {
  /// Whether it removes `item`, if that is not in use.
  fileprivate func isMeant(_ item: CacheItem, among items: [CacheItem]) -> Bool {
    guard item.isOwn && item.kind != .unknown && item.kind != .kept else { return false }
    if item.kind == .leftover { return true }
    if let tree { return item.name.elementsEqual(tree) }
    // Of a tree without a seal nobody knows whose it is.
    if let application {
      guard item.kind == .tree && item.application == application else { return false }
    }
    if removesAll { return true }
    let days = keepDays ?? item.keepDays
    guard WallClock.seconds(since: item.lastUse) > Int64(days) * secondsOfDay else { return false }
    return item.kind == .unsealed || item.countNewer(in: items) >= keepNewest
  }
}

extension CacheItem {
  /// How many trees of the same application were used later.
  fileprivate func countNewer(in items: [CacheItem]) -> Int {
    var count = 0
    for other in items
    where other.kind == .tree && other.application == application && other.isUsedLater(than: self) {
      count += 1
    }
    return count
  }

  private func isUsedLater(than other: CacheItem) -> Bool {
    if lastUse != other.lastUse { return lastUse.isLater(than: other.lastUse) }
    // Any order will do, as long as it is one.
    return name.bytes.lexicographicallyPrecedes(other.name.bytes)
  }
}

extension OwnedDirectory {
  /// Seals and leases that somebody began to write. Who holds the tree's `InstallLock` knows that nobody still does.
  fileprivate borrowing func halfFiles() -> [Path] {
    let seal = hiddenPrefix(for: Seal.fileName.bytes)
    let lease = hiddenPrefix(for: Lease.fileName.bytes)
    var result: [Path] = []
    for name in (try? directory.handle.names()) ?? []
    where name.starts(with: seal) || name.starts(with: lease) {
      result.append(Path(name))
    }
    return result
  }
}

/// What a name in a cache directory stands for; nil for names that Onefold does not give.
enum CacheName {
  /// 32 hexadecimal digits.
  case tree
  /// A tree's name and `.lock`.
  case lock
  /// `.`, a tree's name, `.` and 16 hexadecimal digits: staging, or a tree that is being removed.
  case hidden
  /// A tree's name, `.` and 16 hexadecimal digits: files that a program wrote into a tree that was removed.
  case kept

  static var treeNameLength: Int { 32 }

  init?(_ name: [UInt8]) {
    let length = CacheName.treeNameLength
    let dot = UInt8(ascii: ".")
    if name.count == length && CacheName.isHex(name[...]) {
      self = .tree
    } else if name.count == length + 5 && name.suffix(5).elementsEqual(Path(".lock").bytes)
      && CacheName.isHex(name.prefix(length))
    {
      self = .lock
    } else if name.count == length + 18 && name[0] == dot && name[length + 1] == dot
      && CacheName.isHex(name[1...length]) && CacheName.isHex(name[(length + 2)...])
    {
      self = .hidden
    } else if name.count == length + 17 && name[length] == dot
      && CacheName.isHex(name.prefix(length)) && CacheName.isHex(name[(length + 1)...])
    {
      self = .kept
    } else {
      return nil
    }
  }

  private static func isHex(_ digits: ArraySlice<UInt8>) -> Bool {
    digits.allSatisfy {
      switch $0 {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
      default: false
      }
    }
  }
}
