import CacheDirectory
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// The requests of a user who has only the file, made with `ONEFOLD=<verb>`.
enum Verb: CaseIterable {
  case help, inspect, files, verify, extract, prewarm, path, clean, gc, trace

  var name: StaticString {
    switch self {
    case .help: "help"
    case .inspect: "inspect"
    case .files: "files"
    case .verify: "verify"
    case .extract: "extract"
    case .prewarm: "prewarm"
    case .path: "path"
    case .clean: "clean"
    case .gc: "gc"
    case .trace: "trace"
    }
  }

  private var summary: StaticString {
    switch self {
    case .help: "show this"
    case .inspect: "show what the file holds and how it is launched"
    case .files: "list the entries of the tree"
    case .verify: "check every byte of the file"
    case .extract: "unpack to the directory that is the first argument"
    case .prewarm: "unpack to the cache, run nothing, print the tree's directory"
    case .path: "print the tree's directory in the cache"
    case .clean: "remove the tree from the cache"
    case .gc: "remove trees of other versions that were not used for long"
    case .trace: "unpack to the cache as a launch does, run nothing, show what took how long"
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
      "ONEFOLD=<verb> in the environment asks this file for something else than a launch:\n\n"
    for verb in allCases {
      var line: Text = "  \(verb.name)"
      line.pad(to: 12)
      text += "\(line)\(verb.summary)\n"
    }
    return text + """

      Other variables, of which the program gets the first two:

        ONEFOLD_CACHE=DIR   the cache directory, instead of the first that will do of
                            /var/cache/onefold (if it holds the tree), $XDG_CACHE_HOME/onefold,
                            ~/.cache/onefold, /var/tmp/onefold-<uid>, $TMPDIR/onefold-<uid>,
                            /tmp/onefold-<uid>
        ONEFOLD_CHECK=CHECK what is checked of a tree that is there: seal, dirs (default),
                            files or full
        ONEFOLD_PROGRESS=json[:FD]
                            lines of JSON that tell how far it is, on stderr or descriptor FD
        ONEFOLD_TRACE=FILE  write what took how long, for Perfetto or chrome://tracing
        ONEFOLD_DIE_WITH_PARENT=1|kill|term|0
                            whether and by which signal the program ends with its parent

      """
  }
}

func run(
  _ verb: Verb, _ own: OwnExecutable, _ arguments: [Path], _ report: Report
) throws(Failure) {
  let payload = try own.read()
  if verb == .extract {
    guard arguments.count == 2 else {
      throw .refused("ONEFOLD=extract needs one argument, the directory to unpack to")
    }
  } else if arguments.count > 1 {
    throw .refused("ONEFOLD=\(verb.name) takes no arguments")
  }
  switch verb {
  case .help: try showHelp(payload)
  case .inspect:
    let manifest = try payload.readManifest()
    try writeData(inspectionText(payload, manifest).bytes)
  case .files: try listFiles(payload)
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
  }
}

private func showHelp(_ payload: Payload) throws(Failure) {
  let record = payload.record
  var title = escapedText(record.name)
  if !record.version.isEmpty { title += " \(escapedText(record.version))" }
  let text: Text = "\(title), packed by \(escapedText(record.packer))\n\n\(Verb.helpText)"
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

private func verifyPayload(_ payload: Payload, _ report: Report) throws(Failure) {
  report.start(payload.record)
  let name = escapedText(payload.record.name)
  let manifest: Manifest
  do {
    defer { report.finish() }
    manifest = try verify(
      payload, progress: { report.show(.checking, "verifying \(name)", done: $0, total: $1) },
      timeline: report.timeline)
  }
  report.ready(unpacked: false)
  let files = grouped(UInt64(manifest.fileCount))
  writeText("verified: \(files) files, \(grouped(manifest.contentLength)) bytes\n", to: 2)
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
      progress: { report.show(.unpacking, "unpacking \(name)", done: $0, total: $1) },
      timeline: report.timeline)
  } catch { throw error.whileExtracting }
  report.ready(unpacked: true)
  let files = grouped(UInt64(manifest.fileCount))
  writeText("extracted to \(target.quoted): \(files) files\n", to: 2)
}

/// Removes this file's tree and the leftovers of killed launches.
private func clean(_ payload: Payload) throws(Failure) {
  var cleanUp = CleanUp()
  cleanUp.tree = payload.treeName
  let result = try run(cleanUp)
  if let item = result.inUse.first {
    throw .refused("\(item.path.quoted) is in use by a running program; stop it first")
  }
}

/// Removes this application's stale trees.
private func collectGarbage(_ payload: Payload) throws(Failure) {
  let result = try run(CleanUp(after: payload.record))
  for item in result.inUse { writeText("in use: \(item.path.quoted)\n", to: 2) }
}

private func run(_ cleanUp: CleanUp) throws(Failure) -> CleanUpResult {
  let result = cleanUpCaches(cleanUp)
  for item in result.removed { writeText("removed \(item.path.quoted)\n", to: 2) }
  for item in result.kept {
    writeText("moved the program's own files to \(item.path.quoted)\n", to: 2)
  }
  if let failure = result.failures.first { throw failure }
  if result.removed.isEmpty && result.inUse.isEmpty {
    writeText("there is nothing to remove\n", to: 2)
  }
  return result
}

/// Writes the path's exact bytes, for a program that reads them.
private func writeLine(_ path: Path) throws(Failure) {
  var line = [UInt8](path.bytes)
  line.append(UInt8(ascii: "\n"))
  try writeData(line)
}

private func writeData(_ bytes: [UInt8]) throws(Failure) {
  if let errno = writeBytes(bytes, to: 1) {
    throw .refused("cannot write to the standard output: \(errno.description)")
  }
}
