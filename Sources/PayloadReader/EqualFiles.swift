internal import ContentHash
internal import Synchronization
public import PayloadFormat
public import Posix

/// Older trees from which `unpackTree` takes equal files, instead of unpacking them
/// (docs/decisions/0041-reuse-between-trees.md).
public struct OlderTrees: Sendable {
  /// The trees' own directories, the preferred one first. Their owners must keep them open.
  public var roots: [DirectoryHandle]
  /// The directory that needs room for what is left to unpack.
  public var cache: DirectoryHandle

  public init(roots: [DirectoryHandle], cache: DirectoryHandle) {
    self.roots = roots
    self.cache = cache
  }
}

/// Takes files from older trees into a new one. A file is equal if it has the same path, owner, mode, size, time
/// and content. Its content is hashed, and then it gets a name in the new tree as well: a hard link, or a clone
/// where a link can't be. Any file that can't be taken is left to be unpacked, whatever the reason.
final class EqualFiles: Sendable {
  private let manifest: Manifest
  private let older: OlderTrees
  private let root: DirectoryHandle
  private let mostOpen: Int
  private let modes: EntryModes
  /// The files to try, in this order.
  private let candidates: [Int]
  /// All directories of the new tree, from `take` on.
  let directories = Awaited<DirectoryTable>()
  private let refusals = Atomic<Int>(0)

  /// A file system that refused so many links and clones has neither: hashing more files would be in vain.
  private static let mostRefusals = 16
  /// At least so many files, if there are, and less than twice as many, are looked at to find out whether the rest is
  /// worth it.
  private static let samples = 64

  init(
    manifest: Manifest, older: OlderTrees, root: DirectoryHandle, mostOpen: Int, modes: EntryModes
  ) {
    self.manifest = manifest
    self.older = older
    self.root = root
    self.mostOpen = mostOpen
    self.modes = modes
    candidates = EqualFiles.candidates(manifest)
  }

  /// Whether a sixteenth of a sample looks equal. Else looking at all files takes longer than sharing them saves.
  var isWorthTrying: Bool {
    let step = max(1, candidates.count / EqualFiles.samples)
    var tried = 0
    var found = 0
    for place in stride(from: 0, to: candidates.count, by: step) {
      let entry = manifest.entry(candidates[place])
      let path = Path(manifest.path(of: candidates[place]))
      tried += 1
      if older.roots.contains(where: { (try? like(entry, at: path, in: $0)) != nil }) { found += 1 }
    }
    return found > 0 && found * 16 >= tried
  }

  /// Makes all directories, and takes all files that it can. Returns the entries that are left: everything but these
  /// files.
  func take(workers: Int, progress: UnpackProgress?) throws(Failure) -> EntrySet {
    let work = SharedWork(count: candidates.count)
    let taken = ParallelResults<Bool>(count: manifest.entryCount)
    let total = manifest.allocatedLength
    if let progress { progress(0, total) }
    runWorkers(workers) { number in
      do throws(Failure) {
        // Meanwhile the other workers already hash.
        if number == 0 { try self.makeDirectories() }
        let buffer = try Buffer(count: 256 << 10)
        while let place = work.take() {
          let index = self.candidates[place]
          guard self.take(index, buffer.bytes, work) else { continue }
          taken[index] = true
          if number == 0, let progress { progress(min(work.bytesDone, total), total) }
        }
      } catch { work.fail(error) }
    }
    try work.finish()
    var left = EntrySet(count: manifest.entryCount)
    for index in 0..<manifest.entryCount where taken[index] != true { left.insert(index) }
    return left
  }

  private func makeDirectories() throws(Failure) {
    var table: DirectoryTable? = nil
    defer { directories.set(table) }
    table = try DirectoryTable(manifest, root: root, mostOpen: mostOpen)
  }

