public import Posix

/// An open cache directory that passed all checks.
public struct CacheDirectory: ~Copyable {
  let directory: FileDescriptor
  /// Absolute.
  public let path: Path
  /// Whether it is on a read-only mount, or for lookups only.
  let isReadOnly: Bool
  /// Whether this search created it, after checking the directories above it.
  let isNew: Bool

  /// Whether trees can be added.
  var isWritable: Bool {
    !isReadOnly && handle.isAccessible(Path("."), write: true)
  }

  /// The place that a new seal records: this path, found safe by this user.
  var place: Place { Place(path, seenBy: ProcessContext.effectiveUser) }

  /// Whether a seal's place makes the check of the directories above unnecessary: this user or root found them
  /// safe for this very path.
  func isKnown(_ place: Place) -> Bool {
    place == self.place || place == Place(path, seenBy: 0)
  }

  var handle: DirectoryHandle { directory.handle }
}

/// The directories that may become the cache, in the order of the search (docs/launch.md, "The cache directory").
struct Candidates {
  struct Candidate {
    var path: Path
    /// Why it is skipped without opening it; nil for most.
    var refusal: CacheRefusal?
    /// Whether trees are only looked up there. To write there, set ONEFOLD_CACHE to it.
    var isShared = false
  }

  /// The directory that root or an installer may fill for all users.
  static var shared: Path { Path("/var/cache/onefold") }

  private(set) var list: [Candidate] = []
  private let user = ProcessContext.effectiveUser

  /// `given` overrides ONEFOLD_CACHE.
  init(given: Path? = nil) {
    if let given = given ?? ProcessContext.variable("ONEFOLD_CACHE") {
      list.append(Candidate(path: Candidates.normal(ProcessContext.absolutePath(given))))
      return
    }
    list.append(Candidate(path: Candidates.shared, isShared: true))
    if let cache = ProcessContext.variable("XDG_CACHE_HOME") { add(cache, "onefold") }
    if let home = ProcessContext.variable("HOME") { add(home, ".cache/onefold") }
    list.append(Candidate(path: named(below: Path("/var/tmp"))))
    if let temporary = ProcessContext.variable("TMPDIR") {
      add(named(below: temporary))
    }
    list.append(Candidate(path: named(below: Path("/tmp"))))
  }

  private mutating func add(_ directory: Path, _ name: StaticString) {
    add(directory.appending(name))
  }

  private mutating func add(_ path: Path) {
    list.append(Candidate(path: path, refusal: path.isAbsolute ? nil : "is not absolute"))
  }

  /// Removes slashes and dots at the end of a path: with them, the kernel would follow a symlink there.
  static func normal(_ path: Path) -> Path {
    var path = path
    let slash = UInt8(ascii: "/")
    while path.count > 1 {
      let last = path.bytes[path.count - 1]
      let isDot = last == UInt8(ascii: ".") && path.bytes[path.count - 2] == slash
      guard last == slash || isDot else { break }
      path.truncate(to: path.count - 1)
    }
    return path
  }

  private func named(below directory: Path) -> Path {
    directory.appending(("onefold-\(UInt64(user))" as Text).bytes)
  }
}

/// Why a directory must not be the packer's cache, in words that follow its name; nil if it may be, or may be
/// created. A symlink may lead to it.
public func refusal(ofPackCache directory: Path) -> Text? {
  let path = ProcessContext.absolutePath(directory)
  if let unsafe = ancestorRefusal(of: path) { return unsafe.text }
  guard let status = try? DirectoryHandle.current.status(of: path, follow: true) else { return nil }
  guard status.belongs(to: ProcessContext.owner) else { return "belongs to another user" }
  return status.isOnlyOurs ? nil : "can be written to by others"
}

struct CacheRefusal: ExpressibleByStringLiteral {
  /// The reason, in words that follow the path: "is on a noexec mount".
  var text: Text
  /// The error if a system call failed: the directory may work another time.
  var error: Failure?

  init(_ text: Text, _ error: Failure? = nil) {
    self.text = text
    self.error = error
  }

  init(stringLiteral text: StaticString) { self.init(Text(stringLiteral: text)) }

  /// The refusal of a read-only directory with an unusable tree.
  static var unusableTree: CacheRefusal {
    "holds the tree, but it is damaged, or others can write to it"
  }
}

/// Opens the candidates that pass all checks, one after another.
struct CacheSearch {
  private let candidates: [Candidates.Candidate]
  private let create: Bool
  private let room: Int
  private var index = 0
  /// The candidates that failed a check, and those that the caller moved on from.
  private(set) var skipped: [SkippedCandidate] = []
  /// Failed system calls that prevented opening a candidate.
  private(set) var failures: [Failure] = []

