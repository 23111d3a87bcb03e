import Posix

@testable import Signatures

/// A text is refused, or is a signature, a public key or a secret key that can be written again and shown.
///
/// Nothing is decrypted, because that takes long on purpose.
public func checkSignature(_ bytes: [UInt8]) {
  let path = Path("file")
  if let signature = try? Signature(parsing: bytes, named: "'file'") {
    precondition(bytes.count <= Signature.longestText)
    let text = signature.encoded()
    precondition(text.count <= bytes.count + 4)
    precondition((try? Signature(parsing: text, named: "'file'")) == signature)
    for comment in [signature.trustedComment, signature.untrustedComment] {
      let text = String(validating: comment, as: UTF8.self)
      precondition(text?.unicodeScalars.allSatisfy { $0 == "\t" || !isControl($0) } == true)
    }
    _ = signature.field("timestamp")
  }
  if let key = try? PublicKey(parsing: bytes, named: path) {
    precondition((try? PublicKey(parsing: key.fileText.bytes, named: path)) == key)
    precondition(PublicKey(base64: key.base64.bytes) == key)
  }
  bytes.withUnsafeBytes { text in
    guard let key = plainKey(text), let again = try? SecretKeyFile.text(of: key, password: nil)
    else { return }
    guard let same = plainKey(UnsafeRawBufferPointer(again.bytes)) else {
      preconditionFailure("the written key is refused")
    }
    let (one, other) = (key.publicKey, same.publicKey)
    precondition(one == other)
  }
}

/// The key of a secret key file; nil if it is refused or encrypted.
private func plainKey(_ text: UnsafeRawBufferPointer) -> SecretKey? {
  guard let file = try? SecretKeyFile(parsing: text, named: Path("file")), !file.needsPassword
  else { return nil }
  return try? file.open(nil)
}
