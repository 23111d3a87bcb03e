/// Removes `name` and everything below it, without following symlinks and without leaving the file system
/// that `name` is on. What is already gone is no error.
///
/// Directories that lack the owner's permissions get them first. At `deadline`, of `MonotonicClock`, it stops with
/// `timedOut`, where it stands.
public func removeTree(
  _ name: Path, in directory: DirectoryHandle, deadline: Int64 = .max
) throws(SystemError) {
  guard let status = try directory.statusIfExists(of: name) else { return }
  guard status.kind == .directory else {
    try ignoringMissing { () throws(SystemError) in try directory.removeFile(name) }
    return
  }
  try removeDirectory(name, in: directory, device: status.device, deadline)
}

private func removeDirectory(
  _ name: Path, in directory: DirectoryHandle, device: UInt64, _ deadline: Int64
) throws(SystemError) {
  do throws(SystemError) {
    let opened = try openWithPermissions(name, in: directory)
    if deadline != .max && MonotonicClock.now > deadline {
      throw SystemError("remove", opened.path, .timedOut)
    }
    if try opened.status().device != device {
      throw SystemError("remove", opened.path, .notSupported)
    }
    let handle = opened.handle
    for bytes in try handle.names() {
      let child = Path(bytes)
      // Most entries are files: trying costs less than asking first.
      do throws(SystemError) {
        try handle.removeFile(child)
      } catch {
        switch error.errno {
        case .noSuchFile, .staleHandle: continue
        case .isDirectory, .notPermitted:
          try removeDirectory(child, in: handle, device: device, deadline)
        default: throw error
        }
      }
    }
  } catch {
    if error.errno.isMissing { return }
    throw error
  }
  try ignoringMissing { () throws(SystemError) in try directory.removeDirectory(name) }
}

/// Opens a directory, and gives its owner the permissions that are missing: one whose content is about to be
/// changed. It has mode 0700 then, if any was missing.
public func openWithPermissions(_ name: Path, in directory: DirectoryHandle) throws(SystemError)
  -> FileDescriptor
{
  do throws(SystemError) {
    let opened = try FileDescriptor.open(name, in: directory, .directory)
    // Whoever may remove entries without that may do it where modes can't be changed.
    if try opened.status().mode & 0o700 != 0o700 { try? opened.setMode(0o700) }
    return opened
  } catch {
    // Where the permissions are there, something else forbids it.
    guard error.errno == .accessDenied, try directory.status(of: name).mode & 0o700 != 0o700
    else { throw error }
    try directory.setMode(of: name, 0o700)
    return try FileDescriptor.open(name, in: directory, .directory)
  }
}

private func ignoringMissing(_ body: () throws(SystemError) -> Void) throws(SystemError) {
  do throws(SystemError) { try body() } catch {
    if !error.errno.isMissing { throw error }
  }
}
