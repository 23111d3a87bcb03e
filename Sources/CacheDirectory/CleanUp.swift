internal import PayloadFormat
public import Posix

// The rules for removal from a cache directory (docs/launch.md, "Clean-up"). Clean-up never follows a symlink,
// and never touches entries of another user or without Onefold's mark: a lease or a seal.

/// Days to keep an unused tree if its launch record has no value.
public let defaultKeepDays = 30

/// The trees that a clean-up removes from a cache directory. Trees in use and trees of other users are kept.
public struct CleanUp: Sendable {
  /// Only this tree (`Payload.treeName`), whenever it was last used, even if locks don't work and its use cannot
  /// be determined. Nil: all trees.
  public var tree: Path? = nil
  /// Only trees of the application with this name; nil: of all.
  public var application: [UInt8]? = nil
  /// Days to keep an unused tree; nil: the value in its seal.
  public var keepDays: Int? = nil
  /// How many trees of each application to keep in any case: the most recently used.
  public var keepNewest = 2
  /// All unused trees; ignores `keepDays` and `keepNewest`.
  public var removesAll = false
  /// The time of `MonotonicClock` at which clean-up stops. A partly removed tree is hidden, and the next clean-up
  /// continues with it.
  public var deadline: Int64 = .max
  /// Reports what would be removed, and removes nothing.
  public var isDryRun = false

  public init() {}
}

/// An entry of a cache directory.
public final class CacheItem: Sendable {
  public enum Kind: Sendable, Equatable {
    /// A tree with an intact seal.
    case tree
    /// A tree with the lease but without an intact seal: the seal was removed or damaged.
    case unsealed
    /// A leftover of a killed launch: a staging directory or a partly removed tree.
    case leftover
    /// Files that a program wrote into a tree that has since been removed. They are never removed.
    case kept
    /// An entry without Onefold's mark. It is never removed.
    case unknown
  }

  public let kind: Kind
  /// Its name in the cache directory.
  public let name: Path
  /// The cache directory.
  public let directory: Path
  /// The name in the launch record that sealed the tree; empty if this is not a tree.
  public let application: [UInt8]
  public let version: [UInt8]
  /// Bytes of the content of all files, according to the seal.
  public let bytes: UInt64
  /// The last use, by the day.
  public let lastUse: FileTime
  public let keepDays: Int
  /// Whether a program runs from it, or a launch works on it.
  public let isInUse: Bool
  /// Whether an older launcher made it: its programs hold another lock.
  let isOlder: Bool
  /// Whether it belongs to the user, who can then remove it.
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

public struct CleanUpResult: Sendable {
  public var removed: [CacheItem] = []
  /// Items that would have been removed if they were not in use.
  public var inUse: [CacheItem] = []
  /// Files of programs that were moved out of removed trees.
  public var kept: [CacheItem] = []
  public var failures: [Failure] = []

  public init() {}
}

/// Lists the entries of this user's cache directories and of the one that all users share, or only of `directory`.
/// Also returns the errors that prevented a complete list.
public func listCaches(in directory: Path? = nil) -> (items: [CacheItem], failures: [Failure]) {
  var items: [CacheItem] = []
  var search = CacheSearch(given: directory, create: false)
  var failures: [Failure] = []
  while let cache = search.next() {
    items += cache.items(&failures, RunningPrograms(in: cache))
  }
  return (items, failures + search.failures)
}

/// Cleans up all cache directories that this user can write to, or only `directory`.
public func cleanUpCaches(_ cleanUp: CleanUp, in directory: Path? = nil) -> CleanUpResult {
  var result = CleanUpResult()
  var search = CacheSearch(given: directory, create: false)
  while let cache = search.next() {
    if cache.isWritable { cache.cleanUp(cleanUp, &result) }
  }
  result.failures += search.failures
  return result
}

/// Cleans up the cache directory that holds `tree`, if this user can write to it.
public func cleanUpCache(of tree: borrowing CachedTree, _ cleanUp: CleanUp) -> CleanUpResult {
  cleanUpCaches(cleanUp, in: tree.root.parent.parent)
}

/// Why `directory` cannot be a cache directory of this user, in words that follow its name; nil if it can.
public func refusal(ofCache directory: Path) -> Text? {
  var reason: CacheRefusal = ""
  let candidate = Candidates.Candidate(path: directory, refusal: nil)
  let cache = CacheDirectory.open(candidate, create: false, reason: &reason)
  return cache == nil ? reason.text : nil
}

extension CacheDirectory {
  // MARK: Looking

  /// All entries of the directory except lock files and entries that could not be examined. Takes no lock.
  /// `running` finds trees that programs use without a lease.
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

  /// Opens a directory that Onefold may have made. Nil if there is none, or if it belongs to another user and
  /// cannot be opened.
  @inline(never)
  private func openItem(_ name: Path) throws(Failure) -> FileDescriptor? {
    do throws(Failure) {
      return try FileDescriptor.open(name, in: handle, .directory)
    } catch {
      // If it is no longer a directory, it is not Onefold's.
      guard let status = try? handle.status(of: name), status.kind == .directory,
        status.user == ProcessContext.owner
      else { return nil }
      throw error
    }
  }

  /// Examines `name`; nil for the lock file of a launch, and for an entry that is gone.
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

