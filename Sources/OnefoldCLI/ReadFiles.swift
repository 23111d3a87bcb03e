import PayloadFormat
import PayloadReader
import Posix

/// At most so many bytes of files are read to memory; the rest counts as empty.
private let mostRead: UInt64 = 64 << 20

/// A part of a file of a tree.
struct FilePart {
  /// The index of the file's entry.
  var entry: Int
  /// Offsets in the file, none above its size.
  var range: Range<UInt64>
}

/// Reads the contents of some files. Decodes only the frames that hold them, each once.
func readFiles(_ entries: [Int], of payload: Payload, _ manifest: Manifest)
  throws(Failure) -> [[UInt8]]
{
  try readParts(
    entries.map { FilePart(entry: $0, range: 0..<manifest.entry($0).size) }, of: payload, manifest)
}

/// Reads parts of some files. Decodes only the frames that hold them, each once.
func readParts(_ parts: [FilePart], of payload: Payload, _ manifest: Manifest)
  throws(Failure) -> [[UInt8]]
{
  struct Piece {
    var part: Int
    /// The offset in the part.
    var target: Int
    /// Offsets in the frame's raw bytes.
    var source: Range<Int>
  }
  var contents: [[UInt8]] = []
  var pieces: [Int: [Piece]] = [:]
  var total: UInt64 = 0
  for (number, part) in parts.enumerated() {
    contents.append([])
    let length = part.range.upperBound - part.range.lowerBound
    guard length <= mostRead - total else { continue }
    total += length
    contents[number] = [UInt8](repeating: 0, count: Int(length))
    var start: UInt64 = 0
    for segment in manifest.entry(part.entry).segments.map({ manifest.segment($0) }) {
      let wanted = part.range.clamped(to: start..<start + segment.length)
      if let frame = segment.frame, !wanted.isEmpty {
        let first = segment.offset + Int(wanted.lowerBound - start)
        pieces[frame, default: []].append(
          Piece(
            part: number, target: Int(wanted.lowerBound - part.range.lowerBound),
            source: first..<first + wanted.count))
      }
      start += segment.length
    }
  }
  let decoder = try FrameDecoder(
    longestStored: manifest.longestStoredFrame, longestRaw: manifest.longestRawFrame)
  for (frame, pieces) in pieces.sorted(by: { $0.key < $1.key }) {
    let bytes = try decoder.decode(frame, of: payload, manifest)
    for piece in pieces {
      contents[piece.part].replaceSubrange(
        piece.target..<piece.target + piece.source.count, with: bytes[piece.source])
    }
  }
  return contents
}
