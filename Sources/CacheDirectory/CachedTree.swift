public import PayloadFormat
public import PayloadReader
public import Posix
public import Reporting

/// A cached tree that is ready for use, with the locks that mark it as in use.
public struct CachedTree: ~Copyable {
  /// The absolute path of the tree's own directory; it replaces `{root}`.
  public let root: Path
  /// Whether this call unpacked it or repaired part of it.
  public let wasUnpacked: Bool
  /// The locks, held until this value ends.
  let use: TreeUse
}

/// The descriptors that a launch holds of a tree in use (docs/launch.md, "The lease"). Both stay open in the
/// program.
final class TreeUse {
  /// The directory that holds the tree, the seal and the lease. Its shared `flock` keeps away older launchers and
  /// cleaners of temporary directories.
  let directory: FileDescriptor
  /// The lease with a shared lock; nil if there is none. The lock is missing if the file system lacks such locks.
  let lease: Lease?

  init(directory: consuming FileDescriptor, lease: Lease?) {
    self.directory = directory
    self.lease = lease
  }

  func keepAcrossExec() throws(Failure) {
    try directory.keepAcrossExec()
    try lease?.file.keepAcrossExec()
  }
}

/// Callbacks that show a person how a tree is made ready.
public struct CacheObserver: Sendable {
  public var unpacking: UnpackProgress
  /// Progress of unpacking the replacements of damaged entries.
  public var repairing: UnpackProgress
  public var checking: UnpackProgress
  /// Records the phases, if set.
  public var timeline: Timeline?
  /// Called again and again while another instance unpacks the same tree.
  public var waiting: @Sendable () -> Void
  /// Called if the tree was unpacked although the directory that all users share has one, which cannot be used.
  /// The reason follows the path.
  public var refusedShared: @Sendable (SkippedCandidate) -> Void
  /// Called when files that programs wrote were moved out of a replaced tree.
  public var moved: @Sendable (CacheItem) -> Void

  public init(
    unpacking: @escaping UnpackProgress, repairing: @escaping UnpackProgress = { _, _ in },
    checking: @escaping UnpackProgress, waiting: @escaping @Sendable () -> Void,
    refusedShared: @escaping @Sendable (SkippedCandidate) -> Void = { _ in },
    moved: @escaping @Sendable (CacheItem) -> Void = { _ in }
  ) {
    self.unpacking = unpacking
    self.repairing = repairing
    self.checking = checking
    self.waiting = waiting
    self.refusedShared = refusedShared
    self.moved = moved
  }
}

/// The requirements on a tree that is made ready.
public struct TreeRequest: Sendable {
  /// The check for an existing tree.
  public var check = CheckPolicy.dirs
  /// Throws if the system lacks something that the record's tree needs. Called before the tree is unpacked. Nil
  /// if the tree will not run on this system.
  public var checkSystem: (@Sendable (LaunchRecord) throws(Failure) -> Void)?
  /// Whether the tree must survive a power cut right afterwards. Later launches then skip the one full check
  /// after a reboot. A cache that has become read-only could not record that check (docs/launch.md, "Power
  /// cuts").
  public var isDurable = false
  /// Whether this process executes the program as soon as the tree is ready. The lease then stays open, and
  /// `execve` closes the other descriptors.
  public var precedesExec = false
  /// Nanoseconds to wait for another instance before this one unpacks as well.
  public var longestWait: Int64 = 600 * 1_000_000_000
  /// Whether equal files of older trees are used (docs/launch.md, "Files of older trees"); nil: as the launch
  /// record says.
  public var reuse: Bool? = nil
  public var observer: CacheObserver

  public init(observer: CacheObserver) { self.observer = observer }

  func reusesFiles(_ record: LaunchRecord) -> Bool { reuse ?? record.reuse }
}

extension Payload {
  /// The name of the tree's directory in a cache directory: the last 16 bytes of the tree id in hexadecimal.
  public var treeName: Path { CacheDirectory.treeName(of: treeID.bytes) }

  /// The length in bytes of the program's path below a cache directory, with the leading slash.
  var programPathLength: Int {
    let entry = record.commands.reduce(record.entry.count) { max($0, $1.entry.count) }
    return 1 + treeName.count + 1 + treeDirectory.count + 1 + entry
  }
}

/// The name of the tree in the directory that `Payload.treeName` names.
let treeDirectory = Path("tree")

extension CacheDirectory {
  static func treeName(of treeID: [UInt8]) -> Path { Path(hexText(treeID.suffix(16)).bytes) }
  /// The name that older launchers gave to the directory of a tree, which had another layout.
  static func olderTreeName(of treeID: [UInt8]) -> Path { Path(hexText(treeID.prefix(16)).bytes) }

  @inline(never)
  func treePath(_ payload: Payload) -> Path {
    path.appending(payload.treeName.bytes).appending(treeDirectory.bytes)
  }
}
