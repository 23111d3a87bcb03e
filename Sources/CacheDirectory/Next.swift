internal import PayloadFormat
public import PayloadReader
public import Posix
internal import Reporting

// NEXT: the next cache directory that belongs to this user or root, is safe, and allows execution (docs/launch.md,
// "The cache directory").

/// Opens the candidates that pass all checks, one after another.
struct CacheSearch {
  private let candidates: [Candidates.Candidate]
  private let create: Bool
  private let room: Int
  private let timeline: Timeline?
  private var index = 0
  /// The candidates that failed a check, and those that the caller moved on from.
  private(set) var skipped: [SkippedCandidate] = []
  /// Failed system calls that prevented opening a candidate.
  private(set) var failures: [Failure] = []

  /// - Parameters:
  ///   - given: The only directory to try; nil: those that a launch tries.
  ///   - create: Whether to create missing directories.
  ///   - room: The bytes that a path below the directory needs.
  ///   - timeline: Records the phase `find`, if set.
  init(given: Path? = nil, create: Bool, room: Int = 0, timeline: Timeline? = nil) {
    candidates = Candidates(given: given).list
    self.create = create
    self.room = room
    self.timeline = timeline
  }

  @inline(never)
  mutating func next() -> CacheDirectory? {
    timeline.begin(.find)
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
  @inline(never)
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
