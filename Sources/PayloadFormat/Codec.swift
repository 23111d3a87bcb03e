/// The compression of stored bytes (docs/format.md, "Codecs").
public enum Codec: UInt8, NamedValue {
  case store = 0
  case zstd = 1
  case xz = 2

  /// The name on the command line and in reports.
  public var name: StaticString {
    switch self {
    case .store: "store"
    case .zstd: "zstd"
    case .xz: "xz"
    }
  }

  /// The compression levels; nil for a codec without levels.
  public var levels: ClosedRange<Int>? {
    switch self {
    case .store: nil
    case .zstd: 1...22
    case .xz: 0...9
    }
  }
}

/// The limits of format version 1; a reader accepts no more (docs/format.md, "Limits, and why").
public enum Limits {
  /// Bytes of a frame after decompression.
  public static var frameRawLength: Int { 16 << 20 }
  /// Bytes of a frame in the file.
  public static var frameStoredLength: Int { 17 << 20 }
  /// Bytes of the manifest, stored or raw.
  public static var manifestLength: Int { 256 << 20 }
  /// Bytes of the launch record.
  public static var recordLength: Int { 64 << 10 }
  /// Fields of the launch record.
  public static var recordFields: Int { 8192 }
  /// Bytes after the trailer.
  public static var signatureLength: Int { 64 << 10 }
  /// Bytes of a name.
  public static var nameLength: Int { 255 }
  /// Bytes of a path in the tree.
  public static var pathLength: Int { 3072 }
  /// Bytes of a symlink's target.
  public static var targetLength: Int { 4095 }
  /// Segment references of all files together.
  public static var segmentReferences: Int { 1 << 24 }
  /// Bytes of one hole, and of all files together: 1 TiB.
  public static var treeBytes: UInt64 { 1 << 40 }
  /// The highest offset of a trailer. It is beyond the limits of file systems, and sums of two such offsets
  /// cannot overflow.
  public static var trailerOffset: UInt64 { 1 << 62 }
  /// The payload starts at a multiple of this.
  public static var payloadAlignment: Int { 4096 }
}

/// The rules for names and targets that reader and writer share.
public enum PathRules {
  /// A valid name of an entry: 1 to 255 bytes, no `/`, no NUL, neither `.` nor `..`.
  public static func isName(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count >= 1 && bytes.count <= Limits.nameLength else { return false }
    for index in 0..<bytes.count where bytes[index] == 0x2F || bytes[index] == 0 { return false }
    if bytes[0] == 0x2E && (bytes.count == 1 || (bytes.count == 2 && bytes[1] == 0x2E)) {
      return false
    }
    return true
  }

  /// Valid names joined with `/`, at most 3,072 bytes.
  public static func isPath(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count <= Limits.pathLength else { return false }
    var start = 0
    for index in 0...bytes.count where index == bytes.count || bytes[index] == 0x2F {
      guard isName(bytes.extracting(start..<index)) else { return false }
      start = index + 1
    }
    return true
  }

  /// Whether a symlink's target, in a directory `depth` levels below the root (0: the root itself), is
  /// relative and never climbs above the root when read as text.
  public static func staysInside(_ target: Span<UInt8>, depth: Int) -> Bool {
    guard target.count > 0 && target[0] != 0x2F else { return false }
    var level = depth
    var start = 0
    for index in 0...target.count where index == target.count || target[index] == 0x2F {
      let length = index - start
      if length == 2 && target[start] == 0x2E && target[start + 1] == 0x2E {
        level -= 1
        if level < 0 { return false }
      } else if length > 1 || (length == 1 && target[start] != 0x2E) {
        level += 1
      }
      start = index + 1
    }
    return true
  }
}
