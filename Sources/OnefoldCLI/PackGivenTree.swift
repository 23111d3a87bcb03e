import Insight
import OutputFiles
import PayloadFormat
import PayloadReader
import PayloadWriter
import Posix
import PythonStaging
import Reporting

/// `onefold pack --tree`: packs a directory as it is.
func packGivenTree(_ arguments: Arguments) throws(Failure) {
  try refuse(
    [
      "--sidecar", "--no-smoke", "--keep-stage", "--python", "--command", "--print-spec",
      "--against",
    ], in: arguments, "does not go with '--tree'")
  let documents = try GivenDocuments(arguments)
  var request = try makeRequest(arguments)
  let start = MonotonicClock.now
  let glibc = try glibcFloor(request, arguments)
  let progress = newProgress()
  TerminationSignals.hold()
  Stage.reclaim(in: try OutputPlace(request.output).path.parent)
  var warnings: [String] = []
  if documents.isWanted { (request.added, warnings) = makeInventory(of: request, documents) }
  let summary: PackSummary
  do {
    defer { progress?.finish() }
    summary = try packTree(request) { phase, done, total in
      progress?.show(phase == .reading ? "reading" : "compressing", done: done, total: total)
    }
  }
  let weight = try PackedWeight(try Payload.open(request.output))
  let milliseconds = UInt64((MonotonicClock.now - start) / 1_000_000)
  for warning in warnings + summary.warnings.map(\.string) { writeWarning("onefold pack", warning) }
  if arguments.has("--json") {
    let members =
      packMembers(
        output: request.output, name: request.record.name, version: request.record.version,
        compression: request.compression, summary: summary, milliseconds: milliseconds)
      + glibcMembers(glibc) + [("surprises", json(weight.surprises))]
    try writeData(JSON.object(members).encoded)
  } else {
    writeMessage(
      packText(request.output, summary, milliseconds) + glibcText(glibc)
        + surpriseText(weight.surprises, hasSpec: false))
  }
}

/// The software bill of materials.
///
/// Nil if the tree cannot be read: `packTree` reports that better.
private func makeInventory(of request: PackRequest, _ documents: GivenDocuments) -> (
  AddedFile?, warnings: [String]
) {
  let parts: TreeParts
  do throws(Failure) { parts = try TreeParts(request.tree) } catch {
    return (nil, ["no software bill of materials was packed: \(error.description)"])
  }
  var builder = InventoryBuilder(
    name: String(decoding: request.record.name, as: UTF8.self),
    version: escapedText(request.record.version).string, parts: parts)
  let target = "\(request.bootloader.target)"
  builder.addInterpreters()
  builder.addDistributions(processor: String(target.prefix { $0 != "-" }))
  builder.addFiles()
  let file = builder.file(
    for: request.bootloader, documents, time: request.latestTime,
    epochProperty(request.latestTime))
  return (file, builder.warnings)
}

/// The oldest glibc that the tree runs on. Fails if `--max-glibc` does not allow it.
private func glibcFloor(_ request: PackRequest, _ arguments: Arguments) throws(Failure)
  -> GlibcRequirement?
{
  var most: GlibcVersion?
  if let given = arguments.value("--max-glibc") {
    most = GlibcVersion(parsing: Array(given.bytes).span)
    guard most != nil else {
      throw .usage("option '--max-glibc' needs a version such as 2.31, not \(given.quoted)")
    }
  }
  do throws(Failure) {
    return try glibcFloor(
      ofTree: request.tree, most: most, option: "--max-glibc", workers: request.workers)
  } catch {
    // `packTree` reports an unreadable tree better.
    if most == nil { return nil }
    throw error
  }
}

/// Members of the summary's JSON.
func glibcMembers(_ glibc: GlibcRequirement?) -> [(String, JSON)] {
  [
    ("glibc", glibc.map { .text($0.version.text) } ?? .null),
    ("glibc_file", glibc.map { .text($0.file) } ?? .null),
  ]
}

