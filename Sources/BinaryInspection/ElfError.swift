public import Posix

/// Why an ELF file can't be read.
public enum ElfError: Error, Sendable {
  case system(SystemError)
  /// It begins as ELF files do, but what follows is none; the text completes "is a damaged ELF file: ".
  case damaged(Path, StaticString)
  /// libelf of this build refuses to work.
  case library

  /// One line without a final full stop.
  public var description: Text {
    switch self {
    case .system(let error): return error.description
    case .damaged(let path, let what): return "\(path.quoted) is a damaged ELF file: \(what)"
    case .library: return "libelf is too old for this program: install another version of it"
    }
  }
}
