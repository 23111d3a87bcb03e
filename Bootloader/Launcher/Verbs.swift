import CacheDirectory
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// The requests of a user who has only the file, made with `ONEFOLD=<verb>`.
enum Verb: CaseIterable {
  case help, inspect, files, sbom, verify, extract, prewarm, path, clean, gc, trace, status, stop

  var name: StaticString {
    switch self {
    case .help: "help"
    case .inspect: "inspect"
    case .files: "files"
    case .sbom: "sbom"
    case .verify: "verify"
    case .extract: "extract"
    case .prewarm: "prewarm"
    case .path: "path"
    case .clean: "clean"
    case .gc: "gc"
    case .trace: "trace"
    case .status: "status"
    case .stop: "stop"
    }
  }

  private var summary: StaticString {
    switch self {
    case .help: "show this text"
    case .inspect: "show what the file holds and how it is launched"
    case .files: "list the entries of the tree"
    case .sbom: "print the software bill of materials, with licences (CycloneDX)"
    case .verify: "check every byte of the file"
    case .extract: "unpack to the directory given as the argument"
    case .prewarm: "unpack to the cache and print the tree's directory; run nothing"
    case .path: "print the tree's directory in the cache"
    case .clean: "remove the tree from the cache"
    case .gc: "remove trees of other versions that have not run for a long time"
    case .trace: "unpack to the cache and show how long each step took; run nothing"
    case .status: "show whether the one instance runs, and where; 'json' as the argument: as JSON"
    case .stop: "end it by SIGTERM; arguments: seconds to wait (10), and 'kill' for SIGKILL then"
    }
  }

  static var list: Text {
    var text: Text = ""
    for verb in allCases {
      if !text.isEmpty { text += ", " }
      text += "\(verb.name)"
    }
    return text
  }

  static var helpText: Text {
    var text: Text =
      "Set ONEFOLD=<verb> in the environment to use this file without a launch:\n\n"
    for verb in allCases {
      var line: Text = "  \(verb.name)"
      line.pad(to: 12)
      text += "\(line)\(verb.summary)\n"
    }
    return text + """

      Other variables; the program gets the first two as well:

        ONEFOLD_CACHE=DIR   use this cache directory instead of the first usable one of
                            /var/cache/onefold (if it holds the tree), $XDG_CACHE_HOME/onefold,
                            ~/.cache/onefold, /var/tmp/onefold-<uid>, $TMPDIR/onefold-<uid>,
                            /tmp/onefold-<uid>
        ONEFOLD_CHECK=CHECK how to check a tree in the cache: seal, dirs (default), files or
                            full
        ONEFOLD_PROGRESS=json[:FD]
                            write progress as JSON lines to stderr or to descriptor FD
        ONEFOLD_TRACE=FILE  write how long each step took, for Perfetto or chrome://tracing
        ONEFOLD_DIE_WITH_PARENT=1|kill|term|fd:N[:kill|:term]|0
                            whether the program ends with its parent, or when the other end of
                            descriptor N is closed, and by which signal
        ONEFOLD_LISTEN=ADDRESS
                            open this address for the program: PORT, ADDRESS:PORT or unix:/PATH
        ONEFOLD_COMMAND=NAME
                            start another program of this file
        ONEFOLD_REUSE=0|1   whether to share equal files with trees of older versions

      """
  }
}

func run(
  _ verb: Verb, _ own: OwnExecutable, _ arguments: [Path], _ report: Report
) throws(Failure) {
  let payload = try own.read()
  if verb == .extract {
    guard arguments.count == 2 else { throw .needsDirectory }
  } else if arguments.count > 1 && verb != .status && verb != .stop {
    throw .takesNoArguments(verb)
  }
  switch verb {
  case .help: try showHelp(payload)
  case .inspect:
    let manifest = try payload.readManifest()
    try writeData(inspectionText(payload, manifest).bytes)
  case .files: try listFiles(payload)
  case .sbom: try showInventory(payload)
  case .verify: try verifyPayload(payload, report)
  case .extract: try extractPayload(payload, to: arguments[1], report)
  case .prewarm:
    // The tree may be for another system, for example when an image is built.
    let tree = try ready(payload, willRun: false, report)
    report.ready(unpacked: tree.wasUnpacked)
    try writeLine(tree.root)
  case .trace:
    let tree = try ready(payload, willRun: true, report)
    report.ready(unpacked: tree.wasUnpacked)
    report.writeTrace()
    if let timeline = report.timeline { try writeData(timeline.table.bytes) }
  case .path:
    try writeLine(try treePath(of: payload))
  case .clean: try clean(payload)
  case .gc: try collectGarbage(payload)
  case .status: try showStatus(payload.record, arguments)
  case .stop: try stop(payload.record, arguments)
  }
}

