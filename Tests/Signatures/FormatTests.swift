import CSigning
import Posix
import TestSupport
import Testing

@testable import Signatures

// Made by minisign 0.11 with the options -c 'the untrusted' -t 'the trusted', of "hello".
let exampleSignature = """
  untrusted comment: the untrusted
  RUQlb+BW/dcIUyeiinXNT5o3gxP8za1zD4cFiPjm+bIAkRmNBc8f+JSV60/4sNSFvxy4JLAFEOtKre3pp2z2QqzPjHEHqpB90wM=
  trusted comment: the trusted
  16zPW4/inZSVn0Bx4zu4h674mHl0eGn1tlp3FrWNJ0Tb/4DoCyRhQhk25U5QHOfvTF7CFjeyQb52BN1YijkhDw==

  """
let examplePublicKey = """
  untrusted comment: minisign public key 5308D7FD56E06F25
  RWQlb+BW/dcIU7K+jf3UJFJrZzs4uyPL5YfBJfelZpEkfblwEIduMp1Y

  """

func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

/// The description of the failure; empty if there is none.
func failure(_ body: () throws(Failure) -> Void) -> String {
  do throws(Failure) {
    try body()
    return ""
  } catch { return error.description.string }
}

@Suite struct Base64Tests {
  private func decoded(_ text: String, count: Int) -> [UInt8]? {
    bytes(text).withUnsafeBytes { Base64.decode($0, count: count) }
  }

  @Test func whatIsEncodedIsDecoded() {
    #expect(Base64.encode(bytes("foobar")) == bytes("Zm9vYmFy"))
    #expect(Base64.encode(bytes("foob")) == bytes("Zm9vYg=="))
    #expect(Base64.encode(bytes("fooba")) == bytes("Zm9vYmE="))
    for count in 0..<70 {
      let source = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 77 + 251) }
      let text = Base64.encode(source)
      #expect(text.withUnsafeBytes { Base64.decode($0, count: count) } == source)
      #expect(text.withUnsafeBytes { Base64.decode($0, count: count + 1) } == nil)
    }
  }

  @Test(
    arguments: [
      "Zm9vYg=", "Zm9vYg", "Zm9vYg===", "Zm9vYh==", "Zm9vYg=A", "Zm9v Yg=", "Zm9vY_==", "Zm9vYmFy",
      "",
      "=m9vYg==", "Zm9vY\u{0}==",
    ])
  func otherTextsAreRefused(_ text: String) {
    #expect(decoded("Zm9vYg==", count: 4) == bytes("foob"))
    #expect(decoded(text, count: 4) == nil)
  }
}

@Suite struct CryptographyTests {
  /// RFC 7693, appendix A, and hashes of `b2sum -l 256`.
  @Test func blake2b() {
    var hash = [UInt8](repeating: 0, count: 32)
    csigning_blake2b("abc", 3, &hash, 32)
    #expect(
      hexText(hash).string == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
  }

  /// The own implementation and that of libcrypto agree.
  @Test func blake2bOfAnyLength() {
    for count in [0, 1, 127, 128, 129, 255, 256, 257, 1000] {
      let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
      var own = [UInt8](repeating: 0, count: 64)
      var other = own
      csigning_blake2b(message, count, &own, 64)
      let hash = csigning_hash_new()!
      defer { csigning_hash_free(hash) }
      #expect(csigning_hash_update(hash, message, count) == 1)
      #expect(csigning_hash_finish(hash, &other) == 1)
      #expect(own == other)
    }
  }

  /// RFC 8032, section 7.1, test 2.
  @Test func ed25519() {
    let seed = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    var key = [UInt8](repeating: 0, count: 32)
    var signature = [UInt8](repeating: 0, count: 64)
    #expect(csigning_public_key(seed, &key) == 1)
    #expect(
      hexText(key).string == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    #expect(csigning_sign(seed, [0x72], 1, &signature) == 1)
    #expect(
      hexText(signature).string
        == "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
    #expect(csigning_verify(key, [0x72], 1, signature) == 1)
    #expect(csigning_verify(key, [0x73], 1, signature) == 0)
  }

