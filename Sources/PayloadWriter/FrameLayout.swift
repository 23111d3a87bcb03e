import PayloadFormat
import Posix

/// Which stretches of which contents each frame holds.
///
/// Contents of at least a frame's size get frames of their own, first. The others are sorted by kind (the
/// end of the name from the last dot) and then by path, so that like stands beside like, and fill one frame after another. A
/// frame that is at least half full ends where the top-level package changes, so that a change in one
/// package leaves most frames of the others as they were (docs/decisions/0004-frames.md).
struct FrameLayout: Sendable {
  struct Piece: Sendable {
    var content: Int
    /// In the content.
    var offset: UInt64
    var length: Int
  }

  private(set) var frames: [[Piece]] = []
  /// For each content its segments, in order.
  private(set) var segments: [[Manifest.Segment]]

  init(_ tree: ScannedTree, _ index: ContentIndex, frameSize: Int) {
    var segments = index.contents.map { content in
      content.extents.map {
        Manifest.Segment(frame: nil, offset: 0, length: $0.length)
      }
    }
    var small: [SortKey] = []
    for (number, content) in index.contents.enumerated() {
      let stored = content.extents.reduce(UInt64(0)) { $0 + ($1.isHole ? 0 : $1.length) }
      if stored >= UInt64(frameSize) || content.extents.count > 1 {
        segments[number] = Self.split(content, number, frameSize, &frames)
      } else if stored > 0 {
        small.append(SortKey(tree, content.entry, number))
      }
    }
    small.sort()

    var used = 0
    var package: ArraySlice<UInt8> = []
    for key in small {
      let length = Int(index.contents[key.content].extents[0].length)
      let isFull = used + length > frameSize
      let isBoundary = used >= frameSize / 2 && key.package != package
      if frames.isEmpty || used == 0 || isFull || isBoundary {
        frames.append([])
        used = 0
      }
      segments[key.content] = [
        Manifest.Segment(frame: frames.count - 1, offset: used, length: UInt64(length))
      ]
      frames[frames.count - 1].append(Piece(content: key.content, offset: 0, length: length))
      used += length
      package = key.package
    }
    self.segments = segments
  }

  /// Frames of their own for one content.
  private static func split(
    _ content: Content, _ number: Int, _ frameSize: Int, _ frames: inout [[Piece]]
  ) -> [Manifest.Segment] {
    var result: [Manifest.Segment] = []
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
        frames.append([Piece(content: number, offset: offset, length: length)])
        offset += UInt64(length)
      }
    }
    return result
  }

  private struct SortKey: Comparable {
    let content: Int
    let path: [UInt8]
    let kind: ArraySlice<UInt8>
    /// What contents of one distribution have in common: the path's first three components.
    let package: ArraySlice<UInt8>

    init(_ tree: ScannedTree, _ entry: Int, _ content: Int) {
      self.content = content
      let path = [UInt8](tree.relativePath(entry).bytes)
      let name = path.lastIndex(of: UInt8(ascii: "/")).map { path[($0 + 1)...] } ?? path[...]
      kind = name.lastIndex(of: UInt8(ascii: ".")).map { name[$0...] } ?? []
      var slashes = 0
      let end = path.firstIndex { byte in
        if byte == UInt8(ascii: "/") { slashes += 1 }
        return slashes == 3
      }
      package = path[..<(end ?? path.endIndex)]
      self.path = path
    }

    static func < (a: SortKey, b: SortKey) -> Bool {
      if a.kind != b.kind { return a.kind.lexicographicallyPrecedes(b.kind) }
      return a.path.lexicographicallyPrecedes(b.path)
    }

    static func == (a: SortKey, b: SortKey) -> Bool { a.path == b.path }
  }
}
