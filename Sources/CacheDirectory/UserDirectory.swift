internal import PayloadReader
public import Posix

// Where processes of one user find each other: the runtime directory of their session, or the cache directory.

/// Opens the directory where a launch puts files for other processes of this user: `$XDG_RUNTIME_DIR`, or
/// `/run/user/<uid>`, or the first cache directory that can be written to.
///
/// - Throws: a refusal if `$XDG_RUNTIME_DIR` is not this user's alone, or if there is no such directory.
public func openUserDirectory() throws(Failure) -> FileDescriptor {
  if let directory = try openRuntimeDirectory() { return directory }
  var search = CacheSearch(create: true)
  while let cache = search.next() {
    if cache.isWritable { return cache.directory }
  }
  throw .noDirectory(search.skipped)
}

/// Opens the file `name` in the directories that `openUserDirectory` may have chosen in this or another session,
/// and returns the first that a process has locked (`FileDescriptor.lockForProcess`). Nil if there is none.
///
/// - Throws: a refusal if something else has the name, or another user could write to it.
public func openLockedUserFile(_ name: Path) throws(Failure) -> FileDescriptor? {
  if let directory = try openRuntimeDirectory(), let file = try openLocked(name, directory.handle) {
    return file
  }
  var search = CacheSearch(create: false)
  while let cache = search.next() {
    if let file = try openLocked(name, cache.handle) { return file }
  }
  return nil
}

@inline(never)
private func openLocked(_ name: Path, _ directory: DirectoryHandle) throws(Failure)
  -> FileDescriptor?
{
  guard try directory.statusIfExists(of: name) != nil else { return nil }
  let file = try openUserFile(name, directory, .readNoFollow)
  guard file.lockingProcess != nil else { return nil }
  return file
}

/// Opens a file of this user that no other may write to.
public func openUserFile(
  _ name: Path, _ directory: DirectoryHandle, _ options: OpenOptions
) throws(Failure) -> FileDescriptor {
  let file = try FileDescriptor.open(name, in: directory, options, mode: 0o600)
  let status = try file.status()
  guard status.kind == .file, status.isOnlyOurs else {
    throw .foreignUserFile(directory.path.appending(name.bytes))
  }
  return file
}

/// Nil if there is no session: for most services, and in containers.
private func openRuntimeDirectory() throws(Failure) -> FileDescriptor? {
  let given = ProcessContext.variable("XDG_RUNTIME_DIR")
  let path = given ?? Path(("/run/user/\(UInt64(ProcessContext.effectiveUser))" as Text).bytes)
  guard path.isAbsolute, let directory = try? FileDescriptor.open(path, .directoryFollow) else {
    return nil
  }
  let status = try directory.status()
  guard status.isOnlyOurs, status.user == ProcessContext.owner else {
    if given == nil { return nil }
    throw .foreignRuntimeDirectory(path)
  }
  return directory
}
