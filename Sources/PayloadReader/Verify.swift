internal import ContentHash
public import PayloadFormat
public import Posix
public import Reporting

/// Checks a onefile completely, in parallel, and writes nothing.
///
/// Checks the bootloader, the manifest, the hash and the decoding of each frame, and the hash of each file's
/// content. `mostWorkers` limits the memory to that of so many buffers; nil for the limit of a launch.
///
/// - Throws: "read", "allocate memory", the first damage that is found, or `interrupted`.
public func verify(
  _ payload: Payload, mostWorkers: Int? = nil, progress: UnpackProgress? = nil,
  timeline: Timeline? = nil
) throws(Failure) -> Manifest {
  timeline.begin(.check)
  try payload.verifyPrefix()
  let manifest = try payload.readManifest()
  let verifier = Verifier(payload, manifest)
  let workers = min(workerCount(for: manifest), mostWorkers ?? .max)
  try verifier.run(workers: workers, progress: progress, timeline: timeline)
  return manifest
}

private final class Verifier: Sendable {
  private let payload: Payload
  private let manifest: Manifest
  private let plan: FramePlan
  /// Files that span several frames: their content is joined to be hashed.
  private let largeFiles: [Int]
  /// Frames that hold complete contents, or that no large file needs.
  private let frames: [Int]

  init(_ payload: Payload, _ manifest: Manifest) {
    self.payload = payload
    self.manifest = manifest
    plan = FramePlan(manifest)
    var largeFiles: [Int] = []
    var isOfLargeFile = [Bool](repeating: false, count: manifest.frameCount)
    // For each segment, the last file that starts with it.
    var fileOfSegment = [Int](repeating: -1, count: manifest.segmentCount)
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      guard entry.type == .file && !manifest.isOnePiece(entry) else { continue }
      for number in entry.segments {
        if let frame = manifest.segment(number).frame { isOfLargeFile[frame] = true }
      }
      // Files of identical content are hashed once, if their hashes agree.
      if !entry.segments.isEmpty {
        let first = entry.segments.lowerBound
        let twin = fileOfSegment[first]
        fileOfSegment[first] = index
        if twin >= 0 && manifest.hasSameContent(manifest.entry(twin), entry) { continue }
      }
      largeFiles.append(index)
    }
    var frames: [Int] = []
    for frame in 0..<manifest.frameCount {
      let whole = plan.pieces(of: frame).contains {
        manifest.isOnePiece(manifest.entry(Int($0.entry)))
      }
      if whole || !isOfLargeFile[frame] { frames.append(frame) }
    }
    self.largeFiles = largeFiles
    self.frames = frames
  }

  func run(workers: Int, progress: UnpackProgress?, timeline: Timeline?) throws(Failure) {
    // Large files first, because they take longest.
    let count = largeFiles.count + frames.count
    let work = SharedWork(count: count)
    let threads = max(1, min(workers, count))
    let timelines = timeline.makeWorkers(threads)
    if let progress { progress(0, manifest.allocatedLength) }
    runWorkers(threads) { number in
      let timeline = timelines[number]
      do throws(Failure) {
        let decoder = try FrameDecoder(
          longestStored: self.manifest.longestStoredFrame, longestRaw: self.manifest.longestRawFrame
        )
        while let item = work.take() {
          if item < self.largeFiles.count {
            try self.check(file: self.largeFiles[item], decoder, work, timeline)
          } else {
            try self.check(
              frame: self.frames[item - self.largeFiles.count], decoder, work, timeline)
          }
          if number == 0, let progress { progress(work.bytesDone, self.manifest.allocatedLength) }
        }
      } catch { work.fail(error) }
    }
    try work.finish()
  }

  private func check(
    frame: Int, _ decoder: borrowing FrameDecoder, _ work: SharedWork,
    _ timeline: WorkerTimeline?
  ) throws(Failure) {
    let bytes = try decoder.decode(frame, of: payload, manifest, timeline)
    for piece in plan.pieces(of: frame) {
      let entry = manifest.entry(Int(piece.entry))
      guard manifest.isOnePiece(entry) else { continue }
      let start = Int(piece.offset)
      let content = UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(piece.length)])
      guard SHA256Hasher.digest(of: content) == entry.hash else {
        throw wrongContent(Int(piece.entry))
      }
      work.add(bytes: content.count)
    }
    timeline.endFrame(.hash, bytes: bytes.count)
  }

  private func check(
    file index: Int, _ decoder: borrowing FrameDecoder, _ work: SharedWork,
    _ timeline: WorkerTimeline?
  ) throws(Failure) {
    let entry = manifest.entry(index)
    var hasher = SHA256Hasher()
    var decoded = UnsafeRawBufferPointer(start: nil, count: 0)
    var frameOfDecoded: Int? = nil
    for number in entry.segments {
      if work.mustStop() { return }
      let segment = manifest.segment(number)
      if let frame = segment.frame {
        // Consecutive segments in one frame need only one decoding.
        let isDecoded = frame == frameOfDecoded
        if !isDecoded {
          decoded = try decoder.decode(frame, of: payload, manifest, timeline)
          frameOfDecoded = frame
        }
        hasher.update(
          UnsafeRawBufferPointer(
            rebasing: decoded[segment.offset..<segment.offset + Int(segment.length)]))
        work.add(bytes: Int(segment.length))
        if isDecoded {
          timeline.end(.hash, bytes: Int(segment.length))
        } else {
          timeline.endFrame(.hash, bytes: Int(segment.length))
        }
      } else {
        // In parts, because a hole takes only a few bytes of the manifest, but hashing it may take many minutes.
        var left = segment.length
        while left > 0 {
          if work.mustStop() { return }
          let part = min(left, 64 << 20)
          hasher.update(zeros: part)
          left -= part
        }
      }
    }
    guard hasher.finish() == entry.hash else { throw wrongContent(index) }
  }

  private func wrongContent(_ index: Int) -> Failure {
    .damaged(.content(path: manifest.path(of: index)), payload.path)
  }
}

extension Manifest {
  fileprivate func hasSameContent(_ a: Entry, _ b: Entry) -> Bool {
    a.segments == b.segments && a.hash == b.hash
  }
}
