internal import PayloadFormat
public import PayloadReader
public import Posix

/// Signs a onefile with the trusted comment that docs/format.md describes.
///
/// - Parameters:
///   - part: the bytes to sign.
///   - file: the name of the file in the comment.
///   - time: seconds since 1970 in the comment.
/// - Throws: that the launch record's version is not UTF-8, "read", `interrupted`, or that libcrypto fails.
public func sign(
  _ payload: Payload, _ part: SignedPart, with key: borrowing SecretKey, named file: [UInt8],
  time: Int64, progress: SignatureProgress = { _, _ in }
) throws(Failure) -> Signature {
  let comment = try trustedComment(payload, file, time)
  let value = try key.sign(try hash(payload, part.length(in: payload), progress))
  var signature = Signature(
    algorithm: .hashed, keyID: key.publicKey.id, value: value,
    untrustedComment: [UInt8]("signature by onefold".utf8), trustedComment: comment,
    globalValue: [])
  signature.globalValue = try key.sign(signature.globalMessage)
  return signature
}

/// Fields that tabs separate: time, file, name, version, tree id.
private func trustedComment(_ payload: Payload, _ file: [UInt8], _ time: Int64) throws(Failure)
  -> [UInt8]
{
  let record = payload.record
  guard String(validating: record.version, as: UTF8.self) != nil else {
    throw .badVersion(payload.path)
  }
  var fields: [(name: String, value: [UInt8])] = [
    ("timestamp", [UInt8](String(time).utf8)), ("file", escapedText(file).bytes),
    ("name", record.name),
  ]
  if !record.version.isEmpty { fields.append(("version", record.version)) }
  fields.append(("tree-id", hexText(payload.treeID.bytes).bytes))
  let texts = fields.map { [UInt8]("\($0.name):".utf8) + $0.value }
  return [UInt8](texts.joined(separator: [UInt8(ascii: "\t")]))
}

extension Failure {
  fileprivate static func badVersion(_ path: Path) -> Failure {
    .failed("the version in \(path.quoted) is not UTF-8: pack it again with another version")
  }
}
