import PayloadFormat
import Posix
import Reporting

/// The maximum number of entries copied more than once when symlinks to directories are followed.
private let mostRepeatedEntries = 100_000
private let mostRepeatedBytes: UInt64 = 16 << 30

/// Checks before a copy that the tree ends if its symlinks are followed.
///
/// A symlink to a directory above itself has no end. Symlinks that repeat the same directories do end, but can multiply
/// a few files to billions. Therefore the number of repeated copies is limited.
///
/// - Parameter takes: whether an entry and everything below it is copied; called with its path from `root`.
func checkFollowedLinks(_ root: Path, takes: (Path) -> Bool) throws(Failure) {
  var check = FollowedLinks(root: root)
  try check.enter(Path(), takes)
}

private struct FollowedLinks {
  let root: Path
  private var ancestors: [Directory] = []
  private var known: Set<Directory> = []
  /// The last symlink on the path.
  private var link: Path?
  private var repeatedEntries = 0
  private var repeatedBytes: UInt64 = 0

  private struct Directory: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  init(root: Path) { self.root = root }

  mutating func enter(_ path: Path, isRepeated: Bool = false, _ takes: (Path) -> Bool)
    throws(Failure)
  {
    let full = path.isEmpty ? root : root.appending(path.bytes)
    let status = try DirectoryHandle.current.status(of: full, follow: true)
    let directory = Directory(device: status.device, inode: status.inode)
    guard !ancestors.contains(directory) else { throw endless(link ?? full) }
    let isRepeated = !known.insert(directory).inserted || isRepeated
    ancestors.append(directory)
    let names = try listFollowing(full)
    // Sorted, so that the error always names the same symlink.
    for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let entry = path.appending(name)
      if takes(entry) { try look(at: entry, isRepeated, takes) }
    }
    ancestors.removeLast()
  }

  private mutating func look(at path: Path, _ isRepeated: Bool, _ takes: (Path) -> Bool)
    throws(Failure)
  {
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    let full = root.appending(path.bytes)
    let before = link
    var found = try DirectoryHandle.current.statusIfExists(of: full)
    let isLink = found?.kind == .symlink
    if isLink { found = try DirectoryHandle.current.statusIfExists(of: full, follow: true) }
    guard let found else { return }
    if isRepeated { try count(found) }
    guard found.kind == .directory else { return }
    if isLink { link = full }
    try enter(path, isRepeated: isRepeated, takes)
    link = before
  }

  private mutating func count(_ status: FileStatus) throws(Failure) {
    repeatedEntries += 1
    if status.kind == .file { repeatedBytes += UInt64(max(0, status.size)) }
    guard repeatedEntries > mostRepeatedEntries || repeatedBytes > mostRepeatedBytes else { return }
    let entries = grouped(UInt64(mostRepeatedEntries))
    throw .failed(
      "the symlinks in \(root.quoted) multiply what it holds: with \((link ?? root).quoted) more than "
        + "\(entries) files or 16 GiB would be copied again: remove the link, or leave it out with data.exclude"
    )
  }

  private func endless(_ link: Path) -> Failure {
    .failed(
      "the symlink \(link.quoted) leads to a directory that holds it, so that the copy would have no end: "
        + "remove the link, or leave it out with data.exclude")
  }
}
