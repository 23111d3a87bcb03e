internal import PayloadFormat
public import PayloadReader
public import Posix

/// The name of the file that holds the signature of `file`: with ".minisig" after it.
public func signaturePath(of file: Path) -> Path {
  var path = file
  path.append(contentsOf: [UInt8](".minisig".utf8))
  return path
}

/// The signature after the trailer; nil if nothing is there.
///
/// - Throws: "read", or the first rule that the bytes after the trailer break.
public func appendedSignature(of payload: Payload) throws(Failure) -> FoundSignature? {
  guard payload.appendedLength > 0 else { return nil }
  var text = [UInt8](repeating: 0, count: Int(payload.appendedLength))
  let start = payload.length - payload.appendedLength
  try text.withUnsafeMutableBufferPointer { (buffer) throws(Failure) -> Void in
    try payload.read(into: UnsafeMutableRawBufferPointer(buffer), at: start)
  }
  let name: Text = "what is appended to \(payload.path.quoted)"
  return FoundSignature(
    try Signature(parsing: text, named: name), of: .upToTrailer,
    named: "the signature that is appended to \(payload.path.quoted)")
}

/// Reads the signature file at `path`, which is of a whole file.
///
/// - Throws: a system call's failure, or the first rule that the file breaks.
public func detachedSignature(at path: Path) throws(Failure) -> FoundSignature {
  let text = try readText(path, longest: Signature.longestText, what: "signature")
  return FoundSignature(
    try Signature(parsing: text, named: path.quoted), of: .wholeFile,
    named: "the signature \(path.quoted)")
}

/// The signature of a onefile by `key`: the appended one, or else that of `FILE.minisig`.
///
/// Bytes after the trailer that are no signature, or one by another key, don't count if `FILE.minisig` is by the key.
/// Only the number of the key is compared.
///
/// - Throws: that there is no signature, that none is valid, or that none names the key.
public func findSignature(of payload: Payload, by key: PublicKey) throws(Failure) -> FoundSignature
{
  let path = signaturePath(of: payload.path)
  let hasFile = try DirectoryHandle.current.statusIfExists(of: path, follow: true) != nil
  do throws(Failure) {
    if let appended = try appendedSignature(of: payload) {
      try appended.require(key)
      return appended
    }
  } catch {
    guard hasFile, let detached = try? detachedSignature(at: path),
      detached.signature.keyID == key.id
    else { throw error }
    return detached
  }
  guard hasFile else { throw .notSigned(payload.path, detached: path) }
  let detached = try detachedSignature(at: path)
  try detached.require(key)
  return detached
}
