internal import PayloadFormat
public import PayloadReader
public import Posix

/// The name of the file that holds the signature of `file`: with ".minisig" after it.
public func signaturePath(of file: Path) -> Path {
  file.joined(Path(".minisig").bytes)
}

/// The bytes after the trailer.
///
/// - Throws: "read".
public func appendedBytes(of payload: Payload) throws(Failure) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: Int(payload.appendedLength))
  let start = payload.length - payload.appendedLength
  try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Failure) -> Void in
    try payload.read(into: UnsafeMutableRawBufferPointer(buffer), at: start)
  }
  return bytes
}

/// Parses the bytes after the trailer of `file`; nil if there are none.
///
/// - Throws: the first rule that they break.
public func appendedSignature(_ bytes: [UInt8], to file: Path) throws(Failure) -> FoundSignature? {
  guard !bytes.isEmpty else { return nil }
  let signature = try Signature(parsing: bytes, named: "what is appended to \(file.quoted)")
  return FoundSignature(
    signature, of: .upToTrailer, named: "the signature that is appended to \(file.quoted)")
}

/// Parses the text of the signature file that messages call `path`.
///
/// - Throws: the first rule that it breaks.
public func detachedSignature(_ text: [UInt8], named path: Path) throws(Failure) -> FoundSignature {
  FoundSignature(
    try Signature(parsing: text, named: path.quoted), of: .wholeFile,
    named: "the signature \(path.quoted)")
}

/// Reads the signature file at `path`, which is of a whole file; nil if there is none.
///
/// - Throws: a system call's failure, or the first rule that the file breaks.
public func detachedSignature(at path: Path) throws(Failure) -> FoundSignature? {
  guard try DirectoryHandle.current.statusIfExists(of: path, follow: true) != nil else {
    return nil
  }
  return try detachedSignature(
    try readText(path, longest: Signature.longestText, what: "signature"), named: path)
}

/// The signature of a onefile by `key`: the appended one, or else the one in another file.
///
/// Bytes after the trailer that are no signature, or one by another key, don't count if the other file is by the key.
/// Only the number of the key is compared.
///
/// - Parameters:
///   - appended: the bytes after the trailer of `file`.
///   - detached: reads the other file; nil if there is none.
/// - Throws: that there is no signature, that none is valid, or that none names the key; what `detached` throws.
public func findSignature<Reason: Error>(
  of file: Path, appended: [UInt8], by key: PublicKey, orElse wrapped: (Failure) -> Reason,
  detached: () throws(Reason) -> FoundSignature?
) throws(Reason) -> FoundSignature {
  var reason: Failure?
  do throws(Failure) {
    if let found = try appendedSignature(appended, to: file) {
      try found.require(key)
      return found
    }
  } catch { reason = error }
  guard let found = try detached() else {
    throw wrapped(reason ?? .notSigned(file, detached: signaturePath(of: file)))
  }
  do throws(Failure) { try found.require(key) } catch { throw wrapped(reason ?? error) }
  return found
}

/// The signature of the onefile by `key`: the appended one, or else that of `FILE.minisig`.
///
/// - Throws: that there is no signature, that none is valid, or that none names the key; a system call's failure.
public func findSignature(of payload: Payload, by key: PublicKey) throws(Failure) -> FoundSignature
{
  try findSignature(
    of: payload.path, appended: try appendedBytes(of: payload), by: key, orElse: { $0 },
    detached: { () throws(Failure) in try detachedSignature(at: signaturePath(of: payload.path)) })
}
