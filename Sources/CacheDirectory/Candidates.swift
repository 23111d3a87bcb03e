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
  @inline(never)
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