  /// The costs of libsodium's constants (crypto_pwhash_scryptsalsa208sha256, 1.0.18).
  @Test(
    arguments: [
      (1 << 25, 1 << 30, 20, 1), (1 << 19, 1 << 24, 14, 1), (32_768, 1 << 24, 10, 1),
      (0, 1 << 30, 10, 1), (1 << 26, 1 << 26, 16, 32), (1 << 25, 1 << 20, 10, 1024),
    ])
  func costs(_ operations: Int, _ memory: Int, _ exponent: Int, _ parallelism: Int) {
    let cost = ScryptCost(operations: UInt64(operations), memoryLimit: UInt64(memory))
    #expect(cost.n == 1 << exponent)
    #expect(cost.p == parallelism)
    #expect(cost.isAcceptable)
  }

  @Test(
    arguments: [
      (UInt64.max, UInt64.max), (.max, 1 << 30), (1 << 26, 1 << 31), (1 << 40, 1024),
      (1 << 30, 1 << 30),
    ])
  func costsThatAreTooHigh(_ operations: UInt64, _ memory: UInt64) {
    #expect(!ScryptCost(operations: operations, memoryLimit: memory).isAcceptable)
  }

  private func unhex(_ text: String) -> [UInt8] {
    stride(from: 0, to: text.utf8.count, by: 2).map { start in
      let digits = text.dropFirst(start).prefix(2)
      return UInt8(digits, radix: 16)!
    }
  }
}

@Suite struct PublicKeyTests {
  private func parse(_ text: String) -> String {
    failure { () throws(Failure) in
      _ = try PublicKey(parsing: bytes(text), named: Path("key"))
    }
  }

  @Test func aKeyIsItsFileOrItsBase64() throws {
    let key = try PublicKey(parsing: bytes(examplePublicKey), named: Path("key"))
    #expect(key.id.text.string == "5308D7FD56E06F25")
    #expect(key.fileText.string == examplePublicKey)
    #expect(PublicKey(base64: key.base64.bytes) == key)
    let lines = examplePublicKey.split(separator: "\n")
    #expect(try PublicKey.read(Path(String(lines[1]))) == key)
    #expect(
      try PublicKey(parsing: bytes(lines.joined(separator: "\r\n")), named: Path("key")) == key)
  }

  @Test func aKeyIsReadFromItsFile() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("key", bytes(examplePublicKey))
    #expect(try PublicKey.read(path).fileText.string == examplePublicKey)
    #expect(
      failure { () throws(Failure) in _ = try PublicKey.read(directory("none")) }
        .contains("No such file"))
    #expect(
      failure { () throws(Failure) in _ = try PublicKey.read(directory.path) }
        .contains("is a directory"))
    try directory.write("long", [UInt8](repeating: 0x41, count: 100_000))
    #expect(
      failure { () throws(Failure) in _ = try PublicKey.read(directory("long")) }
        .contains("it has more than 4096 bytes"))
  }

  @Test(
    arguments: [
      ("", "it ends before line 1"),
      ("untrusted comment: a\n", "it ends before line 2"),
      ("comment\nRW==\n", "line 1 does not begin with 'untrusted comment: '"),
      ("untrusted comment: a\nRWQ=\n", "line 2 is not the base64 of a public key"),
      (exampleSignature, "there is text after line 2"),
      (examplePublicKey + "\n", "there is text after line 2"),
      (
        "untrusted comment: a\nRUQlb+BW/dcIU7K+jf3UJFJrZzs4uyPL5YfBJfelZpEkfblwEIduMp1Y\n",
        "line 2 is not the base64 of a public key"
      ),
    ])
  func otherFilesAreRefused(_ text: String, _ reason: String) {
    #expect(
      parse(text)
        == "'key' is not a public key: \(reason); give the key's base64, or the file that "
        + "'onefold keygen' or minisign wrote")
  }
}

@Suite struct SignatureFormatTests {
  private let lines = exampleSignature.split(separator: "\n").map(String.init)

  private func parse(_ text: [UInt8]) -> String {
    failure { () throws(Failure) in _ = try Signature(parsing: text, named: "'f'") }
  }

