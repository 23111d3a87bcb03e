internal import CSigning
public import Posix
internal import Processes

/// The content of a secret key file, whose key a password may encrypt.
///
/// | offset | bytes | field |
/// |---:|---:|---|
/// | 0 | 2 | "Ed" |
/// | 2 | 2 | "Sc" (scrypt), or zeros if there is no password |
/// | 4 | 2 | "B2" (BLAKE2b) |
/// | 6 | 32 | salt |
/// | 38 | 8 | libsodium's limit of operations |
/// | 46 | 8 | libsodium's limit of memory, in bytes |
/// | 54 | 8 | number of the key pair, encrypted like the fields after it |
/// | 62 | 64 | seed and public key |
/// | 126 | 32 | BLAKE2b-256 of "Ed", the number, the seed and the public key; may be zeros without a password |
///
/// The encrypted bytes are combined by XOR with what scrypt makes of password and salt.
public struct SecretKeyFile: ~Copyable {
  private let path: Path
  private let content: SecretBytes

  static let byteCount = 158
  private static let salt = 6..<38
  private static let limits = 38..<54
  private static let id = 54..<62
  private static let key = 62..<126
  private static let encrypted = 54..<158
  private static let checksum = 126..<158

  static let longestFile = 4096
  /// The longest password, in bytes; as minisign's.
  public static let longestPassword = 1024

  // MARK: Reading

  /// Reads the file at `path`, which may be a pipe. Leaves no copy in memory.
  ///
  /// - Throws: that the file belongs to another user or that others can read it, a system call's failure, or the first
  ///   rule that the file breaks.
  public static func read(_ path: Path) throws(Failure) -> SecretKeyFile {
    let file = try FileDescriptor.open(path, .read)
    let status = try file.status()
    guard status.kind != .directory else { throw .isDirectory(path, "secret key") }
    guard status.user == ProcessContext.effectiveUser else { throw .notOwnKey(path) }
    guard status.mode & 0o077 == 0 else { throw .sharedKey(path, mode: status.mode & 0o777) }
    let text = SecretBytes(count: longestFile + 1)
    let count = try SecretInput.readAll(file, into: text.bytes)
    return try SecretKeyFile(
      parsing: UnsafeRawBufferPointer(rebasing: text.bytes[..<count]), named: path)
  }

  /// Parses the text of a secret key file, which messages call `path`.
  ///
  /// - Throws: the first rule that it breaks.
  public init(parsing text: UnsafeRawBufferPointer, named path: Path) throws(Failure) {
    let content = SecretBytes(count: SecretKeyFile.byteCount)
    do throws(Lines.Fault) { try SecretKeyFile.parse(text, into: content.bytes) } catch {
      throw .badSecretKey(path, error)
    }
    self.path = path
    self.content = content
  }

  private static func parse(
    _ text: UnsafeRawBufferPointer, into content: UnsafeMutableRawBufferPointer
  ) throws(Lines.Fault) {
    guard text.count <= longestFile else {
      throw Lines.Fault("it has more than \(longestFile) bytes")
    }
    let lines = try Lines.split(text, count: 2)
    _ = try Lines.comment(lines[0], 1, after: Lines.untrusted, longest: Lines.longestUntrusted)
    guard Base64.decode(lines[1], into: content) else {
      throw Lines.Fault("line 2 is not the base64 of \(byteCount) bytes")
    }
    guard content[0..<2].elementsEqual(PublicKey.algorithm),
      content[2..<4].elementsEqual(scrypt) || content[2..<4].elementsEqual([0, 0]),
      content[4..<6].elementsEqual(blake2b)
    else { throw Lines.Fault("line 2 names an unknown algorithm") }
    guard content[2..<4].elementsEqual([0, 0]) || ScryptCost(content[limits]).isAcceptable else {
      throw Lines.Fault(
        "its password takes more than 1 GiB of memory, or far more time than minisign's")
    }
  }

  private static let scrypt = [UInt8]("Sc".utf8)
  private static let blake2b = [UInt8]("B2".utf8)

  /// Whether the key is encrypted.
  public var needsPassword: Bool { content.bytes[2] != 0 }

