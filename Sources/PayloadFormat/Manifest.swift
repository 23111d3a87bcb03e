/// The table of everything in the payload (docs/format.md, "Manifest").
///
/// Keeps the raw bytes and reads rows on demand. `init(parsing:)` checks every rule of the format, so later reads
/// need no check, and every index in a row is valid.
public struct Manifest: Sendable {
  static var headerByteCount: Int { 16 }
  static var sectionRowByteCount: Int { 24 }
  static var frameByteCount: Int { 64 }
  static var entryByteCount: Int { 80 }
  static var segmentByteCount: Int { 24 }
  /// The bytes of the header and four rows of the section table.
  static var smallestByteCount: Int { 112 }

  private let bytes: [UInt8]
  private var sections = [Section](repeating: Section(start: 0, length: 0), count: 4)

  private struct Section {
    var start: Int
    var length: Int
  }

  enum Tag: UInt32, CaseIterable {
    case frames = 1
    case entries, segments, strings

    var rowByteCount: Int {
      switch self {
      case .frames: Manifest.frameByteCount
      case .entries: Manifest.entryByteCount
      case .segments: Manifest.segmentByteCount
      case .strings: 1
      }
    }
  }

  /// A row of the frame table.
  public struct Frame: Equatable, Sendable {
    /// The offset from the payload offset.
    public var offset: UInt64
    public var storedLength: Int
    public var rawLength: Int
    public var codec: Codec
    /// Undone after decompression.
    public var filter: FrameFilter
    /// The hash of the stored bytes.
    public var hash: Digest

    public init(
      offset: UInt64, storedLength: Int, rawLength: Int, codec: Codec, filter: FrameFilter = .none,
      hash: Digest
    ) {
      self.offset = offset
      self.storedLength = storedLength
      self.rawLength = rawLength
      self.codec = codec
      self.filter = filter
      self.hash = hash
    }
  }

  /// The type of an entry, as it is stored.
  public enum EntryType: UInt8, Sendable {
    case directory = 0
    case file, symlink, hardLink
  }

  /// A row of the entry table.
  public struct Entry: Equatable, Sendable {
    public var type: EntryType
    /// 0 to 0o777.
    public var mode: UInt16
    /// The index of the directory that holds it; 0 for the root itself.
    public var parent: Int
    /// Seconds since 1970, and nanoseconds below 1,000,000,000.
    public var modifiedSeconds: Int64
    public var modifiedNanoseconds: UInt32
    /// Bytes of the content, or of the symlink's target.
    public var size: UInt64
    /// The segments of a file's content.
    public var segments: Range<Int>
    /// Index of a hard link's file; 0 otherwise.
    public var hardLinkTarget: Int
    /// The hash of a file's content; zeros for other types.
    public var hash: Digest

    var nameOffset: Int
    var nameLength: Int
    var targetOffset: Int
  }

  /// A row of the segment table: a piece of a file in a frame, or a hole.
  public struct Segment: Equatable, Sendable {
    /// Index of the frame; nil for a hole.
    public var frame: Int?
    /// The offset in the frame's raw bytes.
    public var offset: Int
    public var length: UInt64

    public init(frame: Int?, offset: Int, length: UInt64) {
      self.frame = frame
      self.offset = offset
      self.length = length
    }
  }

  public var frameCount: Int { section(.frames).length / Manifest.frameByteCount }
  public var entryCount: Int { section(.entries).length / Manifest.entryByteCount }
  public var segmentCount: Int { section(.segments).length / Manifest.segmentByteCount }
  /// Bytes of all frames in the file.
  public private(set) var framesLength: UInt64 = 0
  /// Bytes of the longest frame, in the file and decompressed; 0 if there is none.
  public private(set) var longestStoredFrame = 0
  public private(set) var longestRawFrame = 0
  /// Bytes of all files. Identical files count each time, hard links once.
  public private(set) var contentLength: UInt64 = 0
  /// The same without holes: the space that the files take on disk, without the file system's overhead.
  public private(set) var allocatedLength: UInt64 = 0
  public private(set) var fileCount = 0
  public private(set) var directoryCount = 0
  public private(set) var symlinkCount = 0
  public private(set) var hardLinkCount = 0

  /// - Precondition: `index` is 0 to `frameCount` - 1.
  public func frame(_ index: Int) -> Frame {
    let row = section(.frames).start + index * Manifest.frameByteCount
    let span = bytes.span
    return Frame(
      offset: span.u64(row), storedLength: Int(span.u64(row + 8)),
      rawLength: Int(span.u64(row + 16)), codec: Codec(rawValue: span[row + 24]) ?? .store,
      filter: FrameFilter(rawValue: span[row + 25]) ?? .none,
      hash: Digest(span, at: row + 32))
  }