private func showHelp(_ payload: Payload) throws(Failure) {
  let record = payload.record
  var title = escapedText(record.name)
  if !record.version.isEmpty { title += " \(escapedText(record.version))" }
  var text: Text = "\(title), packed by \(escapedText(record.packer))\n\n\(Verb.helpText)"
  if !record.commands.isEmpty {
    text += "\nCommands, for ONEFOLD_COMMAND or as the name of a symlink to the file:\n\n"
  }
  for command in record.commands { text += "  \(escapedText(command.name))\n" }
  try writeData(text.bytes)
}

private func listFiles(_ payload: Payload) throws(Failure) {
  let manifest = try payload.readManifest()
  // Written in parts, because memory use must not grow with the tree.
  var text: Text = ""
  for index in 0..<manifest.entryCount {
    text += entryLine(manifest, index)
    if text.bytes.count >= 32 << 10 {
      try writeData(text.bytes)
      text = ""
    }
  }
  try writeData(text.bytes)
}

private func showInventory(_ payload: Payload) throws(Failure) {
  let manifest = try payload.readManifest()
  guard let entry = manifest.file(at: OwnFiles.inventory) else { throw .hasNoInventory }
  try readContent(of: entry, in: payload, manifest) { (bytes) throws(Failure) in
    try writeData([UInt8](bytes))
  }
}

private func verifyPayload(_ payload: Payload, _ report: Report) throws(Failure) {
  report.start(payload.record)
  let name = escapedText(payload.record.name)
  let manifest: Manifest
  do {
    defer { report.finish() }
    manifest = try verify(
      payload,
      progress: { report.show(.checking, Lines.verifying(name), done: $0, total: $1) },
      timeline: report.timeline)
  }
  report.ready(unpacked: false)
  writeLine(Lines.verified(manifest))
}

private func extractPayload(_ payload: Payload, to target: Path, _ report: Report)
  throws(Failure)
{
  report.start(payload.record)
  TerminationSignals.hold()
  let name = escapedText(payload.record.name)
  let manifest: Manifest
  do throws(Failure) {
    defer { report.finish() }
    manifest = try extract(
      payload, to: target,
      progress: { report.show(.unpacking, Lines.unpacking(name), done: $0, total: $1) },
      timeline: report.timeline)
  } catch { throw error.whileExtracting }
  report.ready(unpacked: true)
  writeLine(Lines.extracted(manifest, to: target))
}

/// Removes this file's tree and the leftovers of killed launches.
private func clean(_ payload: Payload) throws(Failure) {
  var cleanUp = CleanUp()
  cleanUp.tree = payload.treeName
  let result = try run(cleanUp)
  if let item = result.inUse.first { throw .isInUse(item.path) }
}

/// Removes this application's stale trees.
private func collectGarbage(_ payload: Payload) throws(Failure) {
  let result = try run(CleanUp(after: payload.record))
  for item in result.inUse { writeLine(Lines.inUse(item.path)) }
}

private func run(_ cleanUp: CleanUp) throws(Failure) -> CleanUpResult {
  let result = cleanUpCaches(cleanUp)
  for item in result.removed { writeLine(Lines.removed(item.path)) }
  for item in result.kept { writeLine(Lines.moved(item.path)) }
  if let failure = result.failures.first { throw failure }
  if result.removed.isEmpty && result.inUse.isEmpty {
    writeLine(Lines.nothingToRemove)
  }
  return result
}

private func showStatus(_ record: LaunchRecord, _ arguments: [Path]) throws(Failure) {
  let isJSON = arguments.count == 2 && arguments[1].elementsEqual(Path("json"))
  guard isJSON || arguments.count < 2 else { throw .statusArguments }
  let instance = try RunningInstance.find(record)
  if isJSON { try writeData(statusJSON(record, instance).bytes) }
  guard let instance else { throw .notRunning(record) }
  if !isJSON { try writeData(statusText(record, instance).bytes) }
}

private func stop(_ record: LaunchRecord, _ arguments: [Path]) throws(Failure) {
  var seconds = RunningInstance.defaultSeconds
  var kill = false
  for argument in arguments.dropFirst() {
    if argument.elementsEqual(Path("kill")) {
      kill = true
    } else if let number = decimalNumber([UInt8](argument.bytes)) {
      seconds = number
    } else {
      throw .stopArguments
    }
  }
  guard let instance = try RunningInstance.find(record) else { throw .notRunning(record) }
  try instance.stop(record, seconds: seconds, kill: kill)
  writeLine(Lines.stopped(escapedText(record.name), instance.place))
}

/// Writes a line for the user to stderr.
private func writeLine(_ line: Text) { writeText("\(line)\n", to: 2) }

/// Writes the path's exact bytes, for a program that reads them.
private func writeLine(_ path: Path) throws(Failure) {
  var line = [UInt8](path.bytes)
  line.append(UInt8(ascii: "\n"))
  try writeData(line)
}

private func writeData(_ bytes: [UInt8]) throws(Failure) {
  if let errno = writeBytes(bytes, to: 1) {
    throw .lostOutput(errno)
  }
}
