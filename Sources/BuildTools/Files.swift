import ContentHash
import OutputFiles
public import PayloadFormat
public import Posix

/// A file, directory or symlink below a root.
public struct TreeEntry: Sendable {
  /// From the root.
  public var path: Path
  /// Of the entry itself: symlinks are not followed.
  public var status: FileStatus
}

private let current = DirectoryHandle.current

/// Whether `path` exists. A symlink counts as its target.
public func exists(_ path: Path) -> Bool {
  (try? current.statusIfExists(of: path, follow: true)) != nil
}

/// Whether `path` is a directory, or a symlink to one.
public func isDirectory(_ path: Path) -> Bool {
  (try? current.statusIfExists(of: path, follow: true))?.kind == .directory
}

/// All bytes of a file; follows symlinks.
///
/// - Throws: a system call's failure.
public func readFile(_ path: Path) throws(Failure) -> [UInt8] {
  let file = try FileDescriptor.open(path, .read)
  return try file.bytes(at: 0, count: Int(try file.status().size))
}

/// Creates a file, or replaces whatever is at `path`.
///
/// - Throws: a system call's failure. Part of the file may then exist.
public func writeFile(_ path: Path, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(Failure) {
  try removeIfPresent(path)
  let file = try FileDescriptor.open(path, .createNew, mode: 0o600)
  try file.write(bytes)
  try file.setMode(mode)
  try file.close()
}

/// Creates a UTF-8 file, or replaces whatever is at `path`.
///
/// - Throws: a system call's failure. Part of the file may then exist.
public func writeFile(_ path: Path, _ text: String, mode: UInt32 = 0o644) throws(Failure) {
  try writeFile(path, [UInt8](text.utf8), mode: mode)
}

/// Creates a directory, with the missing ones above it.
///
/// - Throws: a system call's failure, but not if `path` exists.
public func createDirectories(_ path: Path, mode: UInt32 = 0o755) throws(Failure) {
  if path.isEmpty || isDirectory(path) { return }
  try createDirectories(path.parent, mode: mode)
  do throws(Failure) { try current.createDirectory(path, mode: mode) } catch {
    if error.errno != .exists { throw error }
  }
}

/// Removes a file, a symlink or a directory with its contents, if it exists.
///
/// - Throws: a system call's failure.
public func removeIfPresent(_ path: Path) throws(Failure) {
  let status = try current.statusIfExists(of: path)
  guard let status else { return }
  if status.kind == .directory {
    try removeTree(path, in: current)
  } else {
    try current.removeFile(path)
  }
}

/// Copies a regular file with its time to a new one. Follows symlinks at `source`.
///
/// - Parameter mode: the mode of the copy; nil for 0755 if the owner can execute the source, or else 0644.
/// - Returns: the status of the copy.
/// - Throws: an error if `source` is no regular file or changed during the copy, or a system call's failure.
@discardableResult
public func copyFile(_ source: Path, to target: Path, mode: UInt32? = nil) throws(Failure)
  -> FileStatus
{
  // Opening a FIFO would wait for a writer.
  let kind = try current.status(of: source, follow: true).kind
  guard kind == .file else {
    throw .failed("\(source.quoted) is \(kind.name): it can't be packed as a file")
  }
  let input = try FileDescriptor.open(source, .read)
  let status = try input.status()
  let output = try FileDescriptor.open(target, .createNew, mode: 0o600)
  let buffer = try Buffer(count: Int(max(1, min(status.size, 4 << 20))))
  var offset: Int64 = 0
  while true {
    let count = try input.read(into: buffer.bytes, at: offset)
    if count == 0 { break }
    try output.write(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]))
    offset += Int64(count)
  }
  try output.setMode(mode ?? (status.mode & 0o100 != 0 ? 0o755 : 0o644))
  try output.setModificationTime(status.modified)
  let now = try input.status()
  guard offset == status.size, now.size == offset, now.modified == status.modified else {
    throw .failed(
      "\(source.quoted) changed while it was being copied: pack again when nothing writes to it")
  }
  return try output.status()
}

