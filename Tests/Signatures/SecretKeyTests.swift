import Posix
import TestSupport
import Testing

@testable import Signatures

/// Cheap enough for tests: 1 MiB.
private let cheap = ScryptCost(operations: 32_768, memoryLimit: 1 << 24)

private func secret(_ text: String) -> SecretBytes {
  let result = SecretBytes(count: text.utf8.count)
  result.bytes.copyBytes(from: text.utf8)
  return result
}

@Suite struct SecretKeyTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The text of a new key's file, and its public key.
  private func newFile(_ password: String?) throws -> (text: [UInt8], key: PublicKey) {
    let key = try SecretKey.generate()
    let text: SecretBytes
    if let password {
      text = try SecretKeyFile.text(of: key, password: secret(password), cost: cheap)
    } else {
      text = try SecretKeyFile.text(of: key, password: nil)
    }
    return ([UInt8](text.bytes), key.publicKey)
  }

  private func open(_ text: [UInt8], _ password: String?) throws(Failure) -> PublicKey {
    try text.span.withUnsafeBytes { (bytes) throws(Failure) -> PublicKey in
      let file = try SecretKeyFile(parsing: bytes, named: Path("key"))
      if let password { return try file.open(secret(password)).publicKey }
      return try file.open(nil).publicKey
    }
  }

  private func failure(_ text: [UInt8], _ password: String?) -> String {
    SignaturesTests.failure { () throws(Failure) in _ = try open(text, password) }
  }

  @Test(arguments: ["secret", "", "größer als\tzwei", nil])
  func aKeyIsWrittenAndRead(_ password: String?) throws {
    let (text, key) = try newFile(password)
    #expect(try open(text, password) == key)
    #expect(text.count == 48 + 214 - (password == nil ? 10 : 0))
    #expect(try newFile(password).key != key)
  }

  @Test func anotherPasswordIsRefused() throws {
    let (text, _) = try newFile("secret")
    for password in ["", "Secret", "secret\n", "secretsecret"] {
      #expect(
        failure(text, password)
          == "the password of 'key' is wrong, or the file is damaged: try again")
    }
  }

  @Test func everyDamageOfAnEncryptedKeyIsRefused() throws {
    let (text, _) = try newFile("secret")
    let start = text.firstIndex(of: 0x0A)! + 1
    for index in stride(from: start, to: text.count - 1, by: 5) {
      var damaged = text
      damaged[index] = damaged[index] == 0x41 ? 0x42 : 0x41
      // The limits may ask for much memory, and are in these digits.
      if (start + 50...start + 72).contains(index) { continue }
      #expect(failure(damaged, "secret") != "", "digit \(index - start)")
    }
  }

  @Test func everyDamageOfAPlainKeyIsRefused() throws {
    let (text, _) = try newFile(nil)
    let start = text.firstIndex(of: 0x0A)! + 1
    // Salt and limits are not used: bytes 6 to 53.
    for index in Array(start..<start + 8) + Array(start + 72..<text.count - 1) {
      var damaged = text
      damaged[index] = damaged[index] == 0x41 ? 0x42 : 0x41
      #expect(failure(damaged, nil) != "", "digit \(index - start)")
    }
  }

  /// minisign 0.11 with the option -W leaves out the checksum.
  @Test func aKeyOfMinisignWithoutAPassword() throws {
    let text = """
      untrusted comment: minisign encrypted secret key
      RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJW/gVv3XCFOsIXw988mZ7JyMGnKUf/4vRXdJT+fQoqdU98/6Z6UIo7K+jf3UJFJrZzs4uyPL5YfBJfelZpEkfblwEIduMp1YAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

      """
    #expect(try open(bytes(text), nil).fileText.string == examplePublicKey)
    #expect(
      failure(bytes(text.replacing("OsIXw9", with: "OsIXw8")), nil)
        == "the secret key 'key' is damaged: its parts do not match; restore the file")
  }

  @Test(
    arguments: [
      ("", "it ends before line 1"),
      ("untrusted comment: x\nRWQ=\n", "line 2 is not the base64 of 158 bytes"),
      ("untrusted comment: \u{1B}\nRWQ=\n", "the comment in line 1 has control characters"),
      (examplePublicKey, "line 2 is not the base64 of 158 bytes"),
      (exampleSignature, "there is text after line 2"),
      (String(repeating: "a", count: 4097), "it has more than 4096 bytes"),
    ])
  func otherFilesAreRefused(_ text: String, _ reason: String) {
    #expect(
      failure(bytes(text), nil) == "'key' is not a secret key: \(reason); give the file that "
        + "'onefold keygen' or minisign wrote")
  }

  @Test func aKeyThatTakesTooMuchIsRefusedUnread() throws {
    var content = [UInt8](repeating: 0, count: SecretKeyFile.byteCount)
    content.replaceSubrange(0..<6, with: bytes("EdScB2"))
    content.replaceSubrange(
      38..<54, with: ScryptCost(operations: .max, memoryLimit: 1 << 40).encoded)
    let text = bytes("untrusted comment: x\n") + Base64.encode(content)
    #expect(failure(text, "secret").contains("takes more than 1 GiB of memory"))
    content[2] = 0x53
    content[3] = 0x64
    let other = bytes("untrusted comment: x\n") + Base64.encode(content)
    #expect(failure(other, "secret").contains("line 2 names an unknown algorithm"))
  }

  // MARK: The file

  private func failure(reading path: Path) -> String {
    SignaturesTests.failure { () throws(Failure) in _ = try SecretKeyFile.read(path) }
  }

  @Test(arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o777] as [UInt32])
  func aFileThatOthersCanReadOrChangeIsRefused(_ mode: UInt32) throws {
    let (text, _) = try newFile(nil)
    let path = try directory.write("key", text, mode: mode)
    #expect(
      failure(reading: path).hasPrefix(
        "others can read the secret key \(path.quoted) (mode \(String(mode, radix: 8)))"))
  }

  @Test(arguments: [0o600, 0o400, 0o700] as [UInt32])
  func aFileOfTheUserAloneIsRead(_ mode: UInt32) throws {
    let (text, key) = try newFile(nil)
    let path = try directory.write("key", text, mode: mode)
    #expect(try SecretKeyFile.read(path).open(nil).publicKey == key)
  }

  @Test func aDirectoryIsRefused() throws {
    #expect(failure(reading: directory.path).contains("is a directory"))
  }
}
