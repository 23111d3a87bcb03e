import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import Signatures

@Suite struct VerifyTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func onefile() -> Onefile {
    var onefile = Onefile()
    onefile.add("program", content: bytes("#!/bin/sh\n"), mode: 0o755)
    onefile.record.version = bytes("1.2")
    return onefile
  }

  private func payload(_ onefile: Onefile, _ name: String = "f") throws -> Payload {
    if try directory.exists(name) { try directory.remove(name) }
    return try Payload.open(directory.write(name, onefile.encoded()))
  }

  private func signature(
    of payload: Payload, _ part: SignedPart = .wholeFile, by key: borrowing SecretKey
  ) throws -> Signature {
    try sign(payload, part, with: key, named: bytes("f"), time: 1_700_000_000)
  }

  private func failure(
    _ signature: Signature, _ part: SignedPart = .wholeFile, of payload: Payload, by key: PublicKey
  ) -> String {
    SignaturesTests.failure { () throws(Failure) in
      try FoundSignature(signature, of: part, named: "the signature").verify(payload, by: key)
    }
  }

  @Test func whatIsSignedIsVerified() throws {
    let key = try SecretKey.generate()
    let payload = try payload(onefile())
    let signature = try signature(of: payload, by: key)
    #expect(failure(signature, of: payload, by: key.publicKey) == "")
    #expect(failure(signature, .upToTrailer, of: payload, by: key.publicKey) == "")
    #expect(
      signature.trustedComment
        == bytes("timestamp:1700000000\tfile:f\tname:app\tversion:1.2\ttree-id:")
        + hexText(payload.treeID.bytes).bytes)
    // Ed25519 has no random part.
    #expect(try self.signature(of: payload, by: key) == signature)
  }

  @Test func aSignatureCoversWhatItSays() throws {
    let key = try SecretKey.generate()
    var onefile = onefile()
    let bare = try payload(onefile)
    let signature = try signature(of: bare, by: key)
    onefile.appended = signature.encoded()
    let appended = try payload(onefile)
    #expect(failure(signature, .upToTrailer, of: appended, by: key.publicKey) == "")
    #expect(failure(signature, .wholeFile, of: appended, by: key.publicKey).contains("is wrong"))
    let whole = try self.signature(of: appended, .wholeFile, by: key)
    #expect(failure(whole, .wholeFile, of: appended, by: key.publicKey) == "")
    #expect(failure(whole, .upToTrailer, of: appended, by: key.publicKey).contains("is wrong"))
  }

  @Test func theLegacyFormatIsVerified() throws {
    let key = try SecretKey.generate()
    let onefile = onefile()
    let payload = try payload(onefile)
    var signature = try signature(of: payload, by: key)
    signature.algorithm = .legacy
    #expect(failure(signature, of: payload, by: key.publicKey).contains("is wrong"))
    signature.value = try key.sign(onefile.encoded())
    signature.globalValue = try key.sign(signature.globalMessage)
    #expect(failure(signature, of: payload, by: key.publicKey) == "")
  }

  @Test func everyChangedByteOfTheSignatureIsNoticed() throws {
    let key = try SecretKey.generate()
    let payload = try payload(onefile())
    let signature = try signature(of: payload, by: key)
    for index in 0..<64 {
      var other = signature
      other.value[index] ^= 1
      #expect(
        failure(other, of: payload, by: key.publicKey)
          == "the signature is wrong: \(payload.path.quoted) or the signature was changed, or it is "
          + "the signature of another file; get both again")
      other = signature
      other.globalValue[index] ^= 0x80
      #expect(
        failure(other, of: payload, by: key.publicKey)
          == "the signature is wrong: its trusted comment was changed; get the signature again")
    }
    for index in signature.trustedComment.indices {
      var other = signature
      other.trustedComment[index] ^= 1
      #expect(failure(other, of: payload, by: key.publicKey).contains("trusted comment"))
    }
    // Nothing vouches for it.
    var other = signature
    other.untrustedComment = bytes("other")
    #expect(failure(other, of: payload, by: key.publicKey) == "")
  }

  @Test func anotherFileOrKeyIsNoticed() throws {
    let key = try SecretKey.generate()
    let otherKey = try SecretKey.generate()
    var onefile = onefile()
    let payload = try payload(onefile)
    let signature = try signature(of: payload, by: key)
    onefile.record.version = bytes("1.3")
    let other = try self.payload(onefile, "other")
    #expect(failure(signature, of: other, by: key.publicKey).contains("another file"))
    #expect(
      failure(signature, of: payload, by: otherKey.publicKey)
        == "the signature was made with the key \(key.publicKey.id.text), not with "
        + "\(otherKey.publicKey.id.text): give the public key of whoever should have signed")
    // The number of a key is no proof.
    let posing = PublicKey(id: key.publicKey.id, bytes: otherKey.publicKey.bytes)
    #expect(failure(signature, of: payload, by: posing).contains("is wrong"))
  }

  // MARK: Where a signature is

  private func found(_ payload: Payload, _ key: PublicKey) -> String {
    do throws(Failure) {
      let found = try findSignature(of: payload, by: key)
      try found.verify(payload, by: key)
      return found.part == .wholeFile ? "file" : "appended"
    } catch { return error.description.string }
  }

  @Test func theAppendedSignatureComesFirst() throws {
    let key = try SecretKey.generate()
    let other = try SecretKey.generate()
    var onefile = onefile()
    var payload = try payload(onefile)
    #expect(found(payload, key.publicKey).contains("is not signed"))

    onefile.appended = try signature(of: payload, .upToTrailer, by: key).encoded()
    payload = try self.payload(onefile)
    #expect(found(payload, key.publicKey) == "appended")
    #expect(found(payload, other.publicKey).contains("was made with the key"))

    try directory.write("f.minisig", signature(of: payload, by: other).encoded())
    #expect(found(payload, key.publicKey) == "appended")
    #expect(found(payload, other.publicKey) == "file")
  }

  @Test func otherBytesAfterTheTrailer() throws {
    let key = try SecretKey.generate()
    var onefile = onefile()
    onefile.appended = bytes("something else")
    let payload = try payload(onefile)
    #expect(
      found(payload, key.publicKey)
        == "what is appended to \(payload.path.quoted) is not a valid signature: it ends before line "
        + "2; sign the file again")
    try directory.write("f.minisig", signature(of: payload, by: key).encoded())
    #expect(found(payload, key.publicKey) == "file")
  }

  @Test func aFileThatIsNoSignature() throws {
    let key = try SecretKey.generate()
    let payload = try payload(onefile())
    try directory.write("f.minisig", [UInt8](repeating: 0x0A, count: 70_000))
    #expect(found(payload, key.publicKey).contains("it has more than 65536 bytes"))
    try directory.remove("f.minisig")
    try directory.makeDirectory("f.minisig")
    #expect(found(payload, key.publicKey).contains("is a directory"))
  }

  @Test func aVersionThatIsNoTextIsNotSigned() throws {
    let key = try SecretKey.generate()
    var onefile = onefile()
    onefile.record.version = [0xFF]
    let payload = try payload(onefile)
    #expect(
      SignaturesTests.failure { () throws(Failure) in
        _ = try sign(payload, .wholeFile, with: key, named: [], time: 0)
      }.contains("is not UTF-8"))
  }
}
