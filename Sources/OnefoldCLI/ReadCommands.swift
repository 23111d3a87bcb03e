import PayloadFormat
import PayloadReader
import Posix
import Reporting

let inspectCommand = Command(
  name: "inspect",
  summary: "show what a onefile holds and how it is launched",
  discussion: "Shows the launch record, the sizes and, on demand, the files of a onefile.",
  arguments: [Argument("FILE", "a file made by onefold pack", .file)],
  options: [
    Option(name: "--files", help: "also list the entries of the tree"),
    Option(
      name: "--sizes",
      help: "also show the bytes by distribution and directory, the largest first"),
    Option(name: "--all", help: "with --sizes: also show what is less than 0.5 % of all"),
    Option(
      name: "--libraries",
      help: "list only the files of this system that the tree needs: the C library and its like"),
    Option(
      name: "--sbom", help: "print only the software bill of materials that the file holds"),
    Option(
      name: "--format", value: "NAME", values: .words(["cyclonedx", "spdx"]),
      help: "with --sbom: cyclonedx (default; CycloneDX 1.6 JSON) or spdx (SPDX 2.3 JSON)"),
    Option(name: "--licenses", help: "list only the licences of what the file holds"),
    Option(
      name: "--license-texts", value: "DIR", values: .directory,
      help: "write the texts of licences to a new directory, with an index"),
    Option(
      name: "--requires", value: "NAME",
      help: "show only why a distribution or library is in the file"),
    Option(
      name: "--html", value: "PAGE", values: .file,
      help: "write a page that shows what is in the file and what it weighs, and print nothing"),
    Option(
      name: "--against", value: "OLD", values: .file,
      help: "with --html: also show what an update from an older onefile costs"),
    Option(name: "--json", help: "print JSON"),
  ])

let extractCommand = Command(
  name: "extract",
  summary: "unpack the tree of a onefile",
  discussion: """
    Unpacks the tree into a directory, verified, with modes, times and links as they were.
    If it fails, nothing is left.
    """,
  arguments: [
    Argument("FILE", "a file made by onefold pack", .file),
    Argument("DIR", "the directory to unpack to; it must be missing or empty", .directory),
  ],
  options: [Option(name: "--json", help: "print the result as JSON")])

func runInspect(_ arguments: Arguments) throws(Failure) {
  guard arguments.has("--sizes") || !arguments.has("--all") else {
    throw .usage("option '--all' goes with '--sizes' only")
  }
  try checkViews(arguments)
  let payload = try Payload.open(arguments.positional[0])
  let manifest = try payload.readManifest()
  if arguments.has("--libraries") { return try listLibraries(payload, arguments) }
  if try showInventory(payload, manifest, arguments) { return }
  if arguments.has("--html") { return try writePage(payload, manifest, arguments) }
  let sizes = arguments.has("--sizes") ? try sizeTable(of: payload, manifest: manifest) : nil
  if arguments.has("--json") {
    var members = members(payload, manifest)
    if let sizes { members.append(("sizes", json(sizes))) }
    if arguments.has("--files") {
      members.append(("entries", .array((0..<manifest.entryCount).map { json(manifest, $0) })))
    }
    try writeData(JSON.object(members).encoded)
    return
  }
  var text = inspectionText(payload, manifest).string
  if let sizes { text += "\n" + OnefoldCLI.text(sizes, all: arguments.has("--all")) }
  if arguments.has("--files") {
    text += "\n"
    for index in 0..<manifest.entryCount { text += entryLine(manifest, index).string }
  }
  try writeData(text)
}

private func listLibraries(_ payload: Payload, _ arguments: Arguments) throws(Failure) {
  TerminationSignals.hold()
  let paths = try neededLibraries(of: payload)
  guard arguments.has("--json") else {
    return try writeData(paths.map { "\($0.string)\n" }.joined())
  }
  let list = paths.map { JSON.text([UInt8]($0.bytes)) }
  try writeData(JSON.object([("libraries", .array(list))]).encoded)
}

/// Options that show one thing and nothing else go with no other.
private func checkViews(_ arguments: Arguments) throws(Failure) {
  let views = ["--libraries", "--sbom", "--licenses", "--license-texts", "--requires", "--html"]
  let given = views.filter(arguments.has)
  if given.count > 1 { throw .usage("option '\(given[0])' does not go with '\(given[1])'") }
  if let view = given.first {
    try refuse(["--files", "--sizes"], in: arguments, "does not go with '\(view)'")
  }
  if arguments.has("--format"), !arguments.has("--sbom") {
    throw .usage("option '--format' goes with '--sbom' only")
  }
  if arguments.has("--against"), !arguments.has("--html") {
    throw .usage("option '--against' goes with '--html' only")
  }
  if arguments.has("--html") {
    try refuse(["--json"], in: arguments, "does not go with '--html'")
  }
  if arguments.has("--sbom") {
    try refuse(["--json"], in: arguments, "does not go with '--sbom', which is JSON")
  }
}

