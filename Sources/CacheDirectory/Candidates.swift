public import Posix

/// An open cache directory that passed all checks.
public struct CacheDirectory: ~Copyable {
  let directory: FileDescriptor
  /// Absolute.
  public let path: Path
  /// On a read-only mount, or for looking up only.
  let isReadOnly: Bool
  /// Whether it was made just now, after the directories above it were looked at.
  let isNew: Bool

  /// Whether trees can be added.
  var isWritable: Bool {
    !isReadOnly && handle.isAccessible(Path("."), write: true)
  }

  /// This path, of which this user finds everything above it safe.
  var place: Place { Place(path, seenBy: ProcessContext.effectiveUser) }

  /// Whether what a seal says of its place spares looking at the directories above: this user, or root, found those of
  /// this very path safe.
  func isKnown(_ place: Place) -> Bool {
    place == self.place || place == Place(path, seenBy: 0)
  }

  var handle: DirectoryHandle { directory.handle }
}

/// The directories that may become the cache, in the order in which they are tried (docs/launch.md, "The
/// cache directory").
struct Candidates {
  struct Candidate {
    var path: Path
    /// Why it is not even looked at; nil for most.
    var refusal: CacheRefusal?
    /// Whether trees are only looked up there: who wants to write there names it by ONEFOLD_CACHE.
    var isShared = false
  }

  /// What root, or an installer, may fill for all users.
  static var shared: Path { Path("/var/cache/onefold") }

  private(set) var list: [Candidate] = []
  private let user = ProcessContext.effectiveUser

  /// `given` stands for what ONEFOLD_CACHE would say.
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

  /// Without slashes and dots at its end, with which a symlink there would be followed.
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

/// Why a directory must not be the packer's cache, to be read after its name; nil where it may, or may be made. It may be
/// reached through a symlink.
public func refusal(ofPackCache directory: Path) -> Text? {
  let path = ProcessContext.absolutePath(directory)
  if let unsafe = ancestorRefusal(of: path) { return unsafe.text }
  guard let status = try? DirectoryHandle.current.status(of: path, follow: true) else { return nil }
  guard status.belongs(to: ProcessContext.owner) else { return "belongs to another user" }
  return status.isOnlyOurs ? nil : "can be written to by others"
}

/// Why a directory can't be the cache.
struct CacheRefusal: ExpressibleByStringLiteral {
  /// To be read after the path: "is on a noexec mount".
  var text: Text
  /// Where the system failed, and the directory may do another time.
  var error: Failure?

  init(_ text: Text, _ error: Failure? = nil) {
    self.text = text
    self.error = error
  }

  init(stringLiteral text: StaticString) { self.init(Text(stringLiteral: text)) }

  /// Of a directory that can't be written to.
  static var unusableTree: CacheRefusal {
    "holds the tree, but it is damaged, or others can write to it"
  }
}

/// Opens one candidate after another, those that pass all checks.
struct CacheSearch {
  private let candidates: [Candidates.Candidate]
  private let create: Bool
  private let room: Int
  private var index = 0
  /// Those that did not pass, and those that the search went on from.
  private(set) var skipped: [SkippedCandidate] = []
  /// What kept it from opening one, where that is not what stands there.
  private(set) var failures: [Failure] = []

  /// - Parameters:
  ///   - given: this directory alone; nil: those that a launch tries.
  ///   - create: whether directories that are missing are made.
  ///   - room: bytes that a path below the directory must have room for.
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
      // For the one that is returned: who goes on from there did not find the tree, and could not make it.
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

  /// The directory that all users share, if it was skipped although it has something of the name `treeName`.
  func sharedTree(_ treeName: Path) -> SkippedCandidate? {
    let shared = Candidates.shared
    guard index > 1, candidates[0].isShared, let first = skipped.first,
      (try? DirectoryHandle.current.status(of: shared.appending(treeName.bytes))) != nil
    else { return nil }
    return first
  }

  /// Says of the candidate that was returned last why it was not used.
  mutating func refuse(_ reason: CacheRefusal) {
    skipped[skipped.count - 1].reason = reason.text
    if let error = reason.error { failures.append(error) }
  }
}

extension CacheDirectory {
  /// Opens and checks one candidate. Returns nil, and says why in `reason`, where it can't be used.
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

  /// `create` is false afterwards if it was made.
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

  /// Makes `path` and the directories above it that are missing, for the user alone.
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