/// Lists everything below `root`, each directory before its contents, in byte order.
///
/// - Parameter enters: whether to list a directory's contents; called with its path from the root.
/// - Throws: a system call's failure.
public func listTree(_ root: Path, enters: (Path) -> Bool = { _ in true }) throws(Failure)
  -> [TreeEntry]
{
  var result: [TreeEntry] = []
  var waiting = [Path()]
  while let directory = waiting.popLast() {
    let full = directory.isEmpty ? root : root.appending(directory.bytes)
    let names = try listFollowing(full)
    var below: [Path] = []
    for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let path = directory.appending(name)
      let status = try current.status(of: root.appending(path.bytes))
      result.append(TreeEntry(path: path, status: status))
      if status.kind == .directory && enters(path) { below.append(path) }
    }
    waiting.append(contentsOf: below.reversed())
  }
  return result
}

/// The names in a directory, in no order. Follows a symlink to it.
///
/// - Throws: a system call's failure.
public func listFollowing(_ path: Path) throws(Failure) -> [[UInt8]] {
  let directory = try FileDescriptor.open(path, .directoryFollow)
  return try directory.handle.names()
}

/// Copies everything below `source` to the directory `target`, which is created if missing.
///
/// Modes become 0755 and 0644. An existing file at the same path is replaced.
///
/// - Parameters:
///   - follow: copy the targets of symlinks (`checkFollowedLinks`), without dangling ones. Otherwise symlinks are kept.
///   - linking: make hard links to files instead of copies, if the file system supports it.
///   - takes: whether to copy an entry and everything below it; called with its path from `source`.
/// - Throws: an error if an entry is neither file, directory nor symlink, or if followed symlinks have no end;
///   `interrupted`; or a system call's failure.
public func copyTree(
  _ source: Path, to target: Path, follow: Bool, linking: Bool = false,
  takes: (Path) -> Bool = { _ in true }
) throws(Failure) {
  if follow { try checkFollowedLinks(source, takes: takes) }
  try copyEntries(of: source, to: target, follow: follow, linking: linking, takes: takes)
}

private func copyEntries(
  of source: Path, to target: Path, follow: Bool, linking: Bool, takes: (Path) -> Bool
) throws(Failure) {
  try createDirectories(target)
  let names = try listFollowing(source)
  for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
    let relative = Path(name)
    guard takes(relative) else { continue }
    let from = source.appending(name)
    let to = target.appending(name)
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    let status = try current.statusIfExists(of: from, follow: follow)
    guard let status else { continue }
    switch status.kind {
    case .directory:
      try copyEntries(of: from, to: to, follow: follow, linking: linking) {
        takes(relative.appending($0.bytes))
      }
    case .file:
      try removeIfPresent(to)
      if linking, (try? current.createHardLink(to, to: from, in: current)) != nil { continue }
      try copyFile(from, to: to)
    case .symlink:
      try removeIfPresent(to)
      try current.createSymlink(to, to: try current.symlinkTarget(of: from))
    case .fifo, .socket, .device, .other:
      throw .failed("\(from.quoted) is \(status.kind.name): it can't be packed")
    }
  }
}

/// A hash of a tree's paths, types, modes of files, contents and targets of symlinks. Times do not count.
///
/// - Parameter workers: the number of threads, at least 1.
/// - Throws: a system call's failure.
public func treeDigest(_ root: Path, workers: Int) throws(Failure) -> Digest {
  let entries = try listTree(root)
  let hashes = ParallelResults<[UInt8]>(count: entries.count)
  try forEach(entries.count, workers) { (index) throws(Failure) in
    let entry = entries[index]
    let path = root.appending(entry.path.bytes)
    switch entry.status.kind {
    case .file:
      let bytes = try readFile(path)
      hashes[index] = SHA256Hasher.digest(of: bytes.span).bytes
    case .symlink:
      let target = try current.symlinkTarget(of: path)
      hashes[index] = [UInt8](target.bytes)
    default: hashes[index] = []
    }
  }
  var hasher = SHA256Hasher()
  for (index, entry) in entries.enumerated() {
    let mode = entry.status.kind == .file ? entry.status.mode : 0
    let line = [UInt8](entry.path.bytes) + [0] + Array("\(entry.status.kind) \(mode) ".utf8)
    let content = hashes[index] ?? []
    hasher.update(line.span)
    hasher.update(content.span)
  }
  return hasher.finish()
}

/// Resolves "." and ".." of a path from a root, as a text. Returns it without slashes at its ends.
public func normalizedPath(_ path: String) -> String {
  var parts: [Substring] = []
  for part in path.split(separator: "/") {
    if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
  }
  return parts.joined(separator: "/")
}
