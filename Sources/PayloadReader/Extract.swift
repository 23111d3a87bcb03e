public import PayloadFormat
public import Posix
public import Reporting

/// The number of workers for this payload on this machine.
public func workerCount(for manifest: Manifest) -> Int {
  workerCount(
    processors: ProcessContext.processorCount, longestStored: manifest.longestStoredFrame,
    longestRaw: manifest.longestRawFrame)
}

/// The descriptors that must be free to unpack a tree. `removeTree`, called on failure, keeps one open for each
/// level. This is enough for ten levels; a deeper tree with so few descriptors does not justify refusing the
/// others.
private let removalDescriptors = 16

/// Throws if the file system of `directory` has too little space for the data to unpack, or if the process has
/// too few descriptors to remove an unfinished tree. A file system that does not report its space is assumed to
/// have enough: a failed write reports the lack.
public func requireRoom(for size: UnpackedSize, in directory: DirectoryHandle)
  throws(Failure)
{
  let path = directory.path
  guard
    Int(directory.rawValue) + removalDescriptors
      <= ProcessContext.raiseDescriptorLimit(most: 0).current
  else { throw Failure("open", path, .tooManyOpenFiles) }
  let volume: VolumeStatus
  do throws(Failure) { volume = try directory.volume() } catch { return }
  let needed = size.bytesNeeded
  guard volume.bytesAvailable >= needed || volume.bytesAvailable == 0 && volume.nodesTotal == 0
  else {
    throw .noSpace(directory: path, needed: needed, available: volume.bytesAvailable)
  }
  let nodes = UInt64(size.fileCount + size.directoryCount + size.symlinkCount) + 5
  guard volume.nodesTotal == 0 || volume.nodesAvailable >= nodes else {
    throw .noNodes(directory: path, needed: nodes, available: volume.nodesAvailable)
  }
}

/// Unpacks the tree to `target`, which must not exist or must be an empty directory.
///
/// The tree is created under a hidden name, beside `target` or in it, and then renamed. Nothing is left if it
/// fails or a held termination signal arrives.
public func extract(
  _ payload: Payload, to target: Path, progress: UnpackProgress? = nil, timeline: Timeline? = nil
) throws(Failure) -> Manifest {
  timeline.begin(.plan)
  try payload.verifyPrefix()
  let manifest = try payload.readManifest()
  let existing = try DirectoryHandle.current.statusIfExists(of: target)
  guard existing == nil || existing?.kind == .directory else { throw .occupied(target) }
  // An existing directory is kept: it may be a working directory or a mount.
  let place = try FileDescriptor.open(existing == nil ? target.parent : target, .directoryFollow)
  let handle = place.handle
  if existing != nil {
    let names = try handle.names()
    guard names.isEmpty else { throw .occupied(target) }
  }
  try requireRoom(for: UnpackedSize(manifest), in: place.handle)

  let staging = try makeStaging(named: target.lastComponent, in: handle)
  do throws(Failure) {
    timeline.begin(.unpack)
    try unpackTree(
      of: payload, manifest, into: staging.directory.handle, modes: .archived,
      workers: workerCount(for: manifest), progress: progress, timeline: timeline)
    timeline.begin(.publish)
    if existing == nil {
      try publish(staging, as: Path([UInt8](target.lastComponent)), in: handle, target)
    } else {
      try moveContent(of: staging, to: place, manifest)
    }
  } catch {
    timeline.begin(.cleanUp)
    try? staging.remove(in: handle)
    throw error
  }
  return manifest
}

private func publish(
  _ staging: borrowing StagingDirectory, as name: Path, in parent: DirectoryHandle, _ target: Path
) throws(Failure) {
  do throws(Failure) {
    // The owner of the parent directory may rename its entries and put other entries there.
    guard staging.directory.isNamed(staging.name, in: parent) else {
      throw Failure("rename", staging.directory.path, .noSuchFile)
    }
    try parent.renameWithoutReplacing(staging.name, to: name)
  } catch {
    switch error.errno {
    case .exists, .notEmpty, .notDirectory: throw .occupied(target)
    default: throw error
    }
  }
}

/// Moves the content of `staging`, a directory in `target`, up into `target`, which gets the root's mode and
/// time.
private func moveContent(
  of staging: borrowing StagingDirectory, to target: borrowing FileDescriptor, _ manifest: Manifest
) throws(Failure) {
  let handle = target.handle
  let root = staging.directory.handle
  // The root's own mode may forbid renaming its entries.
  try staging.directory.setMode(0o700)
  var moved: [Path] = []
  do throws(Failure) {
    for name in try root.names() {
      let child = Path(name)
      try root.rename(child, to: child, in: handle)
      moved.append(child)
    }
  } catch {
    for child in moved { try? removeTree(child, in: handle) }
    throw error
  }
  try handle.removeDirectory(staging.name)
  let entry = manifest.entry(0)
  try handle.settle(entry.modified, UInt32(entry.mode))
}

/// A directory for unfinished work, before it gets its final name.
public struct StagingDirectory: ~Copyable {
  /// Its name in the parent directory: `.<name>.<16 hexadecimal digits>`.
  public let name: Path
  public let directory: FileDescriptor

  /// Gives up the directory, and returns the open descriptor.
  public consuming func release() -> FileDescriptor { directory }

  /// Removes the directory with its content. Removes only entries below the open directory, and an empty
  /// directory with its name: users who can write to the parent may have replaced it.
  ///
  /// - Throws: "open", "list" or "remove"; the rest stays then.
  public borrowing func remove(in parent: DirectoryHandle) throws(Failure) {
    try? directory.setMode(0o700)
    for name in try directory.handle.names() { try removeTree(Path(name), in: directory.handle) }
    try parent.removeDirectory(name)
  }
}

/// Creates a directory that only its owner can enter. Its entries get the mode that they are created with,
/// whatever access control lists the parent directory passes on.
///
/// - Throws: "create the directory" or "open"; no directory is left then.
public func makeStaging(named name: ArraySlice<UInt8>, in parent: DirectoryHandle)
  throws(Failure) -> StagingDirectory
{
  let staging = try hiddenName(for: name)
  try parent.createDirectory(staging, mode: 0o700)
  do throws(Failure) {
    let directory = try FileDescriptor.open(staging, in: parent, .directory)
    directory.removeAccessControlLists()
    try directory.setMode(0o700)
    return StagingDirectory(name: staging, directory: directory)
  } catch {
    try? parent.removeDirectory(staging)
    throw error
  }
}
