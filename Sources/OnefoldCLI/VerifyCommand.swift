import PayloadFormat
import PayloadReader
import Posix
import Reporting
import Signatures

let verifyCommand = Command(
  name: "verify",
  summary: "check every byte of a onefile, and its signature",
  discussion: """
    Checks the bootloader, the launch record, the manifest, every frame and the content of
    every file against their hashes. Unpacks nothing. With --public-key, first checks that this
    key signed the file: by the appended signature or by FILE.minisig.
    """,
  arguments: [Argument("FILE", "a file made by onefold pack", .file)],
  options: [
    publicKeyOption,
    Option(name: "--json", help: "print the result as JSON"),
  ])

/// The option of commands that check a signature.
let publicKeyOption = Option(
  name: "--public-key", value: "KEY", values: .file,
  help: "the public key that must have signed: its base64, or its file")

func runVerify(_ arguments: Arguments) throws(Failure) {
  let key = try arguments.value(publicKeyOption.name).map { (key) throws(Failure) in
    try PublicKey.read(key)
  }
  let progress = newProgress()
  let payload = try Payload.open(arguments.positional[0])
  let manifest: Manifest
  let found: FoundSignature?
  do {
    defer { progress?.finish() }
    found = try key.map { (key) throws(Failure) in
      let found = try findSignature(of: payload, by: key)
      try found.verify(payload, by: key) {
        progress?.show("checking the signature", done: $0, total: $1)
      }
      return found
    }
    manifest = try verify(payload) { done, total in
      progress?.show("verifying", done: done, total: total)
    }
  }
  try report(payload, manifest, "verified", arguments, found)
}

/// Reports what a command did with a whole onefile.
func report(
  _ payload: Payload, _ manifest: Manifest, _ verb: String, _ arguments: Arguments,
  _ found: FoundSignature? = nil
) throws(Failure) {
  if arguments.has("--json") {
    var result: [(String, JSON)] = [
      (verb, .bool(true)),
      ("tree_id", .string(hexText(payload.treeID.bytes).string)),
      ("files", .number(UInt64(manifest.fileCount))),
      ("bytes", .number(manifest.contentLength)),
    ]
    if let found { result.append(("signature", json(found))) }
    try writeData(JSON.object(result).encoded)
  } else {
    writeMessage("\(verb) \(payload.path.quoted): \(sizeText(manifest))\n")
    if let found { writeMessage(text(found.signature)) }
  }
}

/// Who signed, and the trusted comment: indented lines.
func text(_ signature: Signature) -> String {
  "  key: \(signature.keyID.text)\n  trusted comment: \(trustedText(signature))\n"
}

/// A signature that was verified.
func json(_ found: FoundSignature) -> JSON {
  .object([("appended", .bool(found.part == .upToTrailer))] + members(found.signature))
}
