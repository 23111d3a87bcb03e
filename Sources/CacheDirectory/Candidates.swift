public import Posix

/// An open cache directory that passed all checks.
public struct CacheDirectory: ~Copyable {
  let directory: FileDescriptor
  /// Absolute.
  public let path: Path
  /// On a read-only mount, or for looking up only.
  let isReadOnly: Bool

  /// Whether trees can be added.
  var isWritable: Bool {
    !isReadOnly && handle.isAccessible(Path("."), write: true)
  }

  var handle: DirectoryHandle { directory.handle }
}

/// The directories that may become the cache, in the order in which they are tried (docs/launch.md, "The
/// cache directory").
struct Candidates {
  struct Candidate {
    var path: Path
    /// Why it is not even looked at; nil for most.
    var refusal: StaticString?
    /// Whether trees are only looked up there: who wants to write there names it by ONEFOLD_CACHE.
    var isShared = false
  }

  /// What root, or an installer, may fill for all users.
  private static var shared: Path { Path("/var/cache/onefold") }

  private(set) var list: [Candidate] = []
  private let user = ProcessContext.effectiveUser

  /// `given` stands for what ONEFOLD_CACHE would say.
  init(given: Path? = nil) {
    if let given = given ?? ProcessContext.variable("ONEFOLD_CACHE") {
      list.append(Candidate(path: ProcessContext.absolutePath(given), refusal: nil))
      return
    }
    list.append(Candidate(path: Candidates.shared, refusal: nil, isShared: true))
    if let cache = ProcessContext.variable("XDG_CACHE_HOME") { add(home: cache, "onefold") }
    if let home = ProcessContext.variable("HOME") { add(home: home, ".cache/onefold") }
    list.append(Candidate(path: named(below: Path("/var/tmp")), refusal: nil))
    if let temporary = ProcessContext.variable("TMPDIR") {
      let refusal = refusal(of: temporary, "is in another user's directory")
      list.append(Candidate(path: named(below: temporary), refusal: refusal))
    }
    list.append(Candidate(path: named(below: Path("/tmp")), refusal: nil))
  }

  /// Why a directory that a variable names is not one to make files in. Under `sudo` it is often another user's:
  /// files of root would lock that user out of it, and that user could exchange them.
  private func refusal(of directory: Path, _ reason: StaticString) -> StaticString? {
    guard directory.isAbsolute else { return "is not absolute" }
    guard user == 0 else { return nil }
    var place = directory
    while place.count > 1 {
      if let status = try? DirectoryHandle.current.statusIfExists(of: place, follow: true) {
        return status.user == 0 ? nil : reason
      }
      // What is missing would be made there.
      place = place.parent
    }
    return nil
  }

  private mutating func add(home: Path, _ name: StaticString) {
    list.append(
      Candidate(
        path: home.appending(name), refusal: refusal(of: home, "is in another user's home")))
  }

  private func named(below directory: Path) -> Path {
    directory.appending(("onefold-\(UInt64(user))" as Text).bytes)
  }
}

/// Why a directory can't be the cache.
struct CacheRefusal: ExpressibleByStringLiteral {
  /// To be read after the path: "is on a noexec mount".
  var text: StaticString
  /// Where the system failed, and the directory may do another time.
  var error: SystemError?

  init(_ text: StaticString, _ error: SystemError? = nil) {
    self.text = text
    self.error = error
  }

  init(stringLiteral text: StaticString) { self.init(text) }
}

/// Opens one candidate after another, those that pass all checks.
struct CacheSearch {
  private let candidates: [Candidates.Candidate]
  private let create: Bool
  private var index = 0
  /// Those that did not pass, and those that the search went on from.
  private(set) var skipped: [SkippedCandidate] = []
  /// What kept it from opening one, where that is not what stands there.
  private(set) var failures: [SystemError] = []

  /// - Parameters:
  ///   - given: this directory alone; nil: those that a launch tries.
  ///   - create: whether directories that are missing are made.
  init(given: Path? = nil, create: Bool) {
    candidates = Candidates(given: given).list
    self.create = create
  }

  @inline(never)
  mutating func next() -> CacheDirectory? {
    while index < candidates.count {
      let candidate = candidates[index]
      index += 1
      // For the one that is returned: who goes on from there did not find the tree, and could not make it.
      var reason = CacheRefusal(
        candidate.refusal
          ?? (candidate.isShared ? "does not hold the tree" : "can't be written to"))
      let cache =
        candidate.refusal == nil
        ? CacheDirectory.open(candidate, create: create, reason: &reason) : nil
      skipped.append(SkippedCandidate(path: candidate.path, reason: reason.text))
      if let error = reason.error { failures.append(error) }
      if let cache { return cache }
    }
    return nil
  }
}

extension CacheDirectory {
  /// Opens and checks one candidate. Returns nil, and says why in `reason`, where it can't be used.
  static func open(
    _ candidate: Candidates.Candidate, create: Bool, reason: inout CacheRefusal
  ) -> CacheDirectory? {
    let create = create && !candidate.isShared
    guard let directory = openOrCreate(candidate.path, create: create, reason: &reason) else {
      return nil
    }
    let status: FileStatus
    do throws(SystemError) { status = try directory.status() } catch {
      reason = CacheRefusal("can't be examined", error)
      return nil
    }
    let user = ProcessContext.effectiveUser
    guard status.user == user || status.user == 0 else {
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
    return CacheDirectory(directory: directory, path: candidate.path, isReadOnly: isReadOnly)
  }

  private static func openOrCreate(_ path: Path, create: Bool, reason: inout CacheRefusal)
    -> FileDescriptor?
  {
    var create = create
    while true {
      do throws(SystemError) {
        return try FileDescriptor.open(path, .directory)
      } catch {
        switch error.errno {
        case .noSuchFile where create:
          create = false
          if makeDirectories(path, reason: &reason) { continue }
        case .noSuchFile: reason = "does not exist"
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
      do throws(SystemError) {
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
