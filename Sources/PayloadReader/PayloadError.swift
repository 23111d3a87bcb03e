public import PayloadFormat
public import Posix

/// Why a onefile can't be read or unpacked.
public enum PayloadError: Error, Sendable {
  case system(SystemError)
  /// No trailer within the last 64 KiB.
  case noPayload(Path)
  /// Bytes that break the format.
  case format(FormatError, Path)
  /// Bytes that are not what their hash says.
  case damaged(Part, Path)
  /// Not enough room for the tree in a directory; bytes.
  case noSpace(directory: Path, needed: UInt64, available: UInt64)
  /// Not enough inodes for the tree in a directory.
  case noNodes(directory: Path, needed: UInt64, available: UInt64)
  /// The system's C library is older than the tree needs, or, where no version was found, is no glibc.
  case glibc(GlibcRequirement, found: GlibcVersion?)
  /// A termination signal came.
  case interrupted(signal: Int32)
  /// The place to extract to exists and is not an empty directory.
  case occupied(Path)

  public enum Part: Sendable {
    case trailer, record, manifest, bootloader
    case frame(Int)
    /// A frame whose hash is right but which does not decode to its raw length.
    case undecodable(Int)
    case undecodableManifest
    /// Index of an entry whose content is not what its hash says.
    case content(path: [UInt8])
  }

  /// One line without a final full stop.
  public var description: Text {
    switch self {
    case .system(let error): return error.description
    case .noPayload(let path):
      return
        "\(path.quoted) holds no payload: it was cut short or stripped, or is not a onefile"
    case .format(let error, let path):
      return "\(path.quoted) is damaged: \(Text(utf8: error.message))"
    case .damaged(let part, let path):
      return "\(path.quoted) is damaged: \(PayloadError.describe(part))"
    case .noSpace(let directory, let needed, let available):
      // A write can fail although there is room, and the figures alone would be a riddle.
      let isLimited: Text =
        available < needed
        ? "" : ", but the system gives no more: a quota, or inodes, may be used up"
      return
        "not enough space in \(directory.quoted): \(needed) bytes are needed, \(available) are free\(isLimited)"
    case .noNodes(let directory, let needed, let available):
      return
        "not enough inodes in \(directory.quoted): \(needed) are needed, \(available) are free"
    case .glibc(let needed, let found):
      let version = Text(utf8: needed.version.text)
      let system: Text =
        found.map { "has glibc \(Text(utf8: $0.text))" } ?? "has no glibc (it may use musl)"
      return
        "this program needs glibc \(version) or newer (\(escapedText(needed.file))); this system "
        + "\(system)"
    case .interrupted(let signal): return "interrupted by signal \(signal)"
    case .occupied(let path):
      return "\(path.quoted) exists and is not an empty directory"
    }
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
}

/// Runs calls of the system and turns their error into this module's.
@inline(__always)
func system<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(PayloadError)
  -> Result
{
  do throws(SystemError) { return try body() } catch { throw .system(error) }
}
