internal import ContentHash
internal import PayloadFormat
internal import PayloadReader
internal import Posix

/// Compares a tree with its manifest: the type, mode, size, time and link of every entry, and with
/// `hashing` the content of every file. Further entries in the tree are not looked for.
///
/// Returns whether all is right. Throws only where a held termination signal came.
func treeMatches(
  _ root: DirectoryHandle, _ manifest: Manifest, hashing: Bool, progress: UnpackProgress?
) throws(PayloadError) -> Bool {
  SHA256Hasher.prepareForBulk()
  let work = SharedWork<TreeCheckEnd>(count: manifest.entryCount) { .interrupted(signal: $0) }
  runWorkers(ProcessContext.processorCount) { number in
    do throws(TreeCheckEnd) {
      let buffer = try orDamaged { () throws(SystemError) in try Buffer(count: 256 << 10) }
      while let index = work.take() {
        guard try entryMatches(root, manifest, index, hashing ? buffer.bytes : nil, work) else {
          throw .damaged
        }
        if number == 0, let progress { progress(work.bytesDone, manifest.contentLength) }
      }
    } catch { work.fail(error) }
  }
  do throws(TreeCheckEnd) {
    try work.finish()
    if let progress { progress(work.bytesDone, manifest.contentLength) }
    return true
  } catch {
    if case .interrupted(let signal) = error { throw .interrupted(signal: signal) }
    return false
  }
}

private enum TreeCheckEnd: Error {
  case damaged
  case interrupted(signal: Int32)
}

/// What can't be read is as bad as what is wrong.
private func orDamaged<Result: ~Copyable>(_ body: () throws(SystemError) -> Result)
  throws(TreeCheckEnd) -> Result
{
  do throws(SystemError) { return try body() } catch { throw .damaged }
}

private func entryMatches(
  _ root: DirectoryHandle, _ manifest: Manifest, _ index: Int,
  _ buffer: UnsafeMutableRawBufferPointer?, _ work: SharedWork<TreeCheckEnd>
) throws(TreeCheckEnd) -> Bool {
  let entry = manifest.entry(index)
  let path = Path(manifest.path(of: index))
  let status = try orDamaged { () throws(SystemError) in try root.status(of: path) }
  switch entry.type {
  case .directory:
    return status.kind == .directory && status.mode & 0o777 == UInt32(entry.mode)
  case .symlink:
    guard status.kind == .symlink else { return false }
    let target = try orDamaged { () throws(SystemError) in try root.symlinkTarget(of: path) }
    return target.bytes.elementsEqual(manifest.target(of: entry))
  case .hardLink:
    let target = Path(manifest.path(of: entry.hardLinkTarget))
    let other = try orDamaged { () throws(SystemError) in try root.status(of: target) }
    return status.isSameFile(as: other)
  case .file:
    guard status.kind == .file, status.mode & 0o7777 == UInt32(entry.mode),
      UInt64(status.size) == entry.size, isStored(entry.modified, as: status.modified)
    else { return false }
    guard let buffer else { return true }
    let file = try orDamaged { () throws(SystemError) in
      try FileDescriptor.open(path, in: root, .readNoFollow)
    }
    return try orDamaged { () throws(SystemError) in
      var hasher = SHA256Hasher()
      var offset: Int64 = 0
      while true {
        let count = try file.read(into: buffer, at: offset)
        hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        work.add(bytes: count)
        offset += Int64(count)
        if count < buffer.count { break }
      }
      return hasher.finish() == entry.hash
    }
  }
}

/// Whether a file system that was given `time` may say `stored`: some keep whole seconds only.
private func isStored(_ time: FileTime, as stored: FileTime) -> Bool {
  stored.seconds == time.seconds
    && (stored.nanoseconds == time.nanoseconds || stored.nanoseconds == 0)
}