  /// Parses the example with another line.
  private func parse(_ text: [UInt8], atLine number: Int) -> String {
    var lines = lines.map { bytes($0) }
    lines[number - 1] = text
    return parse([UInt8](lines.joined(separator: [0x0A])))
  }

  private func expected(_ reason: String) -> String {
    "'f' is not a valid signature: \(reason); sign the file again"
  }

  @Test func theTextIsReadAndWritten() throws {
    let signature = try Signature(parsing: bytes(exampleSignature), named: "'f'")
    #expect(signature.algorithm == .hashed)
    #expect(signature.keyID.text.string == "5308D7FD56E06F25")
    #expect(signature.untrustedComment == bytes("the untrusted"))
    #expect(signature.trustedComment == bytes("the trusted"))
    #expect(signature.encoded() == bytes(exampleSignature))
    #expect(
      try Signature(parsing: bytes(lines.joined(separator: "\r\n")), named: "'f'") == signature)
    #expect(try Signature(parsing: bytes(lines.joined(separator: "\n")), named: "'f'") == signature)
  }

  @Test func fieldsOfTheTrustedComment() throws {
    var signature = try Signature(parsing: bytes(exampleSignature), named: "'f'")
    #expect(signature.field("timestamp") == nil)
    signature.trustedComment = bytes("timestamp:12\tfile:a:b\tname:\tversion:1 2")
    #expect(signature.field("timestamp") == "12")
    #expect(signature.field("file") == "a:b")
    #expect(signature.field("name") == "")
    #expect(signature.field("version") == "1 2")
    #expect(signature.field("time") == nil)
  }

  @Test func everyCutIsRefused() {
    let text = bytes(exampleSignature)
    for count in 0..<text.count - 1 { #expect(parse([UInt8](text[..<count])) != "") }
  }

  @Test func linesAreCounted() {
    #expect(parse([]) == expected("it ends before line 1"))
    #expect(parse(bytes(lines[..<3].joined(separator: "\n"))) == expected("it ends before line 4"))
    #expect(parse(bytes(exampleSignature + "\n")) == expected("there is text after line 4"))
    #expect(
      parse(bytes(exampleSignature + exampleSignature)) == expected("there is text after line 4"))
  }

  @Test func commentsAreCheckedBeforeTheyAreShown() {
    for number in [1, 3] {
      let beginning = number == 1 ? "untrusted comment: " : "trusted comment: "
      let line = "line \(number)"
      #expect(
        parse(bytes("comment"), atLine: number)
          == expected("\(line) does not begin with '\(beginning)'"))
      #expect(
        parse(bytes(beginning) + [0xFF], atLine: number)
          == expected("the comment in \(line) is not UTF-8"))
      for text in ["\u{1B}[31m", "a\u{0}", "\u{7F}", "\u{85}", "a\rb"] {
        #expect(
          parse(bytes(beginning + text), atLine: number)
            == expected("the comment in \(line) has control characters"))
      }
      #expect(parse(bytes(beginning + "größer\t1"), atLine: number) == "")
      let longest = number == 1 ? 1003 : 8173
      let text = [UInt8](repeating: 0x61, count: longest)
      #expect(parse(bytes(beginning) + text, atLine: number) == "")
      #expect(
        parse(bytes(beginning) + text + [0x61], atLine: number)
          == expected("the comment in \(line) has more than \(longest) bytes"))
    }
  }

  @Test func base64IsStrict() {
    for text in ["", "RUQ=", lines[3], lines[1] + "=", lines[1].lowercased() + " "] {
      #expect(parse(bytes(text), atLine: 2) == expected("line 2 is not the base64 of 74 bytes"))
    }
    for text in ["\n", "RUQ=", lines[1], " " + lines[3]] {
      #expect(parse(bytes(text), atLine: 4) == expected("line 4 is not the base64 of 64 bytes"))
    }
    let other = "RUYl" + lines[1].dropFirst(4)
    #expect(parse(bytes(other), atLine: 2) == expected("line 2 names an unknown algorithm"))
  }

  @Test func aTextOfMoreThan64KiBIsNotLookedAt() {
    #expect(
      parse([UInt8](repeating: 0x0A, count: 65_537)) == expected("it has more than 65536 bytes"))
  }
}
