internal import ContentHash
public import PayloadFormat
public import Posix
public import Reporting

/// Receives the progress of unpacking: the bytes of content written so far, and the total.
public typealias UnpackProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void

/// The permissions of the archive that an unpacked entry gets.
public enum EntryModes: Sendable {
  /// All permissions, as `extract` gives them.
  case archived
  /// All except writing by group and others: cached files are executed later, by other users as well.
  case cached

  /// The mode of an entry: 0o000 to 0o777.
  @inline(__always)
  public func mode(of entry: Manifest.Entry) -> UInt32 {
    UInt32(entry.mode) & (self == .cached ? 0o755 : 0o777)
  }
}

/// Unpacks the tree into `root`, an empty directory, in parallel.
///
/// Each frame is verified before it is decoded. Every entry is created below descriptors of directories that were
/// created here, and no symlink is followed. On failure the directory is left as it is; the caller removes it.
/// Sets the process's file mode mask while it runs.
///
/// - Parameters:
///   - manifest: The manifest of this payload.
///   - only: The entries to create, with the directories above them; nil for all. Only the frames that hold them
///     are read. If it has a hard link, it must also have the link's file. All directories then keep mode 0700
///     and the time of their creation, because their content will be moved.
///   - modes: The modes that the entries get.
///   - older: Trees from which equal files are taken; nil: every file is unpacked. Not with `only`.
///   - workers: The number of threads, with the calling one; see `workerCount`.
///   - progress: Called on the calling thread: at the start, after each frame that it decodes, and at the end.
///   - timeline: Records the work of each worker.
@inline(never)
public func unpackTree(
  of payload: Payload, _ manifest: Manifest, only: EntrySet? = nil, into root: DirectoryHandle,
  modes: EntryModes, older: OlderTrees? = nil, workers: Int, progress: UnpackProgress? = nil,
  timeline: Timeline? = nil
) throws(Failure) {
  SHA256Hasher.prepareForBulk()
  let mask = ProcessContext.setFileModeMask(0)
  let limit = ProcessContext.raiseDescriptorLimit(most: manifest.directoryCount + 256)
  defer {
    ProcessContext.restoreDescriptorLimit(limit.previous)
    ProcessContext.setFileModeMask(mask)
  }
  let mostOpen = max(16, limit.current - 128)
  // The workers and the rest of the program need some descriptors too.
  ProcessContext.growDescriptorTable(to: min(manifest.directoryCount, mostOpen) + 64)
  var left = only
  var made: DirectoryTable? = nil
  if let older {
    timeline.begin(.reuse)
    let equal = EqualFiles(
      manifest: manifest, older: older, root: root, mostOpen: mostOpen, modes: modes)
    if equal.isWorthTrying {
      left = try equal.take(workers: workers, progress: progress)
      made = equal.directories.value
    }
    try requireRoom(for: UnpackedSize(manifest, only: left), in: older.cache)
    timeline.begin(.unpack)
  }
  let unpacker = TreeUnpacker(
    payload: payload, manifest: manifest, only: left, root: root, modes: modes, mostOpen: mostOpen,
    made: made)
  try unpacker.writeFrames(workers: workers, progress: progress, timeline: timeline)
  try unpacker.finish(settlesDirectories: only == nil)
}

private final class TreeUnpacker: Sendable {
  private let payload: Payload
  private let manifest: Manifest
  private let only: EntrySet?
  private let root: DirectoryHandle
  private let modes: EntryModes
  private let mostOpen: Int
  /// The directories, if there are already all of them.
  private let made: DirectoryTable?
  private let directories = Awaited<DirectoryTable>()
  private let plan: FramePlan

  init(
    payload: Payload, manifest: Manifest, only: EntrySet?, root: DirectoryHandle,
    modes: EntryModes, mostOpen: Int, made: DirectoryTable?
  ) {
    self.payload = payload
    self.manifest = manifest
    self.only = only
    self.root = root
    self.modes = modes
    self.mostOpen = mostOpen
    self.made = made
    plan = FramePlan(manifest, only: only)
  }

  private func isWanted(_ index: Int) -> Bool { only?.contains(index) ?? true }

  /// Creates all directories that are missing, and the files that several workers may write to.
  private func prepare() throws(Failure) -> DirectoryTable {
    var prepared: DirectoryTable? = nil
    defer { directories.set(prepared) }
    let table: DirectoryTable
    if let made {
      table = made
    } else {
      table = try DirectoryTable(
        manifest, only: only?.withDirectoriesAbove(manifest), root: root, mostOpen: mostOpen)
    }
    try prepareFiles(in: table)
    prepared = table
    return table
  }

  /// Creates the files that are not exactly one piece of a frame: empty files, and files of several segments,
  /// which any worker may then write to.
  private func prepareFiles(in directories: DirectoryTable) throws(Failure) {
    var name = Path()
    for index in 0..<manifest.entryCount where isWanted(index) {
      let entry = manifest.entry(index)
      guard entry.type == .file && !manifest.isOnePiece(entry) else { continue }
      let directory = directories.locate(entry, of: manifest, name: &name)
      let mode = entry.size == 0 ? modes.mode(of: entry) : 0o600
      let file = try FileDescriptor.open(name, in: directory, .createNew, mode: mode)
      if entry.size > 0 {
        try file.resize(to: Int64(entry.size))
        reserveData(of: entry, in: file)
      } else {
        try file.setModificationTime(entry.modified)
      }
      try file.close()
    }
  }