  /// Files with content, large ones first, so that no worker ends alone with one. A file with several names in the
  /// tree is not among them, because it must keep its number of names.
  private static func candidates(_ manifest: Manifest) -> [Int] {
    var targets = EntrySet(count: manifest.entryCount)
    for index in 0..<manifest.entryCount where manifest.entry(index).type == .hardLink {
      targets.insert(manifest.entry(index).hardLinkTarget)
    }
    var result: [Int] = []
    for isLarge in [true, false] {
      for index in 0..<manifest.entryCount where !targets.contains(index) {
        let entry = manifest.entry(index)
        if entry.type == .file && entry.size > 0 && (entry.size >= 1 << 20) == isLarge {
          result.append(index)
        }
      }
    }
    return result
  }

  /// The status of the file at `path`; nil if there is none that looks equal.
  private func like(
    _ entry: Manifest.Entry, at path: Path, in root: DirectoryHandle
  ) throws(Failure) -> FileStatus? {
    guard let status = try root.statusIfExists(of: path), entry.isLike(status, modes: modes)
    else { return nil }
    return status
  }

  @inline(never)
  private func take(_ index: Int, _ buffer: UnsafeMutableRawBufferPointer, _ work: SharedWork)
    -> Bool
  {
    let path = Path(manifest.path(of: index))
    for root in older.roots {
      do throws(Failure) {
        if try take(manifest.entry(index), at: path, in: root, buffer, work) { return true }
      } catch { continue }
    }
    return false
  }

  private func take(
    _ entry: Manifest.Entry, at path: Path, in root: DirectoryHandle,
    _ buffer: UnsafeMutableRawBufferPointer, _ work: SharedWork
  ) throws(Failure) -> Bool {
    guard let status = try like(entry, at: path, in: root) else { return false }
    let file = try FileDescriptor.open(path, in: root, .readNoFollow)
    guard try entry.isContent(of: file, buffer, work) else { return false }
    // Executing it must give nobody more than the file as it is unpacked.
    guard !file.hasCapabilities else { return false }
    guard let directories = directories.value else { return false }
    var name = Path()
    let directory = directories.locate(entry, of: manifest, name: &name)
    do throws(Failure) { try file.link(as: name, in: directory) } catch {
      do throws(Failure) { try clone(file, as: name, of: entry, in: directory) } catch {
        let count = refusals.wrappingAdd(1, ordering: .relaxed).newValue
        if count >= EqualFiles.mostRefusals { work.stop() }
        throw error
      }
    }
    // Whoever wrote to the file since gave it another time.
    let now = try? file.status()
    guard let now, now.isSameFile(as: status), entry.isLike(now, modes: modes) else {
      try directory.removeFile(name)
      return false
    }
    return true
  }

  private func clone(
    _ file: borrowing FileDescriptor, as name: Path, of entry: Manifest.Entry,
    in directory: DirectoryHandle
  ) throws(Failure) {
    let copy = try FileDescriptor.open(
      name, in: directory, .createNew, mode: modes.mode(of: entry))
    do throws(Failure) {
      try copy.clone(file)
      try copy.setModificationTime(entry.modified)
    } catch {
      try directory.removeFile(name)
      throw error
    }
  }
}

extension Manifest.Entry {
  /// Whether the status is that of this file, unpacked by this user and not written to since.
  @inline(never)
  public func isLike(_ status: FileStatus, modes: EntryModes) -> Bool {
    status.kind == .file && UInt64(status.size) == size && isStored(modified, as: status.modified)
      && status.mode == modes.mode(of: self) && status.user == ProcessContext.owner
  }

  /// Whether `file` has this file's content.
  ///
  /// - Parameters:
  ///   - buffer: Receives parts of the content.
  ///   - work: Counts the bytes; nil: nobody does. If it must stop, the result is false.
  /// - Throws: "read".
  @inline(never)
  public func isContent(
    of file: borrowing FileDescriptor, _ buffer: UnsafeMutableRawBufferPointer,
    _ work: SharedWork? = nil
  ) throws(Failure) -> Bool {
    var hasher = SHA256Hasher()
    var offset: UInt64 = 0
    var count = buffer.count
    while count == buffer.count {
      count = try file.read(into: buffer, at: Int64(offset))
      hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += UInt64(count)
      if let work {
        work.add(bytes: count)
        guard !work.mustStop() else { return false }
      }
    }
    let isWhole = offset == size
    return hasher.finish() == hash && isWhole
  }
}