/// A line of the summary.
func glibcText(_ glibc: GlibcRequirement?) -> String {
  guard let glibc else { return "  runs on any glibc: no file needs a version of it\n" }
  let version = String(decoding: glibc.version.text, as: UTF8.self)
  return "  runs on glibc \(version) or newer (\(escapedText(glibc.file)))\n"
}

// MARK: Request

private func makeRequest(_ arguments: Arguments) throws(Failure) -> PackRequest {
  guard let tree = arguments.value("--tree") else { throw .usage("option '--tree' is missing") }
  guard let given = arguments.value("--entry") else { throw .usage("option '--entry' is missing") }
  var entry = [UInt8](given.bytes)
  while entry.starts(with: [UInt8(ascii: "."), UInt8(ascii: "/")]) { entry.removeFirst(2) }
  guard PathRules.isPath(entry.span) else {
    throw .entryPath(given)
  }

  let name = arguments.value("--name").map { [UInt8]($0.bytes) } ?? defaultName(entry)
  guard LaunchRecord.isName(name.span) else {
    throw .usage(
      "the name \(quotedText(name)) is not valid: give 1 to 64 of A-Z a-z 0-9 . _ + - with --name, "
        + "not beginning with '.' or '-'")
  }
  var record = LaunchRecord(name: name, entry: entry, target: [])
  record.version = arguments.value("--app-version").map { [UInt8]($0.bytes) } ?? []
  guard LaunchRecord.isText(record.version.span) else {
    throw .usage("option '--app-version' needs at most 128 bytes without control characters")
  }
  record.arguments = arguments.rest.map { [UInt8]($0.bytes) }
  record.packer = [UInt8]("onefold \(version)".utf8)
  record.variables = try environmentOptions(arguments)
  record.removedVariables = try unsetOptions(arguments)
  record.check = try arguments.named("--check")
  record.keepDays = try arguments.number("--keep", in: 0...LaunchRecord.longestKeep)
  record.parentDeath = try arguments.named("--die-with-parent")
  record.reuse = !arguments.has("--no-reuse")
  record.listen = try listenOption(arguments)
  record.handover = try arguments.named("--handover") ?? .descriptor
  record.takenAddress = try arguments.named("--if-taken") ?? .fail
  record.instance = try arguments.named("--instance")

  let compression = try makeCompression(nil, arguments)
  let workers = try makeWorkers(arguments)
  let cache = try packCacheDirectory(arguments)
  let remote = try remoteCache(arguments)
  let latestTime = try sourceDateEpoch()
  // Last, so that mistakes on the command line are reported before a missing bootloader.
  let bootloader = try findBootloader(
    arguments.value("--bootloader"), for: try makeTarget(arguments))
  return PackRequest(
    tree: tree, output: arguments.value("--output") ?? Path(name), bootloader: bootloader,
    record: record, compression: compression, workers: workers,
    frameCache: cache?.appending("frames"), remoteCache: remote, latestTime: latestTime)
}

/// The address of `--listen`; empty without the option.
private func listenOption(_ arguments: Arguments) throws(Failure) -> [UInt8] {
  guard let text = arguments.value("--listen") else {
    for option in ["--handover", "--if-taken"] where arguments.value(option) != nil {
      throw .usage("option '\(option)' needs '--listen'")
    }
    return []
  }
  do throws(Errno) {
    let address = try SocketAddress(parsing: text)
    if address.isLocal, arguments.value("--handover") != nil || arguments.value("--if-taken") != nil
    {
      throw .invalidArgument
    }
  } catch {
    throw .usage(
      "option '--listen' can't be \(text.quoted): give PORT, ADDRESS:PORT or [ADDRESS]:PORT with a "
        + "numeric address, or unix:/PATH of at most 107 bytes without '--handover' and '--if-taken'"
    )
  }
  return [UInt8](text.bytes)
}

private func defaultName(_ entry: [UInt8]) -> [UInt8] {
  [UInt8](Path(entry).lastComponent)
}
