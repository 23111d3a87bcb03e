public import PayloadFormat
public import Posix

/// Workers for this payload on this machine.
public func workerCount(for manifest: Manifest) -> Int {
  workerCount(
    processors: ProcessContext.processorCount, longestStored: manifest.longestStoredFrame,
    longestRaw: manifest.longestRawFrame)
}

/// Fails where the file system of `directory` has less room than the tree needs. A file system that
/// does not say how much it has is believed to have enough: a failed write tells then.
public func requireRoom(for manifest: Manifest, in directory: borrowing FileDescriptor)
  throws(PayloadError)
{
  let path = directory.path
  let volume: VolumeStatus
  do throws(SystemError) { volume = try directory.volume() } catch { return }
  // A block that is not full, for each file and directory.
  let slack = UInt64(manifest.fileCount + manifest.directoryCount) * 2048
  let needed = manifest.allocatedLength + slack
  guard volume.bytesAvailable >= needed || volume.bytesAvailable == 0 && volume.nodesTotal == 0
  else {
    throw .noSpace(directory: path, needed: needed, available: volume.bytesAvailable)
  }
  let nodes = UInt64(manifest.fileCount + manifest.directoryCount + manifest.symlinkCount) + 4
  guard volume.nodesTotal == 0 || volume.nodesAvailable >= nodes else {
    throw .noNodes(directory: path, needed: nodes, available: volume.nodesAvailable)
  }
}

/// Unpacks the tree to `target`, which must not exist or be an empty directory.
///
/// The tree is made beside `target` and then renamed, so that nothing is left where it fails, or where a
/// held termination signal comes.
public func extract(_ payload: Payload, to target: Path, progress: UnpackProgress? = nil)
  throws(PayloadError) -> Manifest
{
  try payload.verifyPrefix()
  let manifest = try payload.readManifest()
  let parent = try system { () throws(SystemError) in
    try FileDescriptor.open(target.parent, .directoryFollow)
  }
  let handle = parent.handle
  let name = Path([UInt8](target.lastComponent))
  if let status = try system({ () throws(SystemError) in try handle.statusIfExists(of: name) }) {
    guard status.kind == .directory else { throw .occupied(target) }
    let names = try system { () throws(SystemError) in try handle.names(in: name) }
    guard names.isEmpty else { throw .occupied(target) }
  }
  try requireRoom(for: manifest, in: parent)

  let staging = try makeStaging(named: name.bytes, in: handle)
  do throws(PayloadError) {
    let root = try system { () throws(SystemError) in
      try FileDescriptor.open(staging, in: handle, .directory)
    }
    try unpackTree(
      of: payload, manifest, into: root.handle, workers: workerCount(for: manifest),
      progress: progress)
    // Onto nothing or an empty directory; anything else fails.
    do throws(SystemError) { try handle.rename(staging, to: name) } catch {
      throw error.errno == .notEmpty || error.errno == .exists ? .occupied(target) : .system(error)
    }
  } catch {
    try? removeTree(staging, in: handle)
    throw error
  }
  return manifest
}

/// Makes the directory `.<name>.<16 hexadecimal digits>`, which nobody else can enter, and returns its name.
public func makeStaging(named name: ArraySlice<UInt8>, in directory: DirectoryHandle)
  throws(PayloadError) -> Path
{
  try system { () throws(SystemError) in
    var staging = Path([UInt8(ascii: ".")])
    staging.append(contentsOf: name.prefix(200))
    staging.append(byte: UInt8(ascii: "."))
    staging.append(contentsOf: hexText(try randomBytes(8)).bytes)
    try directory.createDirectory(staging, mode: 0o700)
    return staging
  }
}