  /// The lease in a directory, if it is Onefold's mark. Throws if it exists and cannot be examined.
  @inline(never)
  private func mark(
    in directory: DirectoryHandle, _ options: OpenOptions = .readNoFollow
  ) throws(Failure) -> Lease? {
    do throws(Failure) {
      let lease = Lease(try FileDescriptor.open(Lease.fileName, in: directory, options))
      return try lease.isMark() ? lease : nil
    } catch {
      if error.errno.isMissing { return nil }
      // Then something else has its name.
      guard error.errno == .symlinkLoop || error.errno == .isDirectory,
        try directory.statusIfExists(of: Lease.fileName)?.kind != .file
      else { throw error }
      return nil
    }
  }

  /// The seal of a tree whose directory must have this name.
  private func seal(in directory: DirectoryHandle, ofTreeNamed name: Path) -> Seal? {
    guard let seal = Seal.read(in: directory, treeID: nil, withTable: true) else { return nil }
    let id = seal.treeID.bytes
    let own = seal.isOlder ? CacheDirectory.olderTreeName(of: id) : CacheDirectory.treeName(of: id)
    return name.elementsEqual(own) ? seal : nil
  }

  /// Whether a hidden directory is empty, or holds only a lease without its mark: nothing is lost if it is
  /// removed.
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

  /// Removes the trees that `cleanUp` selects, and the leftovers of killed launches.
  func cleanUp(_ cleanUp: CleanUp, _ result: inout CleanUpResult) {
    let items = items(&result.failures, cleanUp.isDryRun ? RunningPrograms(in: self) : nil)
    // Searched only if there is something to remove.
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
      // A launch that is still working is not worth a report.
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

  /// Removes a tree if it is not in use: lock, check again, act. If locks don't work, its use is unknown, and
  /// only a clean-up of this very tree removes it.
  private func removeUnused(
    _ item: CacheItem, _ cleanUp: CleanUp, _ running: inout RunningPrograms?,
    _ result: inout CleanUpResult
  ) throws(Failure) -> Removal {
    let deadline = cleanUp.deadline
    let name = item.name
    // The lock prevents others from replacing the tree before it is opened. If the lock file cannot be created,
    // the lock of the tree itself must be enough: clean-up is how a full disk gets space.
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
    // After the rename, a search does not find the tree, and a launch that already found it does not accept it.
    let hidden = try hiddenName(for: name.bytes)
    do throws(Failure) { try handle.rename(name, to: hidden) } catch {
      // An overlay file system cannot rename a directory of a lower layer. Without its seal it is not a tree
      // either.
      guard error.errno == .otherFileSystem else { throw error }
      try removeMarked(name, deadline: deadline, &result)
      return .removed
    }
    try removeMarked(hidden, deadline: deadline, &result)
    return .removed
  }

  /// Takes the exclusive lock of a tree. Programs hold the directory's lock if an older launcher started them, or
  /// if the file system lacks locks of open file descriptions.
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

  /// Removes a hidden directory that no process holds. A launch takes the lock of its tree first, and holds its
  /// staging directory from its creation.
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
      // If locks don't work, only the age shows that no launch can still be working there.
      guard WallClock.seconds(since: status.modified) >= secondsOfDay else { return .inUse }
    }
    try removeMarked(name, deadline: deadline, &result)
    return .removed
  }

  /// Calls `removeMarked` and drops the list of kept files.
  @inline(never)
  func removeMarked(_ name: Path) throws(Failure) {
    var result = CleanUpResult()
    try removeMarked(name, &result)
  }

  /// Removes a directory of the cache. Files of programs are moved out first. The seal goes next, so that the
  /// directory is no tree any more. The mark goes last, so that a kill leaves a directory that is known to be
  /// Onefold's.
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

  /// Removes the staging directories and unfinished seals of killed launches of this tree. Ignores errors: a
  /// later launch tries again. The caller holds the tree's `InstallLock`.
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

  /// Removes the lock file of a killed launch, unless another process holds it.
  func reclaimLock(of treeName: Path) {
    let name = InstallLock.name(treeName)
    guard let file = try? FileDescriptor.open(name, in: handle, .readNoFollow),
      InstallLock.isMarked(file), (try? file.lock(exclusive: true, wait: false)) == true,
      file.isNamed(name, in: handle)
    else { return }
    try? handle.removeFile(name)
  }

  /// Removes the lock files and unfinished seals of killed launches.
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
  /// Whether this clean-up removes `item` if it is not in use.
  fileprivate func isMeant(_ item: CacheItem, among items: [CacheItem]) -> Bool {
    guard item.isOwn && item.kind != .unknown && item.kind != .kept else { return false }
    if item.kind == .leftover { return true }
    if let tree { return item.name.elementsEqual(tree) }
    // The application of a tree without a seal is unknown.
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
  /// How many trees of the same application were used more recently.
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
    // Any total order is enough.
    return name.bytes.lexicographicallyPrecedes(other.name.bytes)
  }
}

extension OwnedDirectory {
  /// Unfinished seals and leases. The holder of the tree's `InstallLock` knows that no process is still writing
  /// them.
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

/// The meaning of a name in a cache directory; nil for names that Onefold does not give.
enum CacheName {
  /// 32 hexadecimal digits.
  case tree
  /// A tree's name and `.lock`.
  case lock
  /// `.`, a tree's name, `.` and 16 hexadecimal digits: a staging directory, or a tree that is being removed.
  case hidden
  /// A tree's name, `.` and 16 hexadecimal digits: files that a program wrote into a removed tree.
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
