import OutputFiles
import PayloadReader
import Posix
import Reporting
import Signatures

let signCommand = Command(
  name: "sign",
  summary: "sign a onefile",
  discussion: """
    Checks every byte of FILE, as 'onefold verify' does, and signs it with a secret key of
    'onefold keygen' or minisign. Writes FILE.minisig, which minisign can verify too.
    """,
  arguments: [Argument("FILE", "a file made by onefold pack", .file)],
  options: [
    Option(name: "--key", value: "KEY", values: .file, help: "the file of the secret key"),
    Option(
      name: "--append",
      help: "put the signature at the end of FILE, in place of an earlier one, and write no "
        + "other file"),
    passwordOption,
    Option(name: "--json", help: "print the result as JSON"),
  ])

func runSign(_ arguments: Arguments) throws(Failure) {
  if arguments.has("--json") { try requireStandardOutput() }
  guard let keyPath = arguments.value("--key") else {
    throw .usage("option '--key' is missing: give the file of the secret key")
  }
  let file = arguments.positional[0]
  let isAppended = arguments.has("--append")
  let payload = try Payload.open(file)
  let place = try OutputPlace(isAppended ? file : signaturePath(of: file))
  if isAppended { try requireRoom(in: payload) }
  let signature = try sign(payload, isAppended ? .upToTrailer : .wholeFile, keyPath, arguments)
  if isAppended {
    try payload.replaceAppended(by: signature.encoded(), at: place)
  } else {
    let output = try OutputFile(place, mode: 0o666)
    try output.write(signature.encoded())
    try output.publish()
  }
  try report(signature, payload, isAppended ? nil : place.given, arguments)
}

/// Throws if something other than a signature follows the trailer: it is not overwritten.
private func requireRoom(in payload: Payload) throws(Failure) {
  let bytes = try appendedBytes(of: payload)
  do throws(Failure) { _ = try appendedSignature(bytes, to: payload.path) } catch {
    let length = payload.length - payload.appendedLength
    throw .failed(
      "\(payload.path.quoted) has \(counted(bytes.count, "byte")) after its trailer that are not a "
        + "signature: remove them first (truncate -s \(length)), or sign without '--append'")
  }
}

/// Checks and signs a onefile. No secret is in memory afterwards.
private func sign(
  _ payload: Payload, _ part: SignedPart, _ keyPath: Path, _ arguments: Arguments
) throws(Failure) -> Signature {
  let key = try openKey(keyPath, arguments)
  TerminationSignals.hold()
  let progress = newProgress()
  defer { progress?.finish() }
  _ = try verify(payload) { progress?.show("verifying", done: $0, total: $1) }
  let now = WallClock.seconds(since: FileTime(seconds: 0, nanoseconds: 0))
  return try sign(
    payload, part, with: key, named: [UInt8](payload.path.lastComponent),
    time: try sourceDateEpoch() ?? now
  ) { progress?.show("signing", done: $0, total: $1) }
}

private func openKey(_ path: Path, _ arguments: Arguments) throws(Failure) -> SecretKey {
  let file = try SecretKeyFile.read(path)
  guard file.needsPassword else { return try file.open(nil) }
  return try file.open(try keyPassword(of: path, isNew: false, arguments))
}

extension Payload {
  /// Writes the file anew, with other bytes after its trailer, and then replaces it.
  fileprivate func replaceAppended(by bytes: [UInt8], at place: OutputPlace) throws(Failure) {
    let status = try DirectoryHandle.current.status(of: place.path)
    let output = try OutputFile(place)
    let length = self.length - appendedLength
    let buffer = try Buffer(count: 1 << 20)
    while output.length < length {
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      let count = Int(min(UInt64(buffer.bytes.count), length - output.length))
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
      try read(into: part, at: output.length)
      try output.write(UnsafeRawBufferPointer(part))
    }
    try output.write(bytes)
    try output.setMode(status.mode & 0o777)
    try output.publish()
  }
}

private func report(
  _ signature: Signature, _ payload: Payload, _ path: Path?, _ arguments: Arguments
) throws(Failure) {
  guard arguments.has("--json") else {
    let place = path.map { "wrote \($0.quoted)" } ?? "appended the signature"
    return writeMessage("signed \(payload.path.quoted): \(place)\n" + text(signature))
  }
  let place =
    path.map { JSON.members(path: [UInt8]($0.bytes), name: "signature") } ?? [("signature", .null)]
  try writeData(JSON.object([("signed", .bool(true))] + place + members(signature)).encoded)
}

/// The trusted comment in one line, with spaces between its fields.
func trustedText(_ signature: Signature) -> Text {
  let fields = signature.trustedComment.split(separator: UInt8(ascii: "\t"))
  return escapedText([UInt8](fields.joined(separator: [UInt8](repeating: 0x20, count: 2))))
}

/// Who signed, and the trusted comment.
func members(_ signature: Signature) -> [(String, JSON)] {
  [
    ("key_id", .string(signature.keyID.text.string)),
    ("trusted_comment", .text(signature.trustedComment)),
  ]
}
