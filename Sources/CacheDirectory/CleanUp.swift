internal import PayloadFormat
public import Posix

// What is removed from a cache directory, and when (docs/launch.md, "Clean-up"). Nothing here follows a symlink,
// nor touches what is another user's or has a name that Onefold does not give.

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

/// Something in a cache directory that Onefold made.
public final class CacheItem: Sendable {
  public enum Kind: Sendable, Equatable {
    /// A tree with a whole seal.
    case tree
    /// A tree without one: something removed the seal, or damaged it.
    case unsealed
    /// What a launch that was killed left: a staging directory, or a tree that was half removed.
    case leftover
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
  /// Whether it is the user's own, so that the user can remove it.
  public let isOwn: Bool

  init(
    _ kind: Kind, name: Path, directory: Path, owner: TreeOwner?, lastUse: FileTime, isInUse: Bool,
    isOwn: Bool
  ) {
    self.kind = kind
    self.name = name
    self.directory = directory
    application = owner?.name ?? []
    version = owner?.version ?? []
    bytes = owner?.bytes ?? 0
    keepDays = owner?.keepDays ?? defaultKeepDays
    self.lastUse = lastUse
    self.isInUse = isInUse
    self.isOwn = isOwn
  }

  public var path: Path { directory.appending(name.bytes) }
}

/// What a clean-up did.
public struct CleanUpResult: Sendable {
  public var removed: [CacheItem] = []
  /// What would have been removed if nobody used it.
  public var inUse: [CacheItem] = []
  public var failures: [SystemError] = []

