public import Posix

/// Why a tree can't be packed.
public enum PackError: Error, Sendable {
  case system(SystemError)
  /// A socket, device, FIFO or the like.
  case unsupported(Path, FileStatus.Kind)
  /// A file with a set-uid, set-gid or sticky bit.
  case specialBits(Path)
  /// A symlink whose target is absolute or climbs out of the tree.
  case symlinkLeaves(Path, target: Path)
  /// A path that is longer than the format carries.
  case pathTooLong(Path)
  /// The tree is not a directory.
  case notDirectory(Path)
  /// A file whose size or time changed while it was packed.
  case changed(Path)
  /// The entry's path is not one in a tree.
  case entryPath(Path)
  case entryMissing(Path, tree: Path)
  case entryNotFile(Path)
  case entryNotExecutable(Path)
  /// `own` is the target that the entry is for, if there is a bootloader for it.
  case entryArchitecture(Path, target: Text, own: StaticString?)
  case output(Path, inside: Path)
  /// Nothing can be written to the output.
  case place(OutputPlace.Refusal)
  case bootloader(Path, StaticString)
  /// What the launch record can't hold; a sentence.
  case record(Text)
  case compression(StaticString)
  case tooLarge(StaticString)
  case interrupted(signal: Int32)

  /// One line without a final full stop, which says what to do where that is not plain.
  public var description: Text {
    switch self {
    case .system(let error): return error.description
    case .unsupported(let path, let kind):
      return
        "\(path.quoted) is \(kind.name): only files, directories and links can be packed"
    case .specialBits(let path):
      return
        "\(path.quoted) has its set-uid, set-gid or sticky bit set, which a onefile does not carry: "
        + "remove the bit (chmod ug-s,-t) or the file"
    case .symlinkLeaves(let path, let target):
      return
        "the symlink \(path.quoted) leaves the tree (its target is \(target.quoted)): "
        + "copy what it points to into the tree, or make it relative"
    case .pathTooLong(let path):
      return "\(path.quoted) is longer than the 3072 bytes that a path in a onefile can have"
    case .notDirectory(let path): return "\(path.quoted) is not a directory"
    case .changed(let path):
      return
        "\(path.quoted) changed while it was being packed: pack again when nothing writes to it"
    case .entryPath(let path):
      return "the entry \(path.quoted) is not a path in the tree: give it relative to the tree"
    case .entryMissing(let path, let tree):
      return "the entry \(path.quoted) is not in \(tree.quoted)"
    case .entryNotFile(let path): return "the entry \(path.quoted) is not a file"
    case .entryNotExecutable(let path):
      return "the entry \(path.quoted) is not executable: chmod +x it"
    case .entryArchitecture(let path, let target, let own?):
      return
        "the entry \(path.quoted) is a program for \(own), not for \(target): pack with --target \(own)"
    case .entryArchitecture(let path, let target, nil):
      return "the entry \(path.quoted) is a program for another processor than \(target)"
    case .output(let path, let tree):
      return "the output \(path.quoted) lies in the tree \(tree.quoted): give another with -o"
    case .place(let refusal): return refusal.description
    case .bootloader(let path, let why): return "the bootloader \(path.quoted) \(why)"
    case .record(let why): return why
    case .compression(let what): return "compression failed: \(what)"
    case .tooLarge(let what): return "the tree is too large for the format: \(what)"
    case .interrupted(let signal): return "interrupted by signal \(signal)"
    }
  }
}

/// Runs calls of the system and turns their error into this module's.
@inline(__always)
func system<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(PackError) -> Result
{
  do throws(SystemError) { return try body() } catch { throw .system(error) }
}
