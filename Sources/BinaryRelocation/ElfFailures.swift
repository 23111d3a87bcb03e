internal import Posix

// Reasons why an ELF file cannot be read.
extension Failure {
  /// A file with an ELF header and invalid content. `what` is the reason, to be read after a colon.
  static func damaged(elf path: Path, _ what: StaticString) -> Failure {
    Failure(.damaged, "\(what)", subject: "\(path.quoted) is a damaged ELF file")
  }

  /// This build's libelf refuses to work.
  static var noLibelf: Failure {
    Failure(.refused, "libelf is too old for this program: install another version of it")
  }
}
