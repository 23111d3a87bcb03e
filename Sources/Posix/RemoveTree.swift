/// Removes `name` and everything below it, without following symlinks and without leaving the file system of
/// `name`. An entry that is already gone is not an error.
///
/// Directories without the owner's permissions get them first. At `deadline`, a time of `MonotonicClock`, removal
/// stops and throws `timedOut`; the clock is checked before each entry of a directory. `keeping`: keeps files
/// that were created or changed after this time, and the directories that lead to them; nil: keeps nothing.
public func removeTree(
  _ name: Path, in directory: DirectoryHandle, deadline: Int64 = .max, keeping time: FileTime? = nil
) throws(Failure) {
  guard let status = try directory.statusIfExists(of: name) else { return }
  guard status.kind == .directory else {
    try ignoringMissing { () throws(Failure) in try directory.removeFile(name) }
    return
  }
  var removal = Removal(device: status.device, deadline: deadline, kept: time)
  try removal.removeDirectory(name, in: directory)
}

private struct Removal {
  let device: UInt64
  let deadline: Int64
  let kept: FileTime?
  /// Inodes that lost one of several names: the removal itself changed these files.
  var removedLinks: [UInt64] = []

  mutating func removeDirectory(_ name: Path, in directory: DirectoryHandle) throws(Failure) {
    do throws(Failure) {
      let opened = try openWithPermissions(name, in: directory)
      if try opened.status().device != device {
        throw Failure("remove", opened.path, .notSupported)
      }
      let handle = opened.handle
      for bytes in try handle.names() {
        if deadline != .max && MonotonicClock.now > deadline {
          throw Failure("remove", opened.path, .timedOut)
        }
        let child = Path(bytes)
        if try isKept(child, in: handle) { continue }
        // Most entries are files: trying to remove them costs less than a check first.
        do throws(Failure) {
          try handle.removeFile(child)
        } catch {
          switch error.errno {
          case .noSuchFile, .staleHandle: continue
          case .isDirectory, .notPermitted: try removeDirectory(child, in: handle)
          default: throw error
          }
        }
      }
      do throws(Failure) { try directory.removeDirectory(name) } catch {
        guard kept != nil && error.errno == .notEmpty else { throw error }
      }
    } catch {
      // Something inside may be missing, or a failure may look like that: only the name itself shows that the
      // directory is gone.
      guard error.errno.isMissing, try directory.statusIfExists(of: name) == nil
      else { throw error }
    }
  }

  private mutating func isKept(_ name: Path, in directory: DirectoryHandle) throws(Failure)
    -> Bool
  {
    guard let kept, let status = try directory.statusIfExists(of: name), status.kind != .directory
    else { return false }
    if status.changed.isLater(than: kept) { return !removedLinks.contains(status.inode) }
    if status.links > 1 { removedLinks.append(status.inode) }
    return false
  }
}

/// Opens a directory whose content is about to change, and gives its owner missing permissions. If any was
/// missing, its mode is 0700 afterwards.
///
/// - Throws: "open" or "set the mode of".
public func openWithPermissions(_ name: Path, in directory: DirectoryHandle) throws(Failure)
  -> FileDescriptor
{
  do throws(Failure) {
    let opened = try FileDescriptor.open(name, in: directory, .directory)
    // If modes cannot be changed, a user who may remove entries anyway can continue.
    if try opened.status().mode & 0o700 != 0o700 { try? opened.setMode(0o700) }
    return opened
  } catch {
    // If the permissions are there, the refusal has another cause.
    guard error.errno == .accessDenied, try directory.status(of: name).mode & 0o700 != 0o700
    else { throw error }
    try directory.setMode(of: name, 0o700)
    return try FileDescriptor.open(name, in: directory, .directory)
  }
}

private func ignoringMissing(_ body: () throws(Failure) -> Void) throws(Failure) {
  do throws(Failure) { try body() } catch {
    if !error.errno.isMissing { throw error }
  }
}
