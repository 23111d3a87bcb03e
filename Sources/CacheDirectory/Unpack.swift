internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// UNPACK: a staging directory receives the whole tree, from verified frames and equal files of older trees, and the
// seal.

extension CacheDirectory {
  /// Unpacks to a staging directory and seals the tree there. Removes the directory on failure. `replacing`: there
  /// is a tree that can't be repaired.
  func unpack(
    _ payload: Payload, _ manifest: Manifest, replacing: Bool, _ request: TreeRequest
  ) throws(Failure) -> ClaimedStaging {
    let observer = request.observer
    observer.timeline.begin(.plan)
    let older = request.reusesFiles(payload.record) ? olderTrees(of: payload) : []
    if older.isEmpty { try requireRoom(for: UnpackedSize(manifest), in: handle) }
    let claimed: ClaimedStaging
    do throws(Failure) { claimed = try claimStaging(payload.treeName) } catch {
      throw lackOfRoom(error, manifest)
    }
    let name = claimed.staging.name
    do throws(Failure) {
      observer.timeline.begin(.unpack)
      try fill(
        claimed.staging.directory, payload, manifest, older,
        replacing ? observer.repairing : observer.unpacking, request)
    } catch { throw abandon(name, error, manifest, request) }
    return claimed
  }

  /// Removes a staging directory after `error`. Returns the error to throw.
  @inline(never)
  func abandon(_ staging: Path, _ error: Failure, _ manifest: Manifest, _ request: TreeRequest)
    -> Failure
  {
    request.observer.timeline.begin(.cleanUp)
    try? removeMarked(staging)
    return lackOfRoom(error, manifest)
  }

  /// Creates a staging directory and holds its lease exclusively, so that a clean-up sees that it is in use.
  @inline(never)
  func claimStaging(_ treeName: Path) throws(Failure) -> ClaimedStaging {
    while true {
      let staging = try makeStaging(named: treeName.bytes, in: handle)
      let name = staging.name
      do throws(Failure) {
        let lease = try Lease.create(in: staging.directory.handle)
        // Older launchers decide by this lock whether to clean up.
        _ = try? staging.directory.lock(exclusive: true, wait: false)
        if lease.lock(exclusive: true) != .refused, staging.directory.isNamed(name, in: handle) {
          return ClaimedStaging(staging: staging, lease: lease)
        }
        try? removeMarked(name)
      } catch {
        try? removeMarked(name)
        if !error.errno.isMissing { throw error }
      }
    }
  }

  /// Creates the directory that receives the tree in a staging directory.
  func makeTreeDirectory(in staging: DirectoryHandle) throws(Failure) -> FileDescriptor {
    try staging.createDirectory(treeDirectory, mode: 0o700)
    return try FileDescriptor.open(treeDirectory, in: staging, .directory)
  }

  private func fill(
    _ staging: borrowing FileDescriptor, _ payload: Payload, _ manifest: Manifest,
    _ older: [OlderTree], _ progress: @escaping UnpackProgress, _ request: TreeRequest
  ) throws(Failure) {
    let handle = staging.handle
    let root = try makeTreeDirectory(in: handle)
    try unpackTree(
      of: payload, manifest, into: root.handle, modes: cachedModes, older: sources(older),
      workers: workerCount(for: manifest), progress: progress,
      timeline: request.observer.timeline)
    request.observer.timeline.begin(.seal)
    if request.reusesFiles(payload.record) { try KeptManifest.write(of: payload, in: handle) }
    try seal(
      root, of: manifest, payload, in: handle, completeSince: nil, isOnDisk: false,
      isDurable: request.isDurable)
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
  }

  /// The error to throw for one that may be a lack of room for the whole tree.
  private func lackOfRoom(_ error: Failure, _ manifest: Manifest) -> Failure {
    error.isWantOfRoom ? roomError(needed: manifest.allocatedLength) : error
  }

  /// The error for a write that failed because the disk is full. It tells the user to free `needed` bytes.
  func roomError(needed: UInt64) -> Failure {
    let available = (try? directory.volume())?.bytesAvailable ?? 0
    return .noSpace(directory: path, needed: needed, available: available)
  }
}

/// A staging directory whose lease only this process holds.
struct ClaimedStaging: ~Copyable {
  let staging: StagingDirectory
  let lease: Lease

  /// Shares the lease from now on, through a read-only descriptor like that of a program that uses the tree.
  consuming func share() -> TreeUse {
    _ = lease.lock(exclusive: false)
    let shared = Lease.open(in: staging.directory.handle, .readNoFollow)
    _ = shared?.lock(exclusive: false)
    _ = try? staging.directory.lock(exclusive: false, wait: false)
    return TreeUse(directory: staging.release(), lease: shared)
  }
}