  /// - Precondition: `index` is 0 to `segmentCount` - 1.
  public func segment(_ index: Int) -> Segment {
    let row = section(.segments).start + index * Manifest.segmentByteCount
    let span = bytes.span
    let frame = span.u32(row)
    return Segment(
      frame: frame == UInt32.max ? nil : Int(frame), offset: Int(span.u64(row + 8)),
      length: span.u64(row + 16))
  }

  /// - Precondition: `index` is 0 to `entryCount` - 1.
  public func entry(_ index: Int) -> Entry {
    let row = section(.entries).start + index * Manifest.entryByteCount
    let span = bytes.span
    let type = EntryType(rawValue: span[row]) ?? .directory
    let link = Int(span.u32(row + 28))
    let first = Int(span.u32(row + 40))
    return Entry(
      type: type, mode: span.u16(row + 2), parent: Int(span.u32(row + 4)),
      modifiedSeconds: Int64(bitPattern: span.u64(row + 16)),
      modifiedNanoseconds: span.u32(row + 24), size: span.u64(row + 32),
      segments: first..<first + Int(span.u32(row + 44)),
      hardLinkTarget: type == .hardLink ? link : 0, hash: Digest(span, at: row + 48),
      nameOffset: Int(span.u32(row + 8)), nameLength: Int(span.u16(row + 12)),
      targetOffset: type == .symlink ? link : 0)
  }

  /// The name in its directory; empty for the root.
  public func name(of entry: Entry) -> ArraySlice<UInt8> {
    let start = section(.strings).start + entry.nameOffset
    return bytes[start..<start + entry.nameLength]
  }

  /// The target of a symlink.
  public func target(of entry: Entry) -> ArraySlice<UInt8> {
    let start = section(.strings).start + entry.targetOffset
    return bytes[start..<start + (entry.type == .symlink ? Int(entry.size) : 0)]
  }

  /// The path from the root, names joined with `/`; empty for the root.
  public func path(of index: Int) -> [UInt8] {
    var chain: [Int] = []
    var next = index
    while next != 0 {
      chain.append(next)
      next = entry(next).parent
    }
    var result: [UInt8] = []
    for index in chain.reversed() {
      if !result.isEmpty { result.append(0x2F) }
      result.append(contentsOf: name(of: entry(index)))
    }
    return result
  }

  private func section(_ tag: Tag) -> Section { sections[Int(tag.rawValue) - 1] }

  // MARK: Parsing

  /// Parses a manifest and checks all rules. Never traps, whatever the bytes.
  ///
  /// - Throws: the first fault of the bytes, in the order of docs/format.md. A manifest that was created has no
  ///   fault.
  public init(parsing raw: [UInt8]) throws(FormatError) {
    bytes = raw
    try parseSections()
    try checkFrames()
    let lengths = try checkSegments()
    try checkEntries(lengths)
  }

  private mutating func parseSections() throws(FormatError) {
    let bytes = self.bytes
    let span = bytes.span
    guard span.count >= Manifest.smallestByteCount else { throw FormatError(.manifestTooShort) }
    guard span.hasPrefix("OFMF") else { throw FormatError(.manifestMagic) }
    guard span.u16(4) == 1 else { throw FormatError(.manifestVersion) }
    guard span.u16(6) == 0 && span.u32(12) == 0 else { throw FormatError(.manifestReserved) }
    let count = Int(span.u32(8))
    guard count >= 4 && count <= 64 else { throw FormatError(.manifestSectionCount) }
    var end = Manifest.headerByteCount + count * Manifest.sectionRowByteCount
    guard span.count >= end else { throw FormatError(.manifestTooShort) }

    var previous: UInt32 = 0
    var found = 0
    for index in 0..<count {
      let row = Manifest.headerByteCount + index * Manifest.sectionRowByteCount
      let number = span.u32(row)
      let flags = span.u32(row + 4)
      let offset = span.u64(row + 8)
      let length = span.u64(row + 16)
      guard number > previous else { throw FormatError(.sectionOrder, index) }
      previous = number
      guard flags <= 1 else { throw FormatError(.sectionFlags, index) }
      guard offset == UInt64(end) && length <= UInt64(span.count - end) else {
        throw FormatError(.sectionBounds, index)
      }
      end += Int(length)
      guard let tag = Tag(rawValue: number) else {
        if flags & 1 != 0 { throw FormatError(.sectionUnknown, index) }
        continue
      }
      guard flags == 1 else { throw FormatError(.sectionFlags, index) }
      guard Int(length) % tag.rowByteCount == 0 else { throw FormatError(.sectionRows, index) }
      sections[Int(number) - 1] = Section(start: Int(offset), length: Int(length))
      found += 1
    }
    guard end == span.count else { throw FormatError(.sectionBounds, count - 1) }
    guard found == 4 else { throw FormatError(.sectionMissing) }
  }

