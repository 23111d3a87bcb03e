/// Builds a manifest. Rows must be added in their final order; `Manifest(parsing:)` checks the result.
public struct ManifestBuilder {
  private var frames: [UInt8] = []
  private var entries: [UInt8] = []
  private var segments: [UInt8] = []
  private var strings: [UInt8] = []

  public private(set) var entryCount = 0
  public private(set) var segmentCount = 0

  public init() {}

  /// Appends a frame; its index is the number of earlier frames.
  public mutating func append(_ frame: Manifest.Frame) {
    frames.append(littleEndian: frame.offset)
    frames.append(littleEndian: UInt64(frame.storedLength))
    frames.append(littleEndian: UInt64(frame.rawLength))
    frames.append(frame.codec.rawValue)
    frames.append(frame.filter.rawValue)
    frames.append(zeros: 6)
    frames.append(contentsOf: frame.hash.bytes)
  }

  /// Appends a segment; its index is the number of earlier segments.
  public mutating func append(_ segment: Manifest.Segment) {
    segments.append(littleEndian: segment.frame.map { UInt32($0) } ?? UInt32.max)
    segments.append(zeros: 4)
    segments.append(littleEndian: UInt64(segment.offset))
    segments.append(littleEndian: segment.length)
    segmentCount += 1
  }

  /// The place of an entry, and the fields of all types except hard links.
  public struct Header {
    public var parent: Int
    public var name: [UInt8]
    /// 0 to 0o777; 0 for symlinks.
    public var mode: UInt16
    public var modifiedSeconds: Int64
    public var modifiedNanoseconds: UInt32

    public init(
      parent: Int, name: [UInt8], mode: UInt16, modifiedSeconds: Int64,
      modifiedNanoseconds: UInt32
    ) {
      self.parent = parent
      self.name = name
      self.mode = mode
      self.modifiedSeconds = modifiedSeconds
      self.modifiedNanoseconds = modifiedNanoseconds
    }
  }

  /// Appends a directory. The first entry is the root, with an empty name.
  public mutating func appendDirectory(_ header: Header) {
    append(.directory, header, link: 0, size: 0, segments: 0..<0, hash: .zero)
  }

  /// Appends a file. `segments` are indices of segments that were or will be appended; empty for an empty file.
  public mutating func appendFile(
    _ header: Header, size: UInt64, segments: Range<Int>, hash: Digest
  ) {
    append(
      .file, header, link: 0, size: size, segments: segments.isEmpty ? 0..<0 : segments, hash: hash)
  }

  /// Appends a symlink.
  public mutating func appendSymlink(_ header: Header, target: [UInt8]) {
    append(
      .symlink, header, link: UInt32(strings.count + header.name.count), size: UInt64(target.count),
      segments: 0..<0, hash: .zero)
    strings.append(contentsOf: target)
  }

  /// Appends a hard link. `target` is the index of the file entry.
  public mutating func appendHardLink(parent: Int, name: [UInt8], target: Int) {
    append(
      .hardLink,
      Header(parent: parent, name: name, mode: 0, modifiedSeconds: 0, modifiedNanoseconds: 0),
      link: UInt32(target), size: 0, segments: 0..<0, hash: .zero)
  }

  private mutating func append(
    _ type: Manifest.EntryType, _ header: Header, link: UInt32, size: UInt64,
    segments: Range<Int>, hash: Digest
  ) {
    entries.append(type.rawValue)
    entries.append(0)
    entries.append(littleEndian: header.mode)
    entries.append(littleEndian: UInt32(header.parent))
    entries.append(littleEndian: header.name.isEmpty ? 0 : UInt32(strings.count))
    entries.append(littleEndian: UInt16(header.name.count))
    entries.append(zeros: 2)
    entries.append(littleEndian: header.modifiedSeconds)
    entries.append(littleEndian: header.modifiedNanoseconds)
    entries.append(littleEndian: link)
    entries.append(littleEndian: size)
    entries.append(littleEndian: UInt32(segments.lowerBound))
    entries.append(littleEndian: UInt32(segments.count))
    entries.append(contentsOf: hash.bytes)
    strings.append(contentsOf: header.name)
    entryCount += 1
  }

  /// The manifest's raw bytes.
  public func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(ascii: "OFMF")
    bytes.append(littleEndian: UInt16(1))
    bytes.append(zeros: 2)
    bytes.append(littleEndian: UInt32(4))
    bytes.append(zeros: 4)
    var offset = Manifest.smallestByteCount
    var tag: UInt32 = 1
    for section in [frames, entries, segments, strings] {
      bytes.append(littleEndian: tag)
      bytes.append(littleEndian: UInt32(1))
      bytes.append(littleEndian: UInt64(offset))
      bytes.append(littleEndian: UInt64(section.count))
      offset += section.count
      tag += 1
    }
    for section in [frames, entries, segments, strings] { bytes.append(contentsOf: section) }
    return bytes
  }
}
