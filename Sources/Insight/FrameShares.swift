public import PayloadFormat

/// Divides the stored bytes of frames among their segments without losing bytes to rounding.
public struct FrameShares {
  /// For each frame, the total length of all its segments and of those already taken.
  private var all: [UInt64]
  private var taken: [UInt64]
  /// Bytes of the frames without segments.
  public private(set) var unused: UInt64 = 0

  /// - Parameter isUsed: whether a file refers to the segment, for each segment.
  public init(_ manifest: Manifest, segments isUsed: [Bool]) {
    all = [UInt64](repeating: 0, count: manifest.frameCount)
    taken = all
    for index in isUsed.indices where isUsed[index] {
      let segment = manifest.segment(index)
      if let frame = segment.frame { all[frame] += segment.length }
    }
    for frame in all.indices where all[frame] == 0 {
      unused += UInt64(manifest.frame(frame).storedLength)
    }
  }

  /// The bytes of the next segment, each of which must be taken once.
  public mutating func take(_ manifest: Manifest, _ segment: Manifest.Segment) -> UInt64 {
    guard let frame = segment.frame else { return 0 }
    let stored = UInt64(manifest.frame(frame).storedLength)
    let before = part(stored, taken[frame], all[frame])
    taken[frame] += segment.length
    return part(stored, taken[frame], all[frame]) - before
  }

  /// `stored` times `some` divided by `all`; `some` is at most `all`.
  private func part(_ stored: UInt64, _ some: UInt64, _ all: UInt64) -> UInt64 {
    some == all ? stored : all.dividingFullWidth(stored.multipliedFullWidth(by: some)).quotient
  }
}
