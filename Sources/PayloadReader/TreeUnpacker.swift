internal import ContentHash
public import PayloadFormat
public import Posix
public import Reporting

/// Is told how far the unpacking is: bytes of content written so far, and in all.
public typealias UnpackProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void

/// Which permissions of the archive an unpacked entry has.
public enum EntryModes: Sendable {
  /// All, as `extract` gives them.
  case archived
  /// Those but writing for group and others: what is in a cache is executed later, by others as well.
  case cached

  /// The mode of an entry: 0o000 to 0o777.
  @inline(__always)
  public func mode(of entry: Manifest.Entry) -> UInt32 {
    UInt32(entry.mode) & (self == .cached ? 0o755 : 0o777)
  }
}

/// Unpacks the tree into `root`, an empty directory, in parallel.
///
/// Each frame is verified before it is decoded. Every entry is made anew, below descriptors of
/// directories that were made here, and no symlink is followed. Where it fails the directory is left
/// as it is: the caller removes it. Sets the process's file mode mask while it runs.
///
/// - Parameters:
///   - manifest: of this payload.
///   - only: the entries that are made, with the directories above them, nil for all; only the frames that
///     hold them are read. The file of a hard link among them must be as well. All directories keep mode
///     0700 and the time of their making then, because what is in them is to be moved.
///   - modes: which modes the entries get.
///   - workers: threads, the calling one included; see `workerCount`.
///   - progress: called on the calling thread, at first, after each of the frames that it decodes, and at last.
///   - timeline: gets what each worker does.
@inline(never)
public func unpackTree(
  of payload: Payload, _ manifest: Manifest, only: EntrySet? = nil, into root: DirectoryHandle,
  modes: EntryModes, workers: Int, progress: UnpackProgress? = nil, timeline: Timeline? = nil
) throws(Failure) {
  SHA256Hasher.prepareForBulk()
  let mask = ProcessContext.setFileModeMask(0)
  let limit = ProcessContext.raiseDescriptorLimit(most: manifest.directoryCount + 256)
  defer {
    ProcessContext.restoreDescriptorLimit(limit.previous)
    ProcessContext.setFileModeMask(mask)
  }
  let mostOpen = max(16, limit.current - 128)
  // The workers need some as well, and the program has some.
  ProcessContext.growDescriptorTable(to: min(manifest.directoryCount, mostOpen) + 64)
  let unpacker = TreeUnpacker(
    payload: payload, manifest: manifest, only: only, root: root, modes: modes, mostOpen: mostOpen)
  try unpacker.writeFrames(workers: workers, progress: progress, timeline: timeline)
  try unpacker.finish()
}

private final class TreeUnpacker: Sendable {
  private let payload: Payload
  private let manifest: Manifest
  private let only: EntrySet?
  private let root: DirectoryHandle
  private let modes: EntryModes
  private let mostOpen: Int
  private let directories = Awaited<DirectoryTable>()
  private let plan: FramePlan

  init(
    payload: Payload, manifest: Manifest, only: EntrySet?, root: DirectoryHandle,
    modes: EntryModes, mostOpen: Int
  ) {
    self.payload = payload
    self.manifest = manifest
    self.only = only
    self.root = root
    self.modes = modes
    self.mostOpen = mostOpen
    plan = FramePlan(manifest, only: only)
  }

  private func isWanted(_ index: Int) -> Bool { only?.contains(index) ?? true }

  /// Makes all directories, and the files that several workers may write to.
  private func prepare() throws(Failure) -> DirectoryTable {
    var made: DirectoryTable? = nil
    defer { directories.set(made) }
    let table = try DirectoryTable(
      manifest, only: only?.withDirectoriesAbove(manifest), root: root, mostOpen: mostOpen)
    try prepareFiles(in: table)
    made = table
    return table
  }

  /// Makes the files that no single piece of a frame fills: empty ones, and those of several segments,
  /// which any worker may then write to.
  private func prepareFiles(in directories: DirectoryTable) throws(Failure) {
    var name = Path()
    for index in 0..<manifest.entryCount where isWanted(index) {
      let entry = manifest.entry(index)
      guard entry.type == .file && !manifest.isOnePiece(entry) else { continue }
      let directory = directories.locate(entry, manifest, &name)
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

  /// Reserves room for what lies between holes, where that is long enough for a call to pay.
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

  /// Prepares, and writes all content, a frame at a time.
  func writeFrames(workers: Int, progress: UnpackProgress?, timeline: Timeline?)
    throws(Failure)
  {
    let frames = plan.frames
    let work = SharedWork(count: frames.count)
    let total = UnpackedSize(manifest, only: only).bytes
    if let progress { progress(0, total) }
    let count = max(1, min(workers, frames.count))
    let timelines = timeline.makeWorkers(count)
    runWorkers(count) { number in
      let timeline = timelines[number]
      do throws(Failure) {
        var prepared: DirectoryTable? = nil
        // Meanwhile the others decode what they will write.
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
          if number == 0, let progress { progress(work.bytesDone, total) }
        }
      } catch { work.fail(error) }
    }
    try work.finish()
    if let progress { progress(work.bytesDone, total) }
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
      let directory = directories.locate(entry, manifest, &name)
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

  /// Gives files of several segments their mode and time, makes links, and last, from the deepest up,
  /// gives directories theirs.
  func finish() throws(Failure) {
    guard let directories = directories.value else { return }
    var name = Path()
    var targetName = Path()
    for index in 0..<manifest.entryCount where isWanted(index) {
      let entry = manifest.entry(index)
      switch entry.type {
      case .file where entry.size > 0 && !manifest.isOnePiece(entry):
        let directory = directories.locate(entry, manifest, &name)
        let file = try FileDescriptor.open(name, in: directory, .write)
        try file.setMode(modes.mode(of: entry))
        try file.setModificationTime(entry.modified)
        try file.close()
      case .symlink:
        let directory = directories.locate(entry, manifest, &name)
        try directory.createSymlink(name, to: Path([UInt8](manifest.target(of: entry))))
        try directory.setModificationTime(of: name, entry.modified)
      case .hardLink:
        let directory = directories.locate(entry, manifest, &name)
        let target = manifest.entry(entry.hardLinkTarget)
        let targetDirectory = directories.locate(target, manifest, &targetName)
        try directory.createHardLink(name, to: targetName, in: targetDirectory)
      default: continue
      }
    }
    if only == nil { try directories.finish(manifest) { modes.mode(of: $0) } }
  }
}

extension Manifest {
  /// Whether a file's content is one piece of one frame, so that whoever decodes the frame makes it.
  func isOnePiece(_ entry: Entry) -> Bool {
    entry.segments.count == 1 && segment(entry.segments.lowerBound).frame != nil
  }
}

extension Manifest.Entry {
  public var modified: FileTime {
    FileTime(seconds: modifiedSeconds, nanoseconds: modifiedNanoseconds)
  }
}
