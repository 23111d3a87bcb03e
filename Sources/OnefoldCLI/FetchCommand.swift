import PayloadFormat
import Posix
import Reporting
import Signatures
import Updates

let fetchCommand = Command(
  name: "fetch",
  summary: "make or update a onefile from a server, with what other files already have",
  discussion: """
    Makes FILE, or updates it, from a onefile on an HTTP server or at a path. Takes the parts
    that FILE and other files already have, and requests only the others. Checks everything,
    and then replaces FILE by a rename: there is always a program to start.
    """,
  optionalArgument: Argument("SOURCE", "an http or https URL, or a path", .file),
  options: [
    Option(
      name: "--output", short: "-o", value: "FILE", values: .file,
      help: "the file to make or update"),
    Option(
      name: "--seed", value: "FILE", values: .file,
      help: "another onefile that may have parts of the new one; may be repeated", repeats: true),
    Option(
      name: "--no-resume",
      help: "remove the partial file of an earlier call, and leave none if this one fails"),
    Option(name: "--keep-previous", help: "leave the old file as FILE.previous, by a hard link"),
    Option(
      name: "--rollback", value: "FILE", values: .file,
      help: "put FILE.previous back in the place of FILE, and fetch nothing"),
    publicKeyOption,
    Option(
      name: "--allow-older",
      help: "with --public-key: also take a version that is older than FILE"),
    Option(name: "--json", help: "print the result as JSON"),
  ])

func runFetch(_ arguments: Arguments) throws(Failure) {
  if arguments.has("--json") { try requireStandardOutput() }
  if let file = arguments.value("--rollback") {
    guard arguments.positional.isEmpty else {
      throw .usage("SOURCE does not go with '--rollback'")
    }
    let others = [
      "--output", "--seed", "--no-resume", "--keep-previous", publicKeyOption.name, "--allow-older",
    ]
    try refuse(others, in: arguments, "does not go with '--rollback'")
    return try rollBack(file, arguments)
  }
  guard let source = arguments.positional.first else { throw .usage("missing argument SOURCE") }
  guard let output = arguments.value("--output") else {
    throw .usage("option '--output' is missing: give the file to make or update")
  }
  guard arguments.has(publicKeyOption.name) || !arguments.has("--allow-older") else {
    throw .usage("option '--allow-older' goes with '\(publicKeyOption.name)' only")
  }
  let key = try arguments.value(publicKeyOption.name).map { (key) throws(Failure) in
    try PublicKey.read(key)
  }
  TerminationSignals.hold()
  let request = FetchRequest(
    source: source, output: output, seeds: arguments.all("--seed"),
    resumes: !arguments.has("--no-resume"), keepsPrevious: arguments.has("--keep-previous"),
    publicKey: key, allowsOlder: arguments.has("--allow-older"))
  let result = try withProgress { (progress) throws(Failure) in
    try fetch(request, warn: { writeWarning("onefold fetch", $0) }, progress: progress)
  }
  for reuse in result.reused where reuse.damagedFrames > 0 {
    let parts = reuse.damagedFrames == 1 ? "a part" : "\(reuse.damagedFrames) parts"
    writeWarning(
      "onefold fetch", "\(reuse.path.quoted) is damaged: \(parts) of it could not be used")
  }
  if arguments.has("--json") {
    try writeData(json(result, output).encoded)
  } else {
    writeMessage(text(result, output))
  }
}

private func rollBack(_ file: Path, _ arguments: Arguments) throws(Failure) {
  let result = try withProgress { (progress) throws(Failure) in
    try rollBack(file, progress: progress)
  }
  if arguments.has("--json") {
    let members: [(String, JSON)] = [
      ("rolled_back", .bool(true)), ("name", .text(result.name)),
      ("version", .text(result.version)),
      ("tree_id", .string(hexText(result.treeID).string)),
    ]
    return try writeData(JSON.object(members).encoded)
  }
  writeMessage("rolled back \(file.quoted) to \(applicationTitle(result.name, result.version))\n")
}

private func withProgress<Result>(
  _ body: (@escaping FetchProgress) throws(Failure) -> Result
) throws(Failure) -> Result {
  let progress = newProgress()
  defer { progress?.finish() }
  return try body { label, done, total in
    if total > 0 {
      progress?.show(label, done: done, total: total)
    } else {
      progress?.show("\(label): \(megabytes(done)) MB")
    }
  }
}

// MARK: Text

private func text(_ result: FetchResult, _ output: Path) -> String {
  let title = applicationTitle(result.name, result.version)
  let share = result.bytes == 0 ? 0 : (result.received * 1000 + result.bytes - 1) / result.bytes
  let requests = result.requests == 0 ? "" : " in \(counted(result.requests, "request"))"
  var text =
    result.isUpdated
    ? "fetched \(output.quoted): \(title), \(grouped(result.bytes)) bytes\n"
    : "\(output.quoted) is up to date: \(title), \(grouped(result.bytes)) bytes\n"
  if let found = result.signature { text += OnefoldCLI.text(found.signature) }
  text += "  fetched: \(grouped(result.received)) bytes (\(percent(share)))\(requests)\n"
  if result.isWhole {
    return text + "    the server gives no byte ranges, so all of the file was downloaded\n"
  }
  let parts: [(UInt64, String)] = [
    (result.fetched.frames, "frames that no seed has"), (result.fetched.bootloader, "bootloader"),
    (result.fetched.tables, "manifest, launch record and trailer"),
    (result.extra, "gaps between requested parts, and repeated parts"),
  ]
  if result.isUpdated {
    for (bytes, what) in parts where bytes > 0 {
      text += column(grouped(bytes).string, 16) + "  \(what)\n"
    }
  }
  for reuse in result.reused where reuse.bytes > 0 {
    text +=
      "  reused: \(grouped(reuse.bytes)) bytes from \(reuse.path.quoted), "
      + "\(counted(reuse.frames, "frame"))\n"
  }
  if let previous = result.previous { text += "  the old file is \(previous.quoted)\n" }
  return text
}

// MARK: JSON

private func json(_ result: FetchResult, _ output: Path) -> JSON {
  .object(
    [("updated", .bool(result.isUpdated))]
      + JSON.members(path: [UInt8](output.bytes), name: "output") + [
        ("name", .text(result.name)), ("version", .text(result.version)),
        ("tree_id", .string(hexText(result.treeID.bytes).string)),
        ("bytes", .number(result.bytes)),
        ("ranges", .bool(!result.isWhole)),
        ("requests", .number(UInt64(result.requests))),
        ("fetched_bytes", .number(result.received)),
        ("fetched", json(result.fetched, extra: result.extra)),
        ("reused_bytes", .number(result.reused.reduce(0) { $0 + $1.bytes })),
        ("reused", .array(result.reused.map(json))),
      ]
      + (result.signature.map { [("signature", json($0))] } ?? [])
      + (result.previous.map { JSON.members(path: [UInt8]($0.bytes), name: "previous") }
        ?? [("previous", .null)]))
}

private func json(_ fetched: FetchResult.Fetched, extra: UInt64) -> JSON {
  .object([
    ("frames", .number(fetched.frames)), ("bootloader", .number(fetched.bootloader)),
    ("tables", .number(fetched.tables)), ("extra", .number(extra)),
  ])
}

private func json(_ reuse: FetchResult.Reuse) -> JSON {
  .object(
    JSON.members(path: [UInt8](reuse.path.bytes)) + [
      ("bytes", .number(reuse.bytes)), ("frames", .number(UInt64(reuse.frames))),
      ("damaged", .number(UInt64(reuse.damagedFrames))),
    ])
}
