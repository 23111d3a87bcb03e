public import PayloadFormat
public import Posix

// Reasons why a onefile cannot be read or unpacked.
extension Failure {
  /// The damaged part of a onefile.
  public enum Part: Sendable {
    case trailer, record, manifest, bootloader
    case frame(Int)
    /// A frame with the right hash that does not decode to its raw length.
    case undecodable(Int)
    case undecodableManifest
    /// The path of an entry whose content does not match its hash.
    case content(path: [UInt8])
  }

  /// The file has no trailer.
  @inline(never)
  public static func noPayload(_ path: Path) -> Failure {
    Failure(
      .noPayload,
      "\(path.quoted) holds no payload: it was cut short or stripped, or is not a onefile")
  }

  /// The bytes break a rule of the format.
  @inline(never)
  public static func format(_ error: FormatError, _ path: Path) -> Failure {
    Failure(.format, "\(path.quoted) is damaged: \(Text(utf8: error.message))")
  }

  /// A part of the file is not what its hash says.
  @inline(never)
  public static func damaged(_ part: Part, _ path: Path) -> Failure {
    Failure(.damaged, "\(path.quoted) is damaged: \(describe(part))")
  }

  private static func describe(_ part: Part) -> Text {
    switch part {
    case .trailer: return "the trailer's hash is wrong"
    case .record: return "the launch record's hash is wrong"
    case .manifest: return "the manifest's hash is wrong"
    case .bootloader: return "the bootloader's hash is wrong"
    case .frame(let index): return "the hash of frame \(index) is wrong"
    case .undecodable(let index): return "frame \(index) does not decode to what it should hold"
    case .undecodableManifest: return "the manifest does not decode to its length"
    case .content(let path): return "the content of \(quotedText(path)) is not what its hash says"
    }
  }

  /// `needed` and `available` are bytes.
  public static func noSpace(directory: Path, needed: UInt64, available: UInt64) -> Failure {
    // A write can fail although there is space, and the figures alone would not explain that.
    let isLimited: Text =
      available < needed
      ? "" : ", but the system gives no more: a quota, or inodes, may be used up"
    return Failure(
      .noSpace,
      "not enough space in \(directory.quoted): \(needed) bytes are needed, \(available) are free\(isLimited)"
    )
  }

  /// `needed` and `available` are numbers of inodes.
  public static func noNodes(directory: Path, needed: UInt64, available: UInt64) -> Failure {
    Failure(
      .noNodes,
      "not enough inodes in \(directory.quoted): \(needed) are needed, \(available) are free")
  }

  /// `found` is the version of the system's glibc; nil if the system has none.
  public static func glibc(_ needed: GlibcRequirement, found: GlibcVersion?) -> Failure {
    let version = Text(utf8: needed.version.text)
    let system: Text =
      found.map { "has glibc \(Text(utf8: $0.text))" } ?? "has no glibc (it may use musl)"
    return Failure(
      .glibc(found: found != nil),
      "this program needs glibc \(version) or newer (\(escapedText(needed.file))); this system "
        + "\(system)")
  }

  /// The place to extract to is in use.
  public static func occupied(_ path: Path) -> Failure {
    Failure(.occupied, "\(path.quoted) exists and is not an empty directory")
  }
}