  /// Decrypts the key.
  ///
  /// - Parameter password: at most `longestPassword` bytes; ignored if the key needs none.
  /// - Throws: that the password is wrong, that the file is damaged, or that memory is missing for scrypt.
  public consuming func open(_ password: consuming SecretBytes?) throws(Failure) -> SecretKey {
    let isEncrypted = needsPassword
    if isEncrypted { try SecretKeyFile.encrypt(content.bytes, password) }
    let checksum = content.bytes[SecretKeyFile.checksum]
    // minisign writes zeros into a key without a password. The public key shows damage then.
    let isLeftOut = !isEncrypted && checksum.allSatisfy { $0 == 0 }
    guard isLeftOut || checksum.elementsEqual(SecretKeyFile.checksum(of: content.bytes)) else {
      throw isEncrypted ? .wrongPassword(path) : .damagedSecretKey(path)
    }
    let id = KeyID(bytes: [UInt8](content.bytes[SecretKeyFile.id]))
    let seed = SecretBytes(count: SecretKey.seedCount)
    let key = content.bytes[SecretKeyFile.key]
    seed.bytes.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: key.prefix(SecretKey.seedCount)))
    let result = try SecretKey(id: id, seed: seed)
    guard key.suffix(32).elementsEqual(result.publicKey.bytes) else {
      throw .damagedSecretKey(path)
    }
    return result
  }

  // MARK: Writing

  /// The text of the file for a key.
  ///
  /// - Parameters:
  ///   - password: encrypts the key; nil to leave it readable.
  ///   - cost: of deriving a key from the password.
  /// - Throws: "read random bytes", or that memory is missing for scrypt.
  public static func text(
    of key: borrowing SecretKey, password: consuming SecretBytes?, cost: ScryptCost = .minisign
  ) throws(Failure) -> SecretBytes {
    let secret = SecretBytes(count: byteCount)
    let content = secret.bytes
    put(PublicKey.algorithm + (password == nil ? [0, 0] : scrypt) + blake2b, content, at: 0)
    if password != nil {
      try fillWithRandomBytes(UnsafeMutableRawBufferPointer(rebasing: content[salt]))
      put(cost.encoded, content, at: limits.lowerBound)
    }
    put(key.publicKey.id.bytes, content, at: id.lowerBound)
    key.copy(to: UnsafeMutableRawBufferPointer(rebasing: content[self.key]))
    put(checksum(of: content), content, at: checksum.lowerBound)
    let kind = password == nil ? "" : "encrypted "
    if password != nil { try encrypt(content, password) }

    let beginning = Lines.untrusted + [UInt8]("minisign \(kind)secret key\n".utf8)
    let text = SecretBytes(count: beginning.count + Base64.encodedCount(byteCount) + 1)
    put(beginning, text.bytes, at: 0)
    Base64.encode(
      UnsafeRawBufferPointer(content),
      into: UnsafeMutableRawBufferPointer(rebasing: text.bytes[beginning.count...].dropLast()))
    text.bytes[text.bytes.count - 1] = UInt8(ascii: "\n")
    return text
  }

  private static func put(_ bytes: [UInt8], _ target: UnsafeMutableRawBufferPointer, at start: Int)
  {
    UnsafeMutableRawBufferPointer(rebasing: target[start..<start + bytes.count])
      .copyBytes(from: bytes)
  }

  // MARK: Cryptography

  /// Encrypts or decrypts what is encrypted.
  private static func encrypt(
    _ content: UnsafeMutableRawBufferPointer, _ password: consuming SecretBytes?
  ) throws(Failure) {
    let cost = ScryptCost(content[limits])
    let stream = SecretBytes(count: encrypted.count)
    let password = password ?? SecretBytes(count: 0)
    guard
      csigning_scrypt(
        password.bytes.baseAddress, password.bytes.count, content.baseAddress! + salt.lowerBound,
        salt.count, cost.n, ScryptCost.r, cost.p, stream.bytes.baseAddress, stream.bytes.count) == 1
    else { throw .noMemoryForPassword(bytes: cost.memory) }
    for (offset, position) in encrypted.enumerated() { content[position] ^= stream.bytes[offset] }
  }

  /// Of the decrypted key. A hash of 64 random bytes and a public key tells nothing about the key.
  private static func checksum(of content: UnsafeMutableRawBufferPointer) -> [UInt8] {
    let message = SecretBytes(count: 2 + id.count + key.count)
    put(PublicKey.algorithm, message.bytes, at: 0)
    UnsafeMutableRawBufferPointer(rebasing: message.bytes[2...])
      .copyMemory(
        from: UnsafeRawBufferPointer(rebasing: content[id.lowerBound..<key.upperBound]))
    var result = [UInt8](repeating: 0, count: checksum.count)
    csigning_blake2b(message.bytes.baseAddress, message.bytes.count, &result, result.count)
    return result
  }
}
