internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// RENAME: the staged tree gets its name, in one step.

extension CacheDirectory {
  /// Renames the staged tree into place. Removes it on failure.
  ///
  /// Returns the tree; its lease is held since before the rename. Returns nil if another instance was first; its
  /// tree is equivalent.
  @inline(never)
  func rename(
    _ staged: consuming ClaimedStaging, _ payload: Payload, _ manifest: Manifest, replacing: Bool,
    _ request: TreeRequest
  ) throws(Failure) -> CachedTree? {
    request.observer.timeline.begin(.publish)
    let name = staged.staging.name
    do throws(Failure) {
      // All users who may enter the cache directory may use its trees: one that root prewarmed serves all.
      try staged.staging.directory.setMode(0o755)
      if replacing { inheritLease(of: payload.treeName, staged.staging.directory.handle) }
      // Shared from here on: a launch that finds the published tree must get the lease.
      let use = staged.share()
      guard try publish(name, payload, replacing: replacing, request.observer) else { return nil }
      return tree(use, payload, wasUnpacked: true, request)
    } catch { throw abandon(name, error, manifest, request) }
  }

  /// Gives the new tree the lease of the tree that it replaces: running programs hold that lease, and find their
  /// files in the new tree. If that fails, the new tree keeps its own lease.
  private func inheritLease(of treeName: Path, _ staging: DirectoryHandle) {
    guard let directory = try? FileDescriptor.open(treeName, in: handle, .directory),
      let name = try? hiddenName(for: Lease.fileName.bytes)
    else { return }
    do throws(Failure) {
      try staging.createHardLink(name, to: Lease.fileName, in: directory.handle)
      try staging.rename(name, to: Lease.fileName)
    } catch { try? staging.removeFile(name) }
    // If others could write to the old tree, the lease may not be Onefold's: create one.
    ensureLease(in: staging)
  }

  /// Renames `staging` into place and returns true. If another instance was first, removes `staging` and returns
  /// false. `replacing`: the existing tree is damaged; otherwise another instance made it, and it is equivalent.
  private func publish(
    _ staging: Path, _ payload: Payload, replacing: Bool, _ observer: CacheObserver
  ) throws(Failure) -> Bool {
    let name = payload.treeName
    for _ in 0..<8 {
      do throws(Failure) {
        try handle.renameWithoutReplacing(staging, to: name)
        return true
      } catch {
        switch error.errno {
        case .exists, .notEmpty, .notDirectory: break
        default: throw error
        }
      }
      if !replacing && holds(payload) {
        try? removeMarked(staging)
        return false
      }
      if try replace(name, by: staging, observer) { return true }
    }
    throw Failure("rename", path.appending(staging.bytes), .exists)
  }

  /// Puts `staging` in the place of `name`, and removes the old tree. Programs that run from it keep their open
  /// files, and find equal ones under the old paths. Returns false if `name` is now free.
  private func replace(_ name: Path, by staging: Path, _ observer: CacheObserver)
    throws(Failure) -> Bool
  {
    do throws(Failure) {
      try handle.exchange(staging, with: name)
    } catch {
      switch error.errno {
      case .noSuchFile, .staleHandle: return false
      case .otherFileSystem:
        try removeReplaced(name, observer)
        return false
      case _ where error.errno.isUnknownRename:
        return try replaceInTwoSteps(name, by: staging, observer)
      default: throw error
      }
    }
    try? removeReplaced(staging, observer)
    return true
  }

  /// Removes a replaced tree, and reports the files that a program wrote into it.
  private func removeReplaced(_ name: Path, _ observer: CacheObserver) throws(Failure) {
    var result = CleanUpResult()
    defer { for item in result.kept { observer.moved(item) } }
    try removeMarked(name, &result)
  }

  /// Replaces the tree on a file system without atomic exchange: for a moment there is no tree.
  private func replaceInTwoSteps(_ name: Path, by staging: Path, _ observer: CacheObserver)
    throws(Failure) -> Bool
  {
    let old = try hiddenName(for: name.bytes)
    do throws(Failure) { try handle.rename(name, to: old) } catch {
      guard error.errno == .otherFileSystem else { throw error }
      try removeReplaced(name, observer)
    }
    defer { try? removeReplaced(old, observer) }
    // If another instance is first, the caller looks again.
    return (try? handle.renameWithoutReplacing(staging, to: name)) != nil
  }
}
