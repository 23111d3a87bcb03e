import PayloadFormat
import Posix

/// The parts of contents in each frame.
///
/// Contents of at least a frame's size come first, in frames of their own. The others are sorted by path and fill
/// one frame after another. This keeps the files of a package together, and byte code beside its source. Programs
/// and libraries come after all others, in frames of their own, and those for AArch64 after those
/// (`Content.Kind`). Files that change with each release come last, so that they do not change the frames of
/// dependencies.
///
/// A frame that is at least half full also ends before one path in 64, chosen by the path's hash. After a change
/// the frames soon begin at the same paths again, with the same bytes (docs/decisions/0004-frames.md).
struct FrameLayout: Sendable {
  struct Piece: Sendable {
    var content: Int
    /// The offset in the content.
    var offset: UInt64
    /// The offset in the frame. Bytes between pieces are zeros that belong to no content.
    var start: Int
    var length: Int
    /// The checksum from the first read.
    var checksum: UInt64
  }

  private(set) var frames: [[Piece]] = []
  /// The segments of each content, in order.
  private(set) var segments: [[Manifest.Segment]]

  /// - Parameter releaseTime: The modification time of files that change with each release, in seconds since
  ///   1970; nil if unknown.
  init(_ tree: ScannedTree, _ index: ContentIndex, releaseTime: Int64? = nil) {
    let frameSize = index.frameSize
    var segments = index.contents.map { content in
      content.extents.map {
        Manifest.Segment(frame: nil, offset: 0, length: $0.length)
      }
    }
    var small: [Small] = []
    for (number, content) in index.contents.enumerated() {
      let stored = content.extents.reduce(UInt64(0)) { $0 + ($1.isHole ? 0 : $1.length) }
      if stored >= UInt64(frameSize) || content.extents.count > 1 {
        segments[number] = Self.split(content, number, frameSize, &frames)
      } else if stored > 0 {
        let path = tree.relativePath(content.entry).bytes
        let isOfRelease = tree.entries[content.entry].modified.seconds == releaseTime
        small.append(
          Small(
            content: number, isOfRelease: isOfRelease, kind: content.kind,
            path: Self.sortingPath(path)))
      }
    }
    small.sort()

    var used = 0
    var last: Small? = nil
    for file in small {
      let content = file.content
      let length = Int(index.contents[content].extents[0].length)
      let alignment = file.kind.alignment
      var start = (used + alignment - 1) / alignment * alignment
      let isFull = start + length > frameSize
      let isBoundary = used >= frameSize / 2 && Self.hash(file.path) % 64 == 0
      if last.map({ !$0.mayShare(with: file) }) ?? true || isFull || isBoundary {
        frames.append([])
        start = 0
      }
      segments[content] = [
        Manifest.Segment(frame: frames.count - 1, offset: start, length: UInt64(length))
      ]
      frames[frames.count - 1].append(
        Piece(
          content: content, offset: 0, start: start, length: length,
          checksum: index.contents[content].checksums[0]
        ))
      used = start + length
      last = file
    }
    self.segments = segments
  }

  /// A content that shares its frame with others.
  private struct Small: Comparable {
    var content: Int
    var isOfRelease: Bool
    var kind: Content.Kind
    var path: [UInt8]

    func mayShare(with other: Small) -> Bool {
      kind == other.kind && isOfRelease == other.isOfRelease
    }

    static func < (left: Small, right: Small) -> Bool {
      if left.isOfRelease != right.isOfRelease { return right.isOfRelease }
      if left.kind != right.kind { return left.kind.rawValue < right.kind.rawValue }
      return left.path.lexicographicallyPrecedes(right.path)
    }
  }

  /// The path without `__pycache__/`.
  private static func sortingPath(_ path: ArraySlice<UInt8>) -> [UInt8] {
    let parts = path.split(separator: UInt8(ascii: "/"))
    return [UInt8](
      parts.filter { !$0.elementsEqual("__pycache__".utf8) }.joined(separator: [UInt8(ascii: "/")]))
  }

  /// FNV-1a, folded: cheap, and the same everywhere. Not for security.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return hash ^ (hash >> 32)
  }

  /// Makes frames that hold only parts of one content.
  private static func split(
    _ content: Content, _ number: Int, _ frameSize: Int, _ frames: inout [[Piece]]
  ) -> [Manifest.Segment] {
    var result: [Manifest.Segment] = []
    var checksums = content.checksums[...]
    for extent in content.extents {
      if extent.isHole {
        result.append(Manifest.Segment(frame: nil, offset: 0, length: extent.length))
        continue
      }
      var offset = extent.offset
      let end = extent.offset + extent.length
      while offset < end {
        let length = Int(min(UInt64(frameSize), end - offset))
        result.append(Manifest.Segment(frame: frames.count, offset: 0, length: UInt64(length)))
        frames.append([
          Piece(
            content: number, offset: offset, start: 0, length: length,
            checksum: checksums.removeFirst())
        ])
        offset += UInt64(length)
      }
    }
    return result
  }
}