  private mutating func checkFrames() throws(FormatError) {
    let bytes = self.bytes
    let span = bytes.span
    for index in 0..<frameCount {
      let row = section(.frames).start + index * Manifest.frameByteCount
      guard span.u64(row) == framesLength else { throw FormatError(.frameOffset, index) }
      let stored = span.u64(row + 8)
      guard stored >= 1 && stored <= UInt64(Limits.frameStoredLength) else {
        throw FormatError(.frameStoredLength, index)
      }
      let raw = span.u64(row + 16)
      guard raw >= 1 && raw <= UInt64(Limits.frameRawLength) else {
        throw FormatError(.frameRawLength, index)
      }
      guard let codec = Codec(rawValue: span[row + 24]) else {
        throw FormatError(.frameCodec, index)
      }
      guard codec != .store || stored == raw else { throw FormatError(.frameStoredLength, index) }
      guard let filter = FrameFilter(rawValue: span[row + 25]), filter == .none || codec != .store
      else { throw FormatError(.frameFilter, index) }
      guard span.isZero(row + 26..<row + 32) else { throw FormatError(.frameReserved, index) }
      // At most 2^22 frames of 17 MiB: no overflow.
      framesLength += stored
      longestStoredFrame = max(longestStoredFrame, Int(stored))
      longestRawFrame = max(longestRawFrame, Int(raw))
    }
  }

  /// Sums of the segments' lengths, with and without holes: element i is the sum of the first i.
  private struct SegmentLengths {
    var all: [UInt64] = [0]
    var withoutHoles: [UInt64] = [0]
  }

  private func checkSegments() throws(FormatError) -> SegmentLengths {
    let span = bytes.span
    var lengths = SegmentLengths()
    let count = segmentCount
    lengths.all.reserveCapacity(count + 1)
    lengths.withoutHoles.reserveCapacity(count + 1)
    for index in 0..<count {
      let row = section(.segments).start + index * Manifest.segmentByteCount
      guard span.u32(row + 4) == 0 else { throw FormatError(.segmentReserved, index) }
      let offset = span.u64(row + 8)
      let length = span.u64(row + 16)
      guard length >= 1 && length <= Limits.treeBytes else {
        throw FormatError(.segmentLength, index)
      }
      let number = span.u32(row)
      let isHole = number == UInt32.max
      if isHole {
        guard offset == 0 else { throw FormatError(.segmentHole, index) }
      } else {
        guard Int(number) < frameCount else { throw FormatError(.segmentFrame, index) }
        let raw = UInt64(frame(Int(number)).rawLength)
        guard offset <= raw && length <= raw - offset else {
          throw FormatError(.segmentBounds, index)
        }
      }
      let sum = lengths.all[index].addingReportingOverflow(length)
      guard !sum.overflow && sum.partialValue <= UInt64(Int64.max) else {
        throw FormatError(.segmentLength, index)
      }
      lengths.all.append(sum.partialValue)
      lengths.withoutHoles.append(lengths.withoutHoles[index] + (isHole ? 0 : length))
    }
    return lengths
  }

  private mutating func checkEntries(_ lengths: SegmentLengths) throws(FormatError) {
    guard entryCount > 0 else { throw FormatError(.entryNone) }
    let bytes = self.bytes
    let span = bytes.span
    var depths = PathDepths(count: entryCount)
    var references = 0
    for index in 0..<entryCount {
      let row = section(.entries).start + index * Manifest.entryByteCount
      guard let type = EntryType(rawValue: span[row]) else { throw FormatError(.entryType, index) }
      guard span[row + 1] == 0 && span.u16(row + 14) == 0 else {
        throw FormatError(.entryReserved, index)
      }
      let entry = entry(index)
      guard entry.mode <= 0o777 else { throw FormatError(.entryMode, index) }
      guard entry.modifiedNanoseconds < 1_000_000_000 else { throw FormatError(.entryTime, index) }
      try checkUnused(entry, index, row)
      if index == 0 {
        guard type == .directory && entry.parent == 0 && entry.nameLength == 0,
          entry.nameOffset == 0
        else { throw FormatError(.entryRoot, index) }
      } else {
        try checkPlace(entry, index, &depths)
      }
      switch type {
      case .directory:
        directoryCount += 1
        depths.isDirectory[index] = true
      case .symlink:
        symlinkCount += 1
        try checkTarget(entry, index, depths)
      case .hardLink:
        hardLinkCount += 1
        guard entry.hardLinkTarget < index && self.entry(entry.hardLinkTarget).type == .file else {
          throw FormatError(.entryHardLink, index)
        }
      case .file:
        fileCount += 1
        try checkContent(entry, index, lengths)
        references += entry.segments.count
        guard references <= Limits.segmentReferences, contentLength <= Limits.treeBytes else {
          throw FormatError(.entryTotal, index)
        }
      }
    }
  }

