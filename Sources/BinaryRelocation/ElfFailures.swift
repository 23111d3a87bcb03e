internal import Posix

// Why an ELF file can't be read.
extension Failure {
  /// It begins as ELF files do, but what follows is none: `what` says why, to be read after a colon.
  static func damaged(elf path: Path, _ what: StaticString) -> Failure {
    Failure(.damaged, "\(what)", subject: "\(path.quoted) is a damaged ELF file")
  }

  /// libelf of this build refuses to work.
  static var noLibelf: Failure {
    Failure(.refused, "libelf is too old for this program: install another version of it")
  }
}
