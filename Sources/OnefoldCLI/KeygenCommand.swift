import OutputFiles
import Posix
import Reporting
import Signatures

let keygenCommand = Command(
  name: "keygen",
  summary: "make a key pair for signatures",
  discussion: """
    Makes a key pair of minisign: a secret key for 'onefold sign', which only its owner can
    read, and the public key for 'onefold verify' and 'onefold fetch'. A password encrypts the
    secret key. Replaces no file.
    """,
  arguments: [Argument("KEY", "the file of the secret key to write", .file)],
  options: [
    Option(
      name: "--public-key", value: "FILE", values: .file,
      help: "the file of the public key to write (default: KEY.pub)"),
    passwordOption,
    Option(name: "--no-password", help: "leave the secret key unencrypted"),
    Option(name: "--json", help: "print the result as JSON"),
  ])

func runKeygen(_ arguments: Arguments) throws(Failure) {
  if arguments.has("--json") { try requireStandardOutput() }
  let path = arguments.positional[0]
  let publicPath = arguments.value("--public-key") ?? path.joined(Path(".pub").bytes)
  if arguments.has("--no-password") {
    try refuse([passwordOption.name], in: arguments, "does not go with '--no-password'")
  }
  let places = [try newPlace(path), try newPlace(publicPath)]
  guard !places[0].path.elementsEqual(places[1].path) else {
    throw .usage("the secret key and the public key need different files")
  }
  let password: SecretBytes?
  if arguments.has("--no-password") {
    password = nil
  } else {
    password = try keyPassword(of: path, isNew: true, arguments)
  }

  TerminationSignals.hold()
  let key = try SecretKey.generate()
  let text = try SecretKeyFile.text(of: key, password: password)
  if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
  let secret = try OutputFile(places[0], mode: 0o600)
  try secret.write(UnsafeRawBufferPointer(text.bytes))
  let open = try OutputFile(places[1], mode: 0o666)
  try open.write(key.publicKey.fileText.bytes)
  try secret.publish(replaces: false)
  do throws(Failure) { try open.publish(replaces: false) } catch {
    try? DirectoryHandle.current.removeFile(places[0].path)
    throw error
  }
  try report(key.publicKey, path, publicPath, arguments)
}

/// A place where nothing is yet.
private func newPlace(_ path: Path) throws(Failure) -> OutputPlace {
  guard try DirectoryHandle.current.statusIfExists(of: path) == nil else {
    throw .failed("\(path.quoted) exists: give another name, or remove it if no signature needs it")
  }
  return try OutputPlace(path)
}

private func report(
  _ key: PublicKey, _ path: Path, _ publicPath: Path, _ arguments: Arguments
) throws(Failure) {
  guard arguments.has("--json") else {
    return writeMessage(
      """
      wrote the secret key \(path.quoted) and the public key \(publicPath.quoted)
        key: \(key.id.text)
        public key: \(key.base64)

      """)
  }
  let members =
    JSON.members(path: [UInt8](path.bytes), name: "secret_key_file")
    + JSON.members(path: [UInt8](publicPath.bytes), name: "public_key_file") + [
      ("key_id", .string(key.id.text.string)), ("public_key", .string(key.base64.string)),
    ]
  try writeData(JSON.object(members).encoded)
}
