import ContentHash
import CZstd
import OutputFiles
public import PayloadFormat
public import Posix
import Synchronization
import Reporting

/// Receives the packer's phase and its progress: bytes done, and the total. Called on the calling thread.
public typealias PackProgress =
  @Sendable (_ phase: PackPhase, _ done: UInt64, _ total: UInt64) ->
  Void

/// A step of packing that takes long.
public enum PackPhase: Sendable { case reading, compressing }

/// The tree to pack, and the settings.
public struct PackRequest: Sendable {
  public var tree: Path
  /// The path of the onefile (`OutputPlace`). An existing file is replaced when the new one is complete.
  public var output: Path
  public var bootloader: Bootloader
  /// Name, entry, arguments and so on; the bootloader gives the target.
  public var record: LaunchRecord
  public var compression: Compression
  /// Threads, at least 1. The output does not depend on it.
  public var workers: Int
  /// The directory that keeps compressed frames for the next packing, created if it is missing; nil: keep none.
  /// The output does not depend on it.
  public var frameCache: Path?
  /// A web server that keeps compressed frames as well; nil: none. The output has the same content with it.
  public var remoteCache: RemoteCache?
  /// Seconds since 1970. Files, directories and symlinks modified later get this time instead; nil: all keep
  /// theirs. (This is the purpose of `SOURCE_DATE_EPOCH`.)
  public var latestTime: Int64?
  /// Seconds since 1970. Files with this modification time change with each release, and get frames of their own;
  /// nil: unknown.
  public var releaseTime: Int64?
  /// A file that is packed although the tree does not have it; nil for none.
  public var added: AddedFile?

  public init(
    tree: Path, output: Path, bootloader: Bootloader, record: LaunchRecord,
    compression: Compression, workers: Int, frameCache: Path? = nil,
    remoteCache: RemoteCache? = nil, latestTime: Int64? = nil, releaseTime: Int64? = nil,
    added: AddedFile? = nil
  ) {
    self.tree = tree
    self.output = output
    self.bootloader = bootloader
    self.record = record
    self.compression = compression
    self.workers = workers
    self.frameCache = frameCache
    self.remoteCache = remoteCache
    self.latestTime = latestTime
    self.releaseTime = releaseTime
    self.added = added
  }
}

/// The result of packing a tree. Bytes are those of files, before and after compression.
public struct PackSummary: Sendable {
  public var files = 0
  public var directories = 0
  public var symlinks = 0
  public var hardLinks = 0
  /// The number of distinct contents of files that are not empty.
  public var contents = 0
  public var frames = 0
  /// The frames that came from a cache, and those of them that came from the remote one.
  public var framesFromCache = 0
  public var framesFromRemote = 0
  /// Bytes of all files; identical files count each time.
  public var bytesIn: UInt64 = 0
  /// Bytes of the onefile.
  public var bytesOut: UInt64 = 0
  public var treeID: Digest = .zero
  /// Problems that do not affect the output: one line each, without a final full stop.
  public var warnings: [Text] = []
}

/// Packs a tree into a onefile. The same tree and request give the same bytes, if the versions of the compression
/// libraries are the same. Nothing is left behind on failure.
public func packTree(_ request: PackRequest, progress: PackProgress? = nil) throws(Failure)
  -> PackSummary
{
  let record = try checkRecord(request)
  let place = try outputPlace(request)
  let tree = try scanTree(request.tree, adding: request.added)
  try checkSize(tree)
  try checkEntry(request)
  let index = try ContentIndex(
    tree, frameSize: request.compression.frameSize, workers: request.workers, progress: progress)
  let layout = FrameLayout(tree, index, releaseTime: request.releaseTime)

  let output = try OutputFile(place)
  let prefix = paddedPrefix(request.bootloader)
  try write(prefix, to: output)
  var warning: Text? = nil
  let caches = FrameCaches(request, warning: &warning)
  let sink = try writeFrames(
    request, tree, index: index, layout: layout, to: output, caches: caches, progress: progress)
  let frames = sink.frames

  let (raw, summary) = makeManifest(
    of: tree, contents: index, layout: layout, frames: frames, latestTime: request.latestTime)
  let manifest = try compressManifest(raw)
  try write(manifest, to: output)
  try write(record, to: output)
  let trailer = Trailer(
    manifestCodec: .zstd, bootloaderLength: UInt64(request.bootloader.bytes.count),
    framesLength: frames.reduce(0) { $0 + UInt64($1.storedLength) },
    manifestStoredLength: UInt64(manifest.count), manifestRawLength: UInt64(raw.count),
    recordLength: UInt64(record.count), prefixHash: SHA256Hasher.digest(of: prefix.span),
    manifestHash: SHA256Hasher.digest(of: manifest.span),
    recordHash: SHA256Hasher.digest(of: record.span))
  var trailerBytes = trailer.encodedWithoutHash()
  let trailerHash = SHA256Hasher.digest(of: trailerBytes.span)
  trailerBytes.append(contentsOf: trailerHash.bytes)
  try write(trailerBytes, to: output)

  var result = summary
  result.bytesOut = output.length
  result.treeID = trailer.manifestHash
  result.framesFromCache = sink.fromCache
  result.framesFromRemote = sink.fromRemote
  if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
  try output.publish()
  caches.local?.prune()
  if let problem = warning ?? caches.local?.problem { result.warnings.append(problem) }
  if let problem = caches.remote?.problem { result.warnings.append(problem) }
  if let open = warningOfOpenModes(tree) { result.warnings.append(open) }
  return result
}

