public import Posix
internal import Processes

/// The number that names a key pair: 8 random bytes.
public struct KeyID: Hashable, Sendable {
  let bytes: [UInt8]

  /// As minisign shows it: 16 hexadecimal digits, of the little-endian number.
  public var text: Text { Text(utf8: hexText(bytes.reversed()).bytes.map(KeyID.upper)) }

  private static func upper(_ digit: UInt8) -> UInt8 {
    digit >= UInt8(ascii: "a") ? digit - 0x20 : digit
  }
}

/// A public key of minisign: an Ed25519 key and the number of the pair.
public struct PublicKey: Equatable, Sendable {
  public let id: KeyID
  let bytes: [UInt8]

  /// "Ed", the number, the key.
  static let byteCount = 42
  static let algorithm = [UInt8]("Ed".utf8)
  /// Longer files are refused unread.
  static let longestFile = 4096

  init(id: KeyID, bytes: [UInt8]) {
    self.id = id
    self.bytes = bytes
  }

  /// Decodes the second line of a public key file: 56 digits of base64. Nil if it is no public key.
  public init?(base64 text: [UInt8]) {
    guard let bytes = text.withUnsafeBytes({ Base64.decode($0, count: PublicKey.byteCount) }),
      bytes.starts(with: PublicKey.algorithm)
    else { return nil }
    id = KeyID(bytes: [UInt8](bytes[2..<10]))
    self.bytes = [UInt8](bytes[10...])
  }

  /// Parses a public key file, which messages call `path`.
  ///
  /// - Throws: the first rule that it breaks.
  public init(parsing text: [UInt8], named path: Path) throws(Failure) {
    do throws(Lines.Fault) {
      self = try text.span.withUnsafeBytes { (bytes) throws(Lines.Fault) in
        try PublicKey.parse(bytes)
      }
    } catch { throw .badPublicKey(path, error) }
  }

  private static func parse(_ text: UnsafeRawBufferPointer) throws(Lines.Fault) -> PublicKey {
    guard text.count <= longestFile else {
      throw Lines.Fault("it has more than \(longestFile) bytes")
    }
    let lines = try Lines.split(text, count: 2)
    _ = try Lines.comment(
      lines[0], 1, after: Lines.untrusted, longest: Lines.longestUntrusted)
    guard let key = PublicKey(base64: [UInt8](lines[1])) else {
      throw Lines.Fault("line 2 is not the base64 of a public key")
    }
    return key
  }

  /// Reads what `--public-key` names: the key itself, or else the path of its file.
  ///
  /// - Throws: a system call's failure, or the first rule that the file breaks.
  public static func read(_ keyOrPath: Path) throws(Failure) -> PublicKey {
    if let key = PublicKey(base64: [UInt8](keyOrPath.bytes)) { return key }
    return try PublicKey(
      parsing: try readText(keyOrPath, longest: longestFile, what: "public key"), named: keyOrPath)
  }

  /// The second line of a public key file.
  public var base64: Text {
    Text(utf8: Base64.encode(PublicKey.algorithm + id.bytes + bytes))
  }

  /// A public key file.
  public var fileText: Text {
    "\(Text(utf8: Lines.untrusted))minisign public key \(id.text)\n\(base64)\n"
  }
}

/// Reads at most one byte more than `longest` of a file, which may be a pipe.
func readText(_ path: Path, longest: Int, what: String) throws(Failure) -> [UInt8] {
  let file = try FileDescriptor.open(path, .read)
  guard try file.status().kind != .directory else { throw .isDirectory(path, what) }
  var bytes = [UInt8](repeating: 0, count: longest + 1)
  let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Failure) -> Int in
    try SecretInput.readAll(file, into: UnsafeMutableRawBufferPointer(buffer))
  }
  return [UInt8](bytes[..<count])
}