  /// - Parameters:
  ///   - given: The only directory to try; nil: those that a launch tries.
  ///   - create: Whether to create missing directories.
  ///   - room: The bytes that a path below the directory needs.
  init(given: Path? = nil, create: Bool, room: Int = 0) {
    candidates = Candidates(given: given).list
    self.create = create
    self.room = room
  }

  @inline(never)
  mutating func next() -> CacheDirectory? {
    while index < candidates.count {
      let candidate = candidates[index]
      index += 1
      if let refusal = candidate.refusal {
        skip(candidate.path, refusal)
        continue
      }
      guard candidate.path.count + room < ProcessContext.longestPath else {
        skip(candidate.path, "has too long a path")
        continue
      }
      // The reason for a returned candidate: if the caller moves on, it did not find the tree and could not
      // create it.
      var reason: CacheRefusal =
        candidate.isShared ? "does not hold the tree" : "can't be written to"
      let cache = CacheDirectory.open(candidate, create: create, reason: &reason)
      skip(candidate.path, reason)
      if let error = reason.error { failures.append(error) }
      if let cache { return cache }
    }
    return nil
  }

  private mutating func skip(_ path: Path, _ reason: CacheRefusal) {
    skipped.append(SkippedCandidate(path: path, reason: reason.text))
  }

  /// The directory that all users share, if it was skipped although it has an entry named `treeName`.
  func sharedTree(_ treeName: Path) -> SkippedCandidate? {
    let shared = Candidates.shared
    guard index > 1, candidates[0].isShared, let first = skipped.first,
      (try? DirectoryHandle.current.status(of: shared.appending(treeName.bytes))) != nil
    else { return nil }
    return first
  }

  /// Records why the last returned candidate was not used.
  mutating func refuse(_ reason: CacheRefusal) {
    skipped[skipped.count - 1].reason = reason.text
    if let error = reason.error { failures.append(error) }
  }
}

extension CacheDirectory {
  /// Opens and checks one candidate. Returns nil if it cannot be used, and sets `reason`.
  static func open(
    _ candidate: Candidates.Candidate, create: Bool, reason: inout CacheRefusal
  ) -> CacheDirectory? {
    var create = create && !candidate.isShared
    let mayCreate = create
    guard let directory = openOrCreate(candidate.path, create: &create, reason: &reason) else {
      return nil
    }
    let status: FileStatus
    do throws(Failure) { status = try directory.status() } catch {
      reason = CacheRefusal("can't be examined", error)
      return nil
    }
    guard status.belongs(to: ProcessContext.owner) else {
      reason = "belongs to another user"
      return nil
    }
    guard status.mode & 0o022 == 0 else {
      reason = "can be written to by others"
      return nil
    }
    var isReadOnly = candidate.isShared
    if let volume = try? directory.volume() {
      guard !volume.forbidsExecution else {
        reason = "is on a noexec mount"
        return nil
      }
      isReadOnly = isReadOnly || volume.isReadOnly
    }
    return CacheDirectory(
      directory: directory, path: candidate.path, isReadOnly: isReadOnly,
      isNew: mayCreate && !create)
  }

  /// Opens the directory, or creates it. Sets `create` to false if it created the directory.
  private static func openOrCreate(
    _ path: Path, create: inout Bool, reason: inout CacheRefusal
  ) -> FileDescriptor? {
    while true {
      do throws(Failure) {
        return try FileDescriptor.open(path, .directory)
      } catch {
        switch error.errno {
        case .noSuchFile where create:
          create = false
          if let unsafe = ancestorRefusal(of: path) {
            reason = unsafe
          } else if makeDirectories(path, reason: &reason) {
            continue
          }
        case .noSuchFile, .staleHandle: reason = "does not exist"
        case .symlinkLoop: reason = "is a symlink"
        case .notDirectory: reason = "is a symlink or no directory"
        case .accessDenied: reason = "can't be entered"
        default: reason = CacheRefusal("can't be opened", error)
        }
        return nil
      }
    }
  }

  /// Creates `path` and the missing directories above it, for this user only.
  private static func makeDirectories(_ path: Path, reason: inout CacheRefusal) -> Bool {
    let mask = ProcessContext.setFileModeMask(0o022)
    defer { ProcessContext.setFileModeMask(mask) }
    var missing: [Path] = []
    var next = path
    while next.count > 1 {
      missing.append(next)
      next = next.parent
      if (try? DirectoryHandle.current.statusIfExists(of: next, follow: true)) != nil { break }
    }
    for directory in missing.reversed() {
      do throws(Failure) {
        try DirectoryHandle.current.createDirectory(directory, mode: 0o700)
      } catch {
        switch error.errno {
        case .exists: continue
        case .accessDenied, .notPermitted: reason = "can't be created: permission denied"
        case .readOnly: reason = "can't be created: read-only file system"
        case .noSpace, .quotaExceeded: reason = "can't be created: no space left"
        default: reason = "can't be created"
        }
        return false
      }
    }
    return true
  }
}