private func write(_ bytes: [UInt8], to output: OutputFile) throws(Failure) {
  try output.write(bytes)
}

/// Reports how many entries users other than the owner may write to, for example after a different umask; nil if
/// none.
private func warningOfOpenModes(_ tree: ScannedTree) -> Text? {
  var count: UInt64 = 0
  for entry in tree.entries where entry.mode & 0o022 != 0 { count += 1 }
  guard count > 0 else { return nil }
  return
    "group or others may write to \(counted(count, "entry", plural: "entries")) of the tree: launches remove that permission, extracting keeps it"
}

/// Where frames may be found instead of being compressed.
private struct FrameCaches: Sendable {
  var local: FrameCache?
  var remote: RemoteFrames?

  init(_ request: PackRequest, warning: inout Text?) {
    // For uncompressed frames, a lookup costs more than a copy.
    guard request.compression.codec != .store else { return }
    if let path = request.frameCache { local = FrameCache.open(path, problem: &warning) }
    if let cache = request.remoteCache { remote = RemoteFrames(cache) }
  }

  var isEmpty: Bool { local == nil && remote == nil }
}

private enum FrameOrigin { case compressed, local, remote }

// MARK: Checks

private func checkRecord(_ request: PackRequest) throws(Failure) -> [UInt8] {
  var record = request.record
  record.target = ("\(request.bootloader.target)" as Text).bytes
  let bytes = record.encoded()
  guard bytes.count <= Limits.recordLength else {
    throw .record("the arguments and variables are longer than 65536 bytes in all")
  }
  do throws(FormatError) { _ = try LaunchRecord(parsing: bytes.span) } catch {
    if error.fault == .recordEntry { throw .entryPath(Path(record.entry)) }
    throw .record(Text(utf8: error.message))
  }
  return bytes
}

private func outputPlace(_ request: PackRequest) throws(Failure) -> OutputPlace {
  let place = try OutputPlace(request.output)
  let current = DirectoryHandle.current
  let tree = try treeStatus(request.tree)
  // Goes up from the output's directory and checks whether one directory is the tree.
  var directory = place.path.parent
  for _ in 0..<4096 {
    let status = try current.status(of: directory, follow: true)
    if status.isSameFile(as: tree) { throw .output(request.output, inside: request.tree) }
    let above = directory.appending("..")
    let next = try current.status(of: above, follow: true)
    if next.isSameFile(as: status) { break }
    directory = above
  }
  return place
}

/// Checked before reading: hashing a tree that is too large takes long.
private func checkSize(_ tree: ScannedTree) throws(Failure) {
  var left = Limits.treeBytes
  for entry in tree.entries where entry.kind == .file {
    guard entry.size <= left else {
      throw .tooLarge("its files have more than 1,099,511,627,776 bytes (1 TiB) in all")
    }
    left -= entry.size
  }
}

private func checkEntry(_ request: PackRequest) throws(Failure) {
  let entry = Path(request.record.entry)
  let path = request.tree.appending(entry.bytes)
  let status: FileStatus
  do throws(Failure) {
    status = try DirectoryHandle.current.status(of: path, follow: true)
  } catch {
    switch error.errno {
    case .noSuchFile, .notDirectory: throw .entryMissing(entry, tree: request.tree)
    default: throw error
    }
  }
  guard status.kind == .file else { throw .entryNotFile(entry) }
  guard status.mode & 0o111 != 0 else { throw .entryNotExecutable(entry) }
  let file = try FileDescriptor.open(path, .read)
  let head = try file.bytes(at: 0, count: 20)
  if request.bootloader.isForeign(head) {
    throw .entryArchitecture(
      entry, target: "\(request.bootloader.target)", own: Bootloader.target(of: head))
  }
}