func runExtract(_ arguments: Arguments) throws(Failure) {
  if arguments.has("--json") { try requireStandardOutput() }
  let progress = newProgress()
  TerminationSignals.hold()
  let payload = try Payload.open(arguments.positional[0])
  let manifest: Manifest
  do {
    defer { progress?.finish() }
    manifest = try extract(payload, to: arguments.positional[1]) { done, total in
      progress?.show("unpacking", done: done, total: total)
    }
  }
  try report(payload, manifest, "extracted", arguments)
}

// MARK: Entries

private func typeName(_ type: Manifest.EntryType) -> String {
  switch type {
  case .directory: "directory"
  case .file: "file"
  case .symlink: "symlink"
  case .hardLink: "hard link"
  }
}

private func members(_ payload: Payload, _ manifest: Manifest) -> [(String, JSON)] {
  let record = payload.record
  return [
    ("format", .number(1)),
    ("name", .text(record.name)),
    ("version", .text(record.version)),
    ("target", .text(record.target)),
    ("packer", .text(record.packer)),
    ("glibc", json(record.glibc)),
    ("entry", .text(record.entry)),
    ("arguments", .array(record.arguments.map { .text($0) })),
    ("environment", .array(record.variables.map { .text($0) })),
    ("unset", .array(record.removedVariables.map { .text($0) })),
    ("check", record.check.map { .string("\($0.name)") } ?? .null),
    ("keep", record.keepDays.map { .number(UInt64($0)) } ?? .null),
    ("die_with_parent", record.parentDeath.map { .string("\($0.name)") } ?? .null),
    ("reuse", .bool(record.reuse)),
    ("listen", listenJSON(record)),
    ("instance", record.instance.map { .string("\($0.name)") } ?? .null),
    ("instance_key", .text(record.instanceKey)),
    ("commands", .array(record.commands.map(commandJSON))),
    ("tree_id", .string(hexText(payload.treeID.bytes).string)),
    ("bootloader_bytes", .number(payload.trailer.bootloaderLength)),
    ("frames", .number(UInt64(manifest.frameCount))),
    ("frame_bytes", .number(manifest.framesLength)),
    ("manifest_bytes", .number(payload.trailer.manifestStoredLength)),
    ("appended_bytes", .number(payload.appendedLength)),
    ("files", .number(UInt64(manifest.fileCount))),
    ("directories", .number(UInt64(manifest.directoryCount))),
    ("symlinks", .number(UInt64(manifest.symlinkCount))),
    ("hard_links", .number(UInt64(manifest.hardLinkCount))),
    ("bytes", .number(manifest.contentLength)),
  ]
}

private func json(_ glibc: GlibcRequirement?) -> JSON {
  guard let glibc else { return .null }
  return .object([("version", .text(glibc.version.text))] + JSON.members(path: glibc.file))
}

private func json(_ manifest: Manifest, _ index: Int) -> JSON {
  let entry = manifest.entry(index)
  var members = JSON.members(path: manifest.path(of: index))
  members.append(("type", .string(typeName(entry.type))))
  switch entry.type {
  case .hardLink:
    members += JSON.members(path: manifest.path(of: entry.hardLinkTarget), name: "target")
    return .object(members)
  case .symlink: members += JSON.members(path: [UInt8](manifest.target(of: entry)), name: "target")
  case .file:
    members.append(("mode", .string(String(entry.mode, radix: 8))))
    members.append(("size", .number(entry.size)))
    members.append(("sha256", .string(hexText(entry.hash.bytes).string)))
  case .directory: members.append(("mode", .string(String(entry.mode, radix: 8))))
  }
  members.append(("mtime", .signed(entry.modifiedSeconds)))
  members.append(("mtime_nanoseconds", .number(UInt64(entry.modifiedNanoseconds))))
  return .object(members)
}

private func listenJSON(_ record: LaunchRecord) -> JSON {
  guard !record.listen.isEmpty else { return .null }
  return .object([
    ("address", .text(record.listen)), ("handover", .string("\(record.handover.name)")),
    ("if_taken", .string("\(record.takenAddress.name)")),
  ])
}

private func commandJSON(_ command: LaunchRecord.Command) -> JSON {
  .object([
    ("name", .text(command.name)), ("entry", .text(command.entry)),
    ("arguments", .array(command.arguments.map { .text($0) })),
  ])
}
