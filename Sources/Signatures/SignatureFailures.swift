import Posix

// Reasons why a file is not signed, or why a signature does not count.
extension Failure {
  // MARK: Texts

  static func badSignature(_ name: Text, _ fault: Lines.Fault) -> Failure {
    .failed("\(name) is not a valid signature: \(fault.text); sign the file again")
  }

  static func badPublicKey(_ path: Path, _ fault: Lines.Fault) -> Failure {
    .failed(
      "\(path.quoted) is not a public key: \(fault.text); give the key's base64, or the file that "
        + "'onefold keygen' or minisign wrote")
  }

  static func badSecretKey(_ path: Path, _ fault: Lines.Fault) -> Failure {
    .failed(
      "\(path.quoted) is not a secret key: \(fault.text); give the file that 'onefold keygen' or "
        + "minisign wrote")
  }

  static func isDirectory(_ path: Path, _ what: String) -> Failure {
    .failed("\(path.quoted) is a directory: give the file of a \(what)")
  }

  // MARK: Secret keys

  static func notOwnKey(_ path: Path) -> Failure {
    .failed("the secret key \(path.quoted) belongs to another user: use a key of your own")
  }

  static func sharedKey(_ path: Path, mode: UInt32) -> Failure {
    let digits = String(mode, radix: 8)
    return .failed(
      "others can read the secret key \(path.quoted) (mode \(digits)): run chmod 600, and use a new "
        + "key if somebody may have read it")
  }

  static func wrongPassword(_ path: Path) -> Failure {
    .failed("the password of \(path.quoted) is wrong, or the file is damaged: try again")
  }

  static func damagedSecretKey(_ path: Path) -> Failure {
    .failed("the secret key \(path.quoted) is damaged: its parts do not match; restore the file")
  }

  static func noMemoryForPassword(bytes: UInt64) -> Failure {
    .failed(
      "cannot derive a key from the password: it takes \(bytes >> 20) MiB of memory; free some, or "
        + "use a machine with more")
  }

  static func library(_ what: StaticString) -> Failure {
    .failed("cannot \(what): libcrypto fails; free some memory and try again")
  }

  // MARK: Verifying

  static func notSigned(_ payload: Path, detached: Path) -> Failure {
    .failed(
      "\(payload.quoted) is not signed: it has no appended signature, and there is no "
        + "\(detached.quoted)")
  }

  static func otherKey(_ name: Text, _ signature: Signature, _ key: PublicKey) -> Failure {
    .failed(
      "\(name) was made with the key \(signature.keyID.text), not with \(key.id.text): give the "
        + "public key of whoever should have signed")
  }

  static func wrongSignature(_ name: Text, _ path: Path) -> Failure {
    .failed(
      "\(name) is wrong: \(path.quoted) or the signature was changed, or it is the signature of "
        + "another file; get both again")
  }

  static func wrongGlobalSignature(_ name: Text) -> Failure {
    .failed("\(name) is wrong: its trusted comment was changed; get the signature again")
  }

  static func longLegacyMessage(_ name: Text, longest: UInt64) -> Failure {
    .failed(
      "\(name) has the legacy format, for at most \(longest >> 30) GiB: sign the file again, "
        + "without the option -l of minisign")
  }
}