// MARK: Parts

private func paddedPrefix(_ bootloader: Bootloader) -> [UInt8] {
  var bytes = bootloader.bytes
  let end = Int(Trailer.payloadOffset(afterBootloader: UInt64(bytes.count)))
  bytes.append(contentsOf: repeatElement(0, count: end - bytes.count))
  return bytes
}

/// Frames that were compressed before their turn, and the output that they wait for.
private struct FrameSink: Sendable {
  private(set) var next = 0
  private var waiting: [Int: (bytes: [UInt8], frame: Manifest.Frame)] = [:]
  private(set) var frames: [Manifest.Frame] = []
  private(set) var fromCache = 0
  private(set) var fromRemote = 0
  private var offset: UInt64 = 0

  /// Adds frame `item`, and writes all frames whose turn has come.
  mutating func add(
    _ item: Int, _ encoded: EncodedFrame, rawLength: Int, from origin: FrameOrigin,
    to output: OutputFile
  ) throws(Failure) {
    let frame = Manifest.Frame(
      offset: 0, storedLength: encoded.bytes.count, rawLength: rawLength, codec: encoded.codec,
      filter: encoded.filter, hash: encoded.hash)
    waiting[item] = (encoded.bytes, frame)
    if origin != .compressed { fromCache += 1 }
    if origin == .remote { fromRemote += 1 }
    while var ready = waiting.removeValue(forKey: next) {
      try write(ready.bytes, to: output)
      ready.frame.offset = offset
      offset += UInt64(ready.bytes.count)
      frames.append(ready.frame)
      next += 1
    }
  }
}

private func writeFrames(
  _ request: PackRequest, _ tree: ScannedTree, index: ContentIndex, layout: FrameLayout,
  to output: OutputFile, caches: FrameCaches, progress: PackProgress?
) throws(Failure) -> FrameSink {
  let total = layout.frames.reduce(UInt64(0)) { sum, frame in
    sum + UInt64(frame.last.map { $0.start + $0.length } ?? 0)
  }
  let work = SharedWork(count: layout.frames.count)
  let sink = Mutex(FrameSink())
  let mostAhead = request.workers * 4
  let frameSize = request.compression.frameSize
  runWorkers(max(1, min(request.workers, layout.frames.count))) { number in
    do throws(Failure) {
      let raw = try Buffer(count: frameSize)
      let encoder = try FrameEncoder(request.compression, longest: frameSize)
      while let item = work.take() {
        let pieces = layout.frames[item]
        let source = try fill(raw.bytes, with: pieces, of: tree, contents: index)
        let filter = pieces.first.map { index.contents[$0.content].kind.filter } ?? .none
        let (frame, origin) = try encode(
          source, filter: filter, compression: request.compression, with: encoder, caches: caches)
        try sink.withLock { (sink) throws(Failure) in
          try sink.add(
            item, frame, rawLength: source.count, from: origin, to: output)
        }
        work.add(bytes: source.count)
        if number == 0, let progress { progress(.compressing, work.bytesDone, total) }
        // Waits, so that one slow frame does not let the others pile up in memory.
        while !work.isFailing && sink.withLock({ item - $0.next }) > mostAhead {
          MonotonicClock.sleep(milliseconds: 1)
        }
      }
    } catch { work.fail(error) }
  }
  try work.finish()
  return sink.withLock { $0 }
}

/// Compresses a frame, or finds it in a cache. Adds it to those that lack it. Changes `source`.
private func encode(
  _ source: UnsafeMutableRawBufferPointer, filter: FrameFilter, compression: Compression,
  with encoder: borrowing FrameEncoder, caches: FrameCaches
) throws(Failure) -> (frame: EncodedFrame, origin: FrameOrigin) {
  let raw = UnsafeRawBufferPointer(source)
  let key = caches.isEmpty ? Digest.zero : FrameEntry.key(raw, filter, compression)
  if let frame = caches.local?.lookUp(key, rawLength: raw.count, compression.codec) {
    return (frame, .local)
  }
  if let frame = caches.remote?.lookUp(key, raw, compression.codec) {
    caches.local?.add(frame, key, rawLength: raw.count)
    return (frame, .remote)
  }
  let (bytes, codec, applied) = try encoder.encode(source, filter)
  let frame = EncodedFrame(
    bytes: [UInt8](bytes), codec: codec, filter: applied, hash: SHA256Hasher.digest(of: bytes))
  caches.local?.add(frame, key, rawLength: source.count)
  caches.remote?.add(frame, key, rawLength: source.count)
  return (frame, .compressed)
}