  /// Reserves space for the data between holes, if it is long enough to be worth a call.
  private func reserveData(of entry: Manifest.Entry, in file: borrowing FileDescriptor) {
    var start: UInt64 = 0
    var end: UInt64 = 0
    for number in entry.segments {
      let segment = manifest.segment(number)
      if segment.frame == nil {
        if end - start >= 1 << 20 { file.reserve(start..<end) }
        start = end + segment.length
      }
      end += segment.length
    }
    if end - start >= 1 << 20 { file.reserve(start..<end) }
  }

  /// Prepares the tree, and writes all content frame by frame.
  func writeFrames(workers: Int, progress: UnpackProgress?, timeline: Timeline?)
    throws(Failure)
  {
    let frames = plan.frames
    let work = SharedWork(count: frames.count)
    let left = UnpackedSize(manifest, only: only).bytes
    // What was taken from older trees is done.
    let taken = made == nil ? 0 : manifest.allocatedLength - left
    let total = taken + left
    if let progress { progress(taken, total) }
    let count = max(1, min(workers, frames.count))
    let timelines = timeline.makeWorkers(count)
    runWorkers(count) { number in
      let timeline = timelines[number]
      do throws(Failure) {
        var prepared: DirectoryTable? = nil
        // Meanwhile the other workers already decode frames.
        if number == 0 {
          timeline.begin(frame: -1)
          prepared = try self.prepare()
          timeline.end(.prepare, bytes: 0)
        }
        let decoder = try FrameDecoder(
          longestStored: self.manifest.longestStoredFrame, longestRaw: self.manifest.longestRawFrame
        )
        while let next = work.take() {
          let frame = frames[next]
          let bytes = try decoder.decode(frame, of: self.payload, self.manifest, timeline)
          if prepared == nil {
            prepared = self.directories.value
            timeline.end(.prepare, bytes: 0)
          }
          guard let directories = prepared else { return }
          try self.write(frame, bytes, in: directories, work)
          timeline.endFrame(.write, bytes: bytes.count)
          if number == 0, let progress { progress(taken + work.bytesDone, total) }
        }
      } catch { work.fail(error) }
    }
    try work.finish()
    if let progress { progress(taken + work.bytesDone, total) }
  }

  private func write(
    _ frame: Int, _ bytes: UnsafeRawBufferPointer, in directories: DirectoryTable,
    _ work: SharedWork
  )
    throws(Failure)
  {
    var name = Path()
    for piece in plan.pieces(of: frame) {
      let entry = manifest.entry(Int(piece.entry))
      let directory = directories.locate(entry, of: manifest, name: &name)
      let content = UnsafeRawBufferPointer(
        rebasing: bytes[Int(piece.offset)..<Int(piece.offset) + Int(piece.length)])
      if manifest.isOnePiece(entry) {
        let file = try FileDescriptor.open(
          name, in: directory, .createNew, mode: modes.mode(of: entry))
        try file.write(content, at: 0)
        try file.setModificationTime(entry.modified)
        try file.close()
      } else {
        let file = try FileDescriptor.open(name, in: directory, .write)
        try file.write(content, at: Int64(piece.fileOffset))
        try file.close()
      }
      work.add(bytes: content.count)
    }
  }

  /// Gives files of several segments their mode and time, and creates links. Last, gives directories their modes
  /// and times, from the deepest up, if `settlesDirectories`.
  func finish(settlesDirectories: Bool) throws(Failure) {
    guard let directories = directories.value else { return }
    var name = Path()
    var targetName = Path()
    for index in 0..<manifest.entryCount where isWanted(index) {
      let entry = manifest.entry(index)
      switch entry.type {
      case .file where entry.size > 0 && !manifest.isOnePiece(entry):
        let directory = directories.locate(entry, of: manifest, name: &name)
        let file = try FileDescriptor.open(name, in: directory, .write)
        try file.setMode(modes.mode(of: entry))
        try file.setModificationTime(entry.modified)
        try file.close()
      case .symlink:
        let directory = directories.locate(entry, of: manifest, name: &name)
        try directory.createSymlink(name, to: Path([UInt8](manifest.target(of: entry))))
        try directory.setModificationTime(of: name, entry.modified)
      case .hardLink:
        let directory = directories.locate(entry, of: manifest, name: &name)
        let target = manifest.entry(entry.hardLinkTarget)
        let targetDirectory = directories.locate(target, of: manifest, name: &targetName)
        try directory.createHardLink(name, to: targetName, in: targetDirectory)
      default: continue
      }
    }
    if settlesDirectories { try directories.finish(manifest) { modes.mode(of: $0) } }
  }
}

extension Manifest {
  /// Whether a file's content is one piece of one frame. The worker that decodes the frame then creates the file.
  func isOnePiece(_ entry: Entry) -> Bool {
    entry.segments.count == 1 && segment(entry.segments.lowerBound).frame != nil
  }
}

extension Manifest.Entry {
  public var modified: FileTime {
    FileTime(seconds: modifiedSeconds, nanoseconds: modifiedNanoseconds)
  }
}

/// Whether a file system that was given `time` may return `stored`: some keep fewer decimals, or only whole
/// seconds.
public func isStored(_ time: FileTime, as stored: FileTime) -> Bool {
  guard stored.seconds == time.seconds else { return false }
  var unit: UInt32 = 1
  while unit < 1_000_000_000 {
    if stored.nanoseconds == time.nanoseconds - time.nanoseconds % unit { return true }
    unit *= 10
  }
  return stored.nanoseconds == 0
}
