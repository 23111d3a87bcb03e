public import Posix

/// A signature in the format of minisign: of a message, and of itself with a comment.
public struct Signature: Equatable, Sendable {
  /// The message that Ed25519 signs.
  public enum Algorithm: String, Sendable {
    /// The BLAKE2b-512 hash of the bytes. This is what Onefold writes.
    case hashed = "ED"
    /// The bytes themselves, as early versions of minisign signed them.
    case legacy = "Ed"
  }

  public var algorithm: Algorithm
  public var keyID: KeyID
  /// Of the message: 64 bytes.
  var value: [UInt8]
  /// Nothing vouches for it.
  public var untrustedComment: [UInt8]
  /// The global signature covers it. UTF-8 without control characters other than tabs.
  public var trustedComment: [UInt8]
  /// Of `value` and the trusted comment: 64 bytes.
  var globalValue: [UInt8]

  static let valueCount = 64
  /// "ED", the number of the key, the value.
  static let byteCount = 74
  /// The longest text that is read; docs/format.md gives as much room after the trailer.
  public static let longestText = 64 << 10

  init(
    algorithm: Algorithm, keyID: KeyID, value: [UInt8], untrustedComment: [UInt8],
    trustedComment: [UInt8], globalValue: [UInt8]
  ) {
    self.algorithm = algorithm
    self.keyID = keyID
    self.value = value
    self.untrustedComment = untrustedComment
    self.trustedComment = trustedComment
    self.globalValue = globalValue
  }

  /// Parses a signature file. Messages call it `name`, such as "'server.minisig'".
  ///
  /// - Throws: the first rule that it breaks.
  public init(parsing text: [UInt8], named name: Text) throws(Failure) {
    do throws(Lines.Fault) {
      self = try text.span.withUnsafeBytes { (bytes) throws(Lines.Fault) in
        try Signature.parse(bytes)
      }
    } catch { throw .badSignature(name, error) }
  }

  private static func parse(_ text: UnsafeRawBufferPointer) throws(Lines.Fault) -> Signature {
    guard text.count <= longestText else {
      throw Lines.Fault("it has more than \(longestText) bytes")
    }
    let lines = try Lines.split(text, count: 4)
    let untrusted = try Lines.comment(
      lines[0], 1, after: Lines.untrusted, longest: Lines.longestUntrusted)
    guard let bytes = Base64.decode(lines[1], count: byteCount) else {
      throw Lines.Fault("line 2 is not the base64 of \(byteCount) bytes")
    }
    guard let algorithm = Algorithm(rawValue: String(decoding: bytes[..<2], as: UTF8.self)) else {
      throw Lines.Fault("line 2 names an unknown algorithm")
    }
    let trusted = try Lines.comment(
      lines[2], 3, after: Lines.trusted, longest: Lines.longestTrusted)
    guard let global = Base64.decode(lines[3], count: valueCount) else {
      throw Lines.Fault("line 4 is not the base64 of \(valueCount) bytes")
    }
    return Signature(
      algorithm: algorithm, keyID: KeyID(bytes: [UInt8](bytes[2..<10])),
      value: [UInt8](bytes[10...]), untrustedComment: untrusted, trustedComment: trusted,
      globalValue: global)
  }

  /// The text of a signature file.
  public func encoded() -> [UInt8] {
    let newLine = [UInt8(ascii: "\n")]
    let binary = [UInt8](algorithm.rawValue.utf8) + keyID.bytes + value
    return Lines.untrusted + untrustedComment + newLine + Base64.encode(binary) + newLine
      + Lines.trusted + trustedComment + newLine + Base64.encode(globalValue) + newLine
  }

  /// The value of a field of the trusted comment, such as `timestamp`; nil if there is none. Fields are separated by
  /// tabs, and a field's name ends with a colon.
  public func field(_ name: String) -> String? {
    let beginning = [UInt8]("\(name):".utf8)
    let fields = trustedComment.split(separator: UInt8(ascii: "\t"))
    guard let field = fields.first(where: { $0.starts(with: beginning) }) else { return nil }
    return String(decoding: field.dropFirst(beginning.count), as: UTF8.self)
  }

  /// The message of the global signature.
  var globalMessage: [UInt8] { value + trustedComment }
}