/// Assembles a frame's raw bytes: exactly the bytes that were hashed, with zeros between them.
private func fill(
  _ buffer: UnsafeMutableRawBufferPointer, with pieces: [FrameLayout.Piece],
  of tree: ScannedTree, contents index: ContentIndex
) throws(Failure) -> UnsafeMutableRawBufferPointer {
  var used = 0
  for piece in pieces {
    let entry = index.contents[piece.content].entry
    let file = try openUnchanged(tree, entry)
    let end = piece.start + piece.length
    UnsafeMutableRawBufferPointer(rebasing: buffer[used..<piece.start])
      .initializeMemory(as: UInt8.self, repeating: 0)
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[piece.start..<end])
    let read = try file.read(into: target, at: Int64(piece.offset))
    guard read == piece.length, checksum(UnsafeRawBufferPointer(target)) == piece.checksum else {
      throw .changed(tree.path(entry))
    }
    used = end
  }
  return UnsafeMutableRawBufferPointer(rebasing: buffer[..<used])
}

private func makeManifest(
  of tree: ScannedTree, contents index: ContentIndex, layout: FrameLayout,
  frames: [Manifest.Frame], latestTime: Int64?
) -> (bytes: [UInt8], summary: PackSummary) {
  var builder = ManifestBuilder()
  var summary = PackSummary()
  for frame in frames { builder.append(frame) }
  var ranges = [Range<Int>?](repeating: nil, count: index.contents.count)
  for (number, entry) in tree.entries.enumerated() {
    let modified = entry.modified.clamped(to: latestTime)
    let header = ManifestBuilder.Header(
      parent: entry.parent, name: entry.name, mode: entry.mode,
      modifiedSeconds: modified.seconds, modifiedNanoseconds: 0)
    switch entry.kind {
    case .directory:
      builder.appendDirectory(header)
      summary.directories += 1
    case .symlink(let target):
      builder.appendSymlink(header, target: target)
      summary.symlinks += 1
    case .hardLink(let target):
      builder.appendHardLink(parent: entry.parent, name: entry.name, target: target)
      summary.hardLinks += 1
    case .file:
      var segments = 0..<0
      if let content = index.contentOfEntry[number] {
        if let known = ranges[content] {
          segments = known
        } else {
          let start = builder.segmentCount
          for segment in layout.segments[content] { builder.append(segment) }
          segments = start..<builder.segmentCount
          ranges[content] = segments
        }
      }
      builder.appendFile(header, size: entry.size, segments: segments, hash: index.hashes[number])
      summary.files += 1
      summary.bytesIn += entry.size
    }
  }
  summary.contents = index.contents.count
  summary.frames = frames.count
  return (builder.encoded(), summary)
}

extension FileTime {
  /// This time, or the whole second `latest` if that is earlier.
  fileprivate func clamped(to latest: Int64?) -> FileTime {
    guard let latest, seconds > latest || seconds == latest && nanoseconds > 0 else { return self }
    return FileTime(seconds: latest, nanoseconds: 0)
  }
}

/// The zstd level. It is fixed so that the tree id depends only on the frames. Higher levels keep one core busy
/// several times as long while the others wait, and hashes do not compress (docs/decisions/0003-compression.md).
private let manifestLevel: Int32 = 9

/// The manifest's stored bytes.
private func compressManifest(_ raw: [UInt8]) throws(Failure) -> [UInt8] {
  guard raw.count <= Limits.manifestLength else { throw .tooLarge("too many entries") }
  do throws(FormatError) { _ = try Manifest(parsing: raw) } catch {
    // The format holds everything that the scan accepts, except for its limits.
    switch error.fault {
    case .entryTotal: throw .tooLarge("its files have too many pieces")
    default:
      throw .record("internal error: the manifest is not valid: \(Text(utf8: error.message))")
    }
  }
  var result = [UInt8](repeating: 0, count: ZSTD_compressBound(raw.count))
  let length = ZSTD_compress(&result, result.count, raw, raw.count, manifestLevel)
  guard ZSTD_isError(length) == 0 else { throw .compression("the manifest") }
  result.removeLast(result.count - length)
  return result
}
