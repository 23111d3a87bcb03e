import OutputFiles
public import Posix

// Reasons why a tree cannot be packed. Each message says what to do unless that is obvious.
extension Failure {
  /// A socket, device, FIFO or the like.
  public static func unsupported(_ path: Path, _ kind: FileStatus.Kind) -> Failure {
    Failure(
      .refused, "\(path.quoted) is \(kind.name): only files, directories and links can be packed")
  }

  /// A file with a set-uid, set-gid or sticky bit.
  public static func specialBits(_ path: Path) -> Failure {
    Failure(
      .refused,
      "\(path.quoted) has its set-uid, set-gid or sticky bit set, which a onefile does not carry: "
        + "remove the bit (chmod ug-s,-t) or the file")
  }

  /// A symlink whose target is absolute or climbs out of the tree.
  public static func symlinkLeaves(_ path: Path, target: Path) -> Failure {
    Failure(
      .refused,
      "the symlink \(path.quoted) leaves the tree (its target is \(target.quoted)): "
        + "copy what it points to into the tree, or make it relative")
  }

  /// A path that is longer than the format allows.
  public static func pathTooLong(_ path: Path) -> Failure {
    Failure(
      .refused, "\(path.quoted) is longer than the 3072 bytes that a path in a onefile can have")
  }

  /// A file or symlink with the name of the packer's own directory.
  public static func isReserved(_ path: Path) -> Failure {
    Failure(
      .refused,
      "\(path.quoted) must be a directory, because the software bill of materials is packed there: "
        + "rename it, or pack with --no-sbom")
  }

  /// The tree is not a directory.
  public static func notDirectory(_ path: Path) -> Failure {
    Failure(.refused, "\(path.quoted) is not a directory")
  }

  /// A file whose size, time or content changed while it was packed.
  public static func changed(_ path: Path) -> Failure {
    Failure(
      .refused,
      "\(path.quoted) changed while it was being packed: pack again when nothing writes to it")
  }

  /// The entry's path is not a valid path in a tree.
  public static func entryPath(_ path: Path) -> Failure {
    Failure(
      .refused, "the entry \(path.quoted) is not a path in the tree: give it relative to the tree")
  }

  /// The tree has no such entry.
  public static func entryMissing(_ path: Path, tree: Path) -> Failure {
    Failure(.refused, "the entry \(path.quoted) is not in \(tree.quoted)")
  }

  /// The entry is a directory or the like.
  public static func entryNotFile(_ path: Path) -> Failure {
    Failure(.refused, "the entry \(path.quoted) is not a file")
  }

  /// The entry has no x bit.
  public static func entryNotExecutable(_ path: Path) -> Failure {
    Failure(.refused, "the entry \(path.quoted) is not executable: chmod +x it")
  }

  /// The entry is for another target than the bootloader. `own` is its target, if there is a bootloader for it.
  public static func entryArchitecture(_ path: Path, target: Text, own: StaticString?) -> Failure {
    guard let own else {
      return Failure(
        .refused, "the entry \(path.quoted) is not a program for \(target)")
    }
    return Failure(
      .refused,
      "the entry \(path.quoted) is a program for \(own), not for \(target): pack with --target \(own)"
    )
  }

  /// The output would be packed into itself.
  public static func output(_ path: Path, inside tree: Path) -> Failure {
    Failure(
      .refused, "the output \(path.quoted) lies in the tree \(tree.quoted): give another with -o")
  }

  /// The bootloader cannot be used. `why` is the reason, in words that follow its path.
  public static func bootloader(_ path: Path, _ why: StaticString) -> Failure {
    Failure(.refused, "the bootloader \(path.quoted) \(why)")
  }

  /// The launch record cannot hold a value; `why` is a sentence.
  public static func record(_ why: Text) -> Failure { Failure(.refused, why) }

  /// A codec failed.
  public static func compression(_ what: StaticString) -> Failure {
    Failure(.refused, "compression failed: \(what)")
  }

  /// The tree exceeds a limit of the format.
  public static func tooLarge(_ what: StaticString) -> Failure {
    Failure(.refused, "the tree is too large for the format: \(what)")
  }
}