  private func checkUnused(_ entry: Entry, _ index: Int, _ row: Int) throws(FormatError) {
    let span = bytes.span
    let isFile = entry.type == .file
    var unused = true
    if !isFile { unused = span.isZero(row + 40..<row + 80) }
    if entry.type == .directory || entry.type == .hardLink { unused = unused && entry.size == 0 }
    if entry.type == .directory || isFile { unused = unused && span.u32(row + 28) == 0 }
    if entry.type == .symlink || entry.type == .hardLink { unused = unused && entry.mode == 0 }
    if entry.type == .hardLink {
      unused = unused && entry.modifiedSeconds == 0 && entry.modifiedNanoseconds == 0
    }
    guard unused else { throw FormatError(.entryUnused, index) }
  }

  /// The known path lengths and depths of the entries before the current one.
  private struct PathDepths {
    var isDirectory: [Bool]
    /// Bytes of the path from the root.
    var length: [UInt16]
    /// Levels below the root.
    var level: [UInt16]

    init(count: Int) {
      isDirectory = [Bool](repeating: false, count: count)
      length = [UInt16](repeating: 0, count: count)
      level = [UInt16](repeating: 0, count: count)
    }
  }

  private func checkPlace(_ entry: Entry, _ index: Int, _ depths: inout PathDepths)
    throws(FormatError)
  {
    guard entry.parent < index && depths.isDirectory[entry.parent] else {
      throw FormatError(.entryParent, index)
    }
    let strings = section(.strings)
    guard entry.nameOffset <= strings.length,
      entry.nameLength <= strings.length - entry.nameOffset
    else { throw FormatError(.entryNameBounds, index) }
    let start = strings.start + entry.nameOffset
    guard PathRules.isName(bytes.span.extracting(start..<start + entry.nameLength)) else {
      throw FormatError(.entryName, index)
    }
    if index > 1 {
      let before = self.entry(index - 1)
      guard
        before.parent < entry.parent
          || (before.parent == entry.parent
            && name(of: before).lexicographicallyPrecedes(name(of: entry)))
      else { throw FormatError(.entryOrder, index) }
    }
    let above = Int(depths.length[entry.parent])
    let length = above + (above == 0 ? 0 : 1) + entry.nameLength
    guard length <= Limits.pathLength else { throw FormatError(.entryDepth, index) }
    depths.length[index] = UInt16(length)
    depths.level[index] = depths.level[entry.parent] + 1
  }

  private func checkTarget(_ entry: Entry, _ index: Int, _ depths: PathDepths) throws(FormatError) {
    let strings = section(.strings)
    guard entry.size >= 1 && entry.size <= UInt64(Limits.targetLength) else {
      throw FormatError(.entryTarget, index)
    }
    guard entry.targetOffset <= strings.length,
      Int(entry.size) <= strings.length - entry.targetOffset
    else { throw FormatError(.entryTargetBounds, index) }
    let start = strings.start + entry.targetOffset
    let target = bytes.span.extracting(start..<start + Int(entry.size))
    for position in 0..<target.count where target[position] == 0 {
      throw FormatError(.entryTarget, index)
    }
    guard PathRules.staysInside(target, depth: Int(depths.level[entry.parent])) else {
      throw FormatError(.entryTargetOutside, index)
    }
  }

  private mutating func checkContent(_ entry: Entry, _ index: Int, _ lengths: SegmentLengths)
    throws(FormatError)
  {
    let segments = entry.segments
    guard segments.upperBound <= segmentCount, !segments.isEmpty || segments.lowerBound == 0 else {
      throw FormatError(.entrySegments, index)
    }
    let size = lengths.all[segments.upperBound] - lengths.all[segments.lowerBound]
    guard size == entry.size else { throw FormatError(.entrySize, index) }
    // Both stay below 2^40 + 2^63, because the caller stops at the first sum above 2^40.
    contentLength += size
    allocatedLength +=
      lengths.withoutHoles[segments.upperBound] - lengths.withoutHoles[segments.lowerBound]
  }
}