  public init() {}
}

/// What is in the cache directories of this user, and in the one that all users share, or in `directory` alone; and what
/// kept it from looking at the rest.
public func listCaches(in directory: Path? = nil) -> (items: [CacheItem], failures: [SystemError]) {
  var items: [CacheItem] = []
  var search = CacheSearch(given: directory, create: false)
  var failures: [SystemError] = []
  while let cache = search.next() { items += cache.items(&failures) }
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
public func refusal(ofCache directory: Path) -> StaticString? {
  var reason: CacheRefusal = ""
  let candidate = Candidates.Candidate(path: directory, refusal: nil)
  let cache = CacheDirectory.open(candidate, create: false, reason: &reason)
  return cache == nil ? reason.text : nil
}

extension CacheDirectory {
  // MARK: Looking

  /// Everything in the directory that Onefold made, but for lock files, and but for what could not be looked at.
  func items(_ failures: inout [SystemError]) -> [CacheItem] {
    var items: [CacheItem] = []
    do throws(SystemError) {
      for name in try handle.names() {
        let kind = CacheName(name)
        guard kind == .tree || kind == .hidden else { continue }
        do throws(SystemError) {
          if let item = try item(Path(name), isTree: kind == .tree) { items.append(item) }
        } catch { failures.append(error) }
      }
    } catch { failures.append(error) }
    return items
  }

  /// Opens a directory that Onefold may have made; nil where there is none, or it is another user's to open.
  private func openItem(_ name: Path) throws(SystemError) -> FileDescriptor? {
    do throws(SystemError) {
      return try FileDescriptor.open(name, in: handle, .directory)
    } catch {
      // What is no directory any more is nothing of ours either.
      guard let status = try? handle.status(of: name), status.kind == .directory,
        status.user == ProcessContext.effectiveUser
      else { return nil }
      throw error
    }
  }

  private func item(_ name: Path, isTree: Bool) throws(SystemError) -> CacheItem? {
    guard let directory = try openItem(name) else { return nil }
    let status = try directory.status()
    var owner: TreeOwner? = nil
    if isTree, status.isOnlyOurs,
      let seal = Seal.read(in: directory.handle, treeID: nil, withTable: true),
      name.elementsEqual(CacheDirectory.treeName(of: seal.treeID.bytes))
    {
      owner = seal.owner
    }
    // Only where nobody holds the lock in any way it is had alone. It is given back at once.
    let isFree = try? directory.lock(exclusive: true, wait: false)
    return CacheItem(
      !isTree ? .leftover : owner == nil ? .unsealed : .tree, name: name, directory: path,
      owner: owner, lastUse: status.modified, isInUse: isFree == false,
      isOwn: status.user == ProcessContext.effectiveUser)
  }

  // MARK: Removing

  /// Removes what `cleanUp` says, and what launches that were killed left.
  func cleanUp(_ cleanUp: CleanUp, _ result: inout CleanUpResult) {
    let items = items(&result.failures)
    for item in items where cleanUp.isMeant(item, among: items) {
      guard MonotonicClock.now <= cleanUp.deadline else { return }
      var removal = item.isInUse ? Removal.inUse : .removed
      if !item.isInUse && !cleanUp.isDryRun {
        do throws(SystemError) { removal = try remove(item, cleanUp) } catch {
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

  private func remove(_ item: CacheItem, _ cleanUp: CleanUp) throws(SystemError) -> Removal {
    item.kind == .leftover
      ? try removeLeftover(item.name, deadline: cleanUp.deadline)
      : try remove(item.name, evenWithoutLocks: cleanUp.tree != nil, deadline: cleanUp.deadline)
  }

  enum Removal { case removed, inUse, notThere }

  /// Removes the tree `name`, if nobody uses it. Where locks don't work nobody knows: `evenWithoutLocks` says what
  /// then counts.
  func remove(_ name: Path, evenWithoutLocks: Bool, deadline: Int64 = .max) throws(SystemError)
    -> Removal
  {
    // Nobody else may put another tree in its place from before it is opened. Where the lock file can't be made the
    // lock of the tree itself has to do: on a full disk this is how room is made.
    var lock = try? InstallLock(in: handle, name)
    defer { lock?.release() }
    guard lock?.take() ?? true else { return .inUse }
    guard let directory = try openItem(name) else { return .notThere }
    guard (try? directory.lock(exclusive: true, wait: false)) ?? evenWithoutLocks,
      directory.isNamed(name, in: handle)
    else { return .inUse }
    // From here on nobody finds it, and nobody who has found it takes it for a tree.
    let hidden = try hiddenName(for: name.bytes)
    try handle.rename(name, to: hidden)
    try? directory.handle.removeFile(Seal.fileName)
    try removeTree(hidden, in: handle, deadline: deadline)
    return .removed
  }

  /// Removes a hidden directory that nobody holds. A launch holds its staging directory from the moment when it has
  /// made it, and the lock of its tree before.
  private func removeLeftover(_ name: Path, deadline: Int64 = .max) throws(SystemError) -> Removal {
    guard let directory = try openItem(name) else { return .notThere }
    let status = try directory.status()
    guard status.user == ProcessContext.effectiveUser else { return .notThere }
    if let isFree = try? directory.lock(exclusive: true, wait: false) {
      guard isFree else { return .inUse }
    } else if WallClock.seconds(since: status.modified) < secondsOfDay {
      // Where locks don't work, only what no launch can still be at work at is known to be nobody's.
      return .inUse
    }
    try removeTree(name, in: handle, deadline: deadline)
    return .removed
  }

  /// Removes the staging directories that launches of this tree left when they were killed, and seals that they
  /// had begun. Errors are ignored: a later launch tries again. The caller holds the tree's `InstallLock`.
  func reclaimStaging(of treeName: Path) {
    guard let names = try? handle.names() else { return }
    let prefix = hiddenPrefix(for: treeName.bytes)
    for name in names where CacheName(name) == .hidden && name.starts(with: prefix) {
      _ = try? removeLeftover(Path(name))
    }
    guard let owned = openOwned(treeName) else { return }
    for name in owned.halfSeals() { try? owned.directory.handle.removeFile(name) }
  }

  /// Removes the lock file that a killed launch left, unless somebody holds it.
  func reclaimLock(of treeName: Path) {
    let name = InstallLock.name(treeName)
    guard let file = try? FileDescriptor.open(name, in: handle, .readNoFollow),
      (try? file.lock(exclusive: true, wait: false)) == true, file.isNamed(name, in: handle)
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
        guard let owned = openOwned(Path(name)), owned.status.user == ProcessContext.effectiveUser,
          !owned.halfSeals().isEmpty, var lock = try? InstallLock(in: handle, Path(name))
        else { continue }
        if lock.take() { reclaimStaging(of: Path(name)) }
        lock.release()
      case .hidden, nil: continue
      }
    }
  }
}

extension CleanUp {
  /// Whether it removes `item`, if that is not in use.
  fileprivate func isMeant(_ item: CacheItem, among items: [CacheItem]) -> Bool {
    guard item.isOwn else { return false }
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
    if lastUse.seconds != other.lastUse.seconds { return lastUse.seconds > other.lastUse.seconds }
    if lastUse.nanoseconds != other.lastUse.nanoseconds {
      return lastUse.nanoseconds > other.lastUse.nanoseconds
    }
    // Any order will do, as long as it is one.
    return name.bytes.lexicographicallyPrecedes(other.name.bytes)
  }
}

extension OwnedDirectory {
  /// Seals that somebody began to write. Who holds the tree's `InstallLock` knows that nobody still does.
  fileprivate borrowing func halfSeals() -> [Path] {
    let prefix = hiddenPrefix(for: Seal.fileName.bytes)
    var result: [Path] = []
    for name in (try? directory.handle.names()) ?? [] where name.starts(with: prefix) {
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
