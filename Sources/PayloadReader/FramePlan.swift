import PayloadFormat

/// The pieces of wanted files in each frame, in the order of their offsets.
struct FramePlan: Sendable {
  struct Piece {
    var entry: UInt32
    /// The offset in the frame's raw bytes.
    var offset: UInt32
    var length: UInt32
    var fileOffset: UInt64
  }

  private var pieces: [Piece]
  /// The index of each frame's first piece; one more element than there are frames.
  private var starts: [Int]
  /// The frames to read: all, or with `only` those that hold a piece. Long frames come first, so that no worker
  /// ends alone with one. Frames of similar length are in the order of the file.
  private(set) var frames: [Int] = []

  private static var lengthClasses: Int { 8 }

  init(_ manifest: Manifest, only: EntrySet? = nil) {
    var counts = [Int](repeating: 0, count: manifest.frameCount + 1)
    FramePlan.visit(manifest, only) { frame, _ in counts[frame + 1] += 1 }
    var lengthClass = FramePlan.lengthClasses
    while lengthClass > 0 {
      lengthClass -= 1
      for frame in 0..<manifest.frameCount where only == nil || counts[frame + 1] > 0 {
        let length = manifest.frame(frame).rawLength
        if length * FramePlan.lengthClasses / (manifest.longestRawFrame + 1) == lengthClass {
          frames.append(frame)
        }
      }
    }
    for frame in 0..<manifest.frameCount { counts[frame + 1] += counts[frame] }
    starts = counts
    let none = Piece(entry: 0, offset: 0, length: 0, fileOffset: 0)
    var sorted = [Piece](repeating: none, count: counts[manifest.frameCount])
    FramePlan.visit(manifest, only) { frame, piece in
      sorted[counts[frame]] = piece
      counts[frame] += 1
    }
    pieces = sorted
  }

  func pieces(of frame: Int) -> ArraySlice<Piece> { pieces[starts[frame]..<starts[frame + 1]] }

  private static func visit(
    _ manifest: Manifest, _ only: EntrySet?, _ body: (Int, Piece) -> Void
  ) {
    for index in 0..<manifest.entryCount where only?.contains(index) ?? true {
      let entry = manifest.entry(index)
      var fileOffset: UInt64 = 0
      for number in entry.segments {
        let segment = manifest.segment(number)
        if let frame = segment.frame {
          // A frame is at most 16 MiB.
          body(
            frame,
            Piece(
              entry: UInt32(index), offset: UInt32(segment.offset),
              length: UInt32(segment.length), fileOffset: fileOffset))
        }
        fileOffset += segment.length
      }
    }
  }
}
