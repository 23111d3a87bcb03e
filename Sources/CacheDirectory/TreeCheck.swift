internal import ContentHash
internal import PayloadFormat
internal import PayloadReader
internal import Posix

/// The files whose content is compared.
enum Hashing {
  case all
  /// Files whose time differs from the manifest's: their content decides, and not the time.
  case whereTimesDiffer
  case none
}

/// Whether a tree matches its manifest, by the comparison of `damagedEntries`. Stops at the first difference.
func treeMatches(
  _ root: DirectoryHandle, _ manifest: Manifest, hashing: Hashing, progress: UnpackProgress?
) throws(Failure) -> Bool {
  try damagedEntries(
    of: root, manifest, hashing: hashing, stoppingAtFirst: true, progress: progress
  ).isEmpty
}

/// Compares a tree with its manifest: owner, type, mode, size and link of every entry, and the content of the
/// files that `hashing` selects. Ignores further entries in the tree.
///
/// Returns the entries that are missing, differ or cannot be read; with `stoppingAtFirst`, at least one of them.
/// If a directory is missing or something else has its name, all entries below it are returned too: a symlink may
/// lead to the same names. Throws only if memory cannot be allocated or a held termination signal arrived.
func damagedEntries(
  of root: DirectoryHandle, _ manifest: Manifest, hashing: Hashing, stoppingAtFirst: Bool = false,
  progress: UnpackProgress?
) throws(Failure) -> EntrySet {
  SHA256Hasher.prepareForBulk()
  let user = ProcessContext.owner
  let work = SharedWork(count: manifest.entryCount)
  let found = ParallelResults<Bool>(count: manifest.entryCount)
  // The worker that shows progress may get no entry before the others have taken them all.
  if let progress { progress(0, manifest.contentLength) }
  let bufferLength = 256 << 10
  let workers = workerCount(
    processors: ProcessContext.processorCount, longestStored: 0, longestRaw: bufferLength)
  runWorkers(workers) { number in
    do throws(Failure) {
      let buffer = try Buffer(count: bufferLength)
      while let index = work.take() {
        if !entryMatches(root, user, manifest, index, hashing, buffer.bytes, work) {
          found[index] = true
          if stoppingAtFirst { return work.stop() }
        }
        if number == 0, let progress { progress(work.bytesDone, manifest.contentLength) }
      }
    } catch { work.fail(error) }
  }
  try work.finish()
  if work.isFailing, let progress { progress(work.bytesDone, manifest.contentLength) }
  var damaged = EntrySet(count: manifest.entryCount)
  for index in 0..<manifest.entryCount {
    // Parents come before their children. Damage of the root is its mode, which hides nothing.
    let parent = manifest.entry(index).parent
    if found[index] == true || (parent != 0 && damaged.contains(parent)) { damaged.insert(index) }
  }
  return damaged
}

/// Others cannot write to any entry of a cached tree.
let cachedModes = EntryModes.cached

/// Whether an entry can be read and matches the manifest.
private func entryMatches(
  _ root: DirectoryHandle, _ user: UInt32, _ manifest: Manifest, _ index: Int,
  _ hashing: Hashing, _ buffer: UnsafeMutableRawBufferPointer, _ work: SharedWork
) -> Bool {
  do throws(Failure) {
    return try compareEntry(root, user, manifest, index, hashing, buffer, work)
  } catch { return false }
}

private func compareEntry(
  _ root: DirectoryHandle, _ user: UInt32, _ manifest: Manifest, _ index: Int,
  _ hashing: Hashing, _ buffer: UnsafeMutableRawBufferPointer, _ work: SharedWork
) throws(Failure) -> Bool {
  let entry = manifest.entry(index)
  let path = Path(manifest.path(of: index))
  let status = try root.status(of: path)
  guard status.belongs(to: user) else { return false }
  switch entry.type {
  case .directory:
    return status.kind == .directory && status.mode & 0o777 == cachedModes.mode(of: entry)
  case .symlink:
    guard status.kind == .symlink else { return false }
    let target = try root.symlinkTarget(of: path)
    return target.bytes.elementsEqual(manifest.target(of: entry))
  case .hardLink:
    let target = Path(manifest.path(of: entry.hardLinkTarget))
    let other = try root.status(of: target)
    return status.isSameFile(as: other)
  case .file:
    guard status.kind == .file, status.mode & 0o7777 == cachedModes.mode(of: entry),
      UInt64(status.size) == entry.size
    else { return false }
    switch hashing {
    case .none: return true
    case .whereTimesDiffer where isStored(entry.modified, as: status.modified): return true
    case .whereTimesDiffer, .all: break
    }
    let file = try FileDescriptor.open(path, in: root, .readNoFollow)
    // If another worker has failed, this result is not needed.
    return try entry.isContent(of: file, buffer, work)
  }
}
