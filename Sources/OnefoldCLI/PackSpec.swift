import AppSpec
import BinaryRelocation
import Insight
import OutputFiles
import PayloadFormat
import PayloadReader
import PayloadWriter
import Posix
import PythonStaging
import Reporting

/// Runs `onefold pack` with a spec: stages the application, packs and tests it, and only then gives the file its name.
func packSpec(_ arguments: Arguments) throws(Failure) {
  try refuse(
    ["--entry", "--name", "--app-version"], in: arguments,
    "goes with '--tree'; a spec has a key for it")
  try refuse(
    [
      "--env", "--unset-env", "--check", "--keep", "--die-with-parent", "--no-reuse", "--listen",
      "--handover", "--if-taken", "--instance", "--max-glibc",
      "--python",
    ], in: arguments, "does not go with a spec, which has a key for it")
  try refuse(["--command"], in: arguments, "goes with '--package'")
  try refuse(["--print-spec"], in: arguments, "goes with '--package' or a script")
  guard arguments.rest.isEmpty else {
    throw .usage("arguments after '--' do not go with a spec, which has launch.arguments")
  }
  let target = try makeTarget(arguments)
  let spec = try reading { () throws(SpecError) in
    try readSpec(arguments.value("--spec"), target: target)
  }
  try pack(spec, arguments)
}

/// Builds a spec, and names the file once it has passed its tests.
func pack(_ spec: Spec, _ arguments: Arguments) throws(Failure) {
  let build = try SpecBuild(spec, arguments)
  TerminationSignals.hold()
  let start = MonotonicClock.now
  Stage.reclaim(in: build.place.path.parent)
  let stage = try Stage(beside: build.place.path, mode: 0o755)
  let result: SpecBuild.Result
  do throws(Failure) {
    result = try build.run(in: stage.path)
  } catch {
    finish(stage, keep: arguments.has("--keep-stage"))
    throw error
  }
  finish(stage, keep: arguments.has("--keep-stage"))
  let milliseconds = UInt64((MonotonicClock.now - start) / 1_000_000)
  try build.report(result, milliseconds)
}

private func reading<Result>(_ body: () throws(SpecError) -> Result) throws(Failure)
  -> Result
{
  do throws(SpecError) { return try body() } catch { throw .failed(error.description) }
}

private func finish(_ stage: Stage, keep: Bool) {
  if keep {
    stage.keep()
    writeNotice(
      "onefold pack: the stage is kept in \(ProcessContext.absolutePath(stage.path).quoted)\n")
  } else {
    try? stage.remove()
  }
}

/// One build of a spec.
private struct SpecBuild {
  let spec: Spec
  let arguments: Arguments
  /// The output path as given.
  let output: Path
  let place: OutputPlace
  let bootloader: Bootloader
  let compression: Compression
  let workers: Int
  let cache: Path?
  let remote: RemoteCache?
  let epoch: Int64?
  let documents: GivenDocuments
  let policy: PolicyCheck

  init(_ spec: Spec, _ arguments: Arguments) throws(Failure) {
    self.spec = spec
    self.arguments = arguments
    compression = try makeCompression(spec.archive, arguments)
    workers = try makeWorkers(arguments)
    cache = try packCacheDirectory(arguments)
    remote = try remoteCache(arguments)
    epoch = try sourceDateEpoch()
    documents = try GivenDocuments(arguments)
    bootloader = try findBootloader(arguments.value("--bootloader"), for: spec.target)
    output = try Self.output(spec, arguments)
    place = try OutputPlace(output)
    policy = try PolicyCheck(spec, arguments, replacing: place.path, workers: workers)
  }

  private static func output(_ spec: Spec, _ arguments: Arguments) throws(Failure) -> Path {
    let given = arguments.value("--output")
    let pattern = given.map { $0.string } ?? spec.output.file?.value ?? "{name}"
    var name = try reading { () throws(SpecError) in
      try expandOutputName(
        pattern, name: spec.app.name.value, version: spec.app.version, target: spec.target.name,
        at: given == nil ? spec.output.file?.place ?? spec.place : .none)
    }
    if arguments.has("--sidecar") || spec.output.sidecar {
      name += "-" + spec.target.triple
    }
    // A path from the spec starts at the spec's directory, others at the working directory.
    let base = given == nil && spec.output.file != nil ? spec.directory : Path()
    return name.hasPrefix("/") ? Path(name) : base.appending(name)
  }

  struct Result {
    var staged: StagedApplication
    var summary: PackSummary
    var weight: PackedWeight
    /// Nil if nothing was tested.
    var smoke: SmokeReport?
    /// The reason if nothing was tested; nil otherwise.
    var untested: String?
    /// About the software bill of materials.
    var warnings: [String]
  }

  // MARK: Building

  func run(in work: Path) throws(Failure) -> Result {
    let staged = try stage(
      StagingRequest(
        spec: spec, directory: work, layers: cache?.appending("layers"), workers: workers,
        epoch: epoch, output: place.path, packer: "onefold \(version)",
        admit: policy.checkHashes),
      progress: say)
    let name = Path([UInt8](output.lastComponent))
    let packed = work.appending("packed").appending(name.bytes)
    var (added, warnings) = try makeInventory(staged)
    let summary = try pack(staged, adding: added, to: packed)
    let payload = try Payload.open(packed)
    let weight = try PackedWeight(payload)
    try policy.checkFile(payload, weight)
    warnings += policy.warnings
    let (smoke, untested) = try test(packed, staged, work)
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    try place.checkAgain()
    try DirectoryHandle.current.rename(packed, to: place.path)
    return Result(
      staged: staged, summary: summary, weight: weight, smoke: smoke, untested: untested,
      warnings: warnings)
  }

  private func say(_ text: String) { writeMessage("onefold pack: \(text)\n") }

  /// The software bill of materials, after it was checked; nil if none is wanted.
  private func makeInventory(_ staged: StagedApplication) throws(Failure) -> (
    AddedFile?, warnings: [String]
  ) {
    guard documents.isWanted || policy.needsInventory else {
      try policy.checkTree(staged, nil)
      return (nil, [])
    }
    var builder = try staged.inventory(name: spec.app.name.value, version: spec.app.version)
    let file = builder.file(
      for: bootloader, documents, time: staged.releaseTime,
      try staged.provenance() + epochProperty(epoch))
    try policy.checkTree(staged, builder.inventory)
    let unused = policy.unusedExceptions(builder.inventory)
    return documents.isWanted ? (file, builder.warnings + unused) : (nil, unused)
  }

  private func pack(_ staged: StagedApplication, adding added: AddedFile?, to packed: Path)
    throws(Failure) -> PackSummary
  {
    try DirectoryHandle.current.createDirectory(packed.parent, mode: 0o755)
    say("compressing")
    let progress = newProgress()
    defer { progress?.finish() }
    let request = PackRequest(
      tree: staged.tree, output: packed, bootloader: bootloader, record: record(staged),
      compression: compression, workers: workers, frameCache: cache?.appending("frames"),
      remoteCache: remote, releaseTime: staged.releaseTime, added: added)
    return try packTree(request) { phase, done, total in
      progress?.show(phase == .reading ? "reading" : "compressing", done: done, total: total)
    }
  }

  private func record(_ staged: StagedApplication) -> LaunchRecord {
    var record = LaunchRecord(
      name: [UInt8](spec.app.name.value.utf8), entry: [UInt8](staged.entry.utf8), target: [])
    record.version = [UInt8](spec.app.version.utf8)
    record.arguments = staged.arguments.map { [UInt8]($0.utf8) }
    record.variables = staged.variables.map { [UInt8]("\($0.name)=\($0.value)".utf8) }
    record.removedVariables = staged.removedVariables.map { [UInt8]($0.utf8) }
    record.packer = [UInt8]("onefold \(version)".utf8)
    record.glibc = staged.report.glibc
    record.check = spec.launch.check
    record.keepDays = spec.launch.keep
    record.parentDeath = spec.launch.dieWithParent
    record.reuse = spec.launch.reuse
    if let listen = spec.launch.listen {
      record.listen = [UInt8](listen.address.utf8)
      record.handover = listen.handover
      record.takenAddress = listen.ifTaken
    }
    record.instance = spec.launch.instance
    record.instanceKey = [UInt8](spec.launch.instanceKey.utf8)
    record.commands = staged.commands.map {
      LaunchRecord.Command(
        name: [UInt8]($0.name.utf8), entry: [UInt8]($0.entry.utf8),
        arguments: $0.arguments.map { [UInt8]($0.utf8) })
    }
    return record
  }

  /// Tests the packed file, or says why nothing was tested.
  private func test(_ packed: Path, _ staged: StagedApplication, _ work: Path) throws(Failure)
    -> (SmokeReport?, untested: String?)
  {
    guard !arguments.has("--no-smoke") else { return (nil, "--no-smoke") }
    let request = SmokeRequest(
      spec: spec, onefile: packed, staged: staged, scratch: work.appending("smoke"))
    if let why = try whyUntestable(request) { return (nil, why) }
    return (try runSmokeTests(request, progress: say), nil)
  }

  // MARK: Report

  func report(_ result: Result, _ milliseconds: UInt64) throws(Failure) {
    let warnings =
      result.staged.report.warnings + result.warnings + (result.smoke?.warnings ?? [])
    for warning in warnings + result.summary.warnings.map(\.string) {
      writeWarning("onefold pack", warning)
    }
    if arguments.has("--json") {
      var members = packMembers(
        output: output, name: [UInt8](spec.app.name.value.utf8),
        version: [UInt8](spec.app.version.utf8), compression: compression,
        summary: result.summary, milliseconds: milliseconds)
      members += stagingMembers(result.staged.report)
      members.append(("policy", policy.json))
      members.append(("warnings", .array(warnings.map { .string($0) })))
      members.append(("smoke", result.smoke.map { smokeMembers($0) } ?? .null))
      members.append(("untested", result.untested.map { .string($0) } ?? .null))
      members.append(("smoke_command", smokeCommand(result).map { .string($0) } ?? .null))
      members.append(("sizes", json(result.weight.sizes)))
      members.append(("surprises", json(result.weight.surprises)))
      try writeData(JSON.object(members).encoded)
    } else {
      writeMessage(
        text(result.weight.sizes, all: false) + packText(output, result.summary, milliseconds)
          + stagingText(result.staged.report) + policy.text + smokeText(result)
          + surpriseText(result.weight.surprises, hasSpec: true))
    }
  }

  private func stagingText(_ report: StagingReport) -> String {
    guard !report.pythonVersion.isEmpty else { return "" }
    var text = "  Python \(report.pythonVersion), \(counted(report.distributions, "distribution"))"
    text += report.reusedLayer ? " (staged before)\n" : "\n"
    if !spec.dependencies.packages.isEmpty {
      text += "  not locked: each build chooses the versions of dependencies anew\n"
    }
    if !report.excluded.isEmpty {
      text += "  left out: \(report.excluded.joined(separator: ", "))\n"
    }
    text += prunedText(report.pruned, compiles: report.compiles)
    text +=
      "  stripped \(counted(report.strippedBytes, "byte"))\n" + unstrippedText(report.unstripped)
    if let why = report.frozen { text += "  sys.frozen is set, because \(why)\n" }
    if spec.target != .native { text += "  for \(spec.target.name)\n" }
    return text + glibcText(report.glibc)
  }

  /// The summary of pruning, with a line for each owner that lost the most bytes.
  private func prunedText(_ rows: [PrunedRow], compiles: String?) -> String {
    let (files, bytes) = sums(rows)
    var text = "  removed \(counted(files, "file")), \(counted(bytes, "byte"))\n"
    func line(_ files: UInt64, _ bytes: UInt64, _ name: String) -> String {
      column("\(megabytes(bytes)) MB", 12) + column(grouped(files).string, 10) + "  \(name)\n"
    }
    for row in rows.prefix(5) { text += line(UInt64(row.files), row.bytes, row.name) }
    let rest = rows.dropFirst(5)
    if !rest.isEmpty {
      let (files, bytes) = sums(Array(rest))
      text += line(files, bytes, counted(rest.count, "other").string)
    }
    if let compiles {
      text += "  the interpreter's headers stay: \(escapedText([UInt8](compiles.utf8))) uses them\n"
    }
    return text
  }

  private func sums(_ rows: [PrunedRow]) -> (files: UInt64, bytes: UInt64) {
    (rows.reduce(0) { $0 + UInt64($1.files) }, rows.reduce(0) { $0 + $1.bytes })
  }

  /// A line for each reason.
  private func unstrippedText(_ files: [RelocationReport.Unstrippable]) -> String {
    Set(files.map(\.reason)).sorted().map { reason in
      let some = files.filter { $0.reason == reason }
      let more = some.count > 1 ? " and \(some.count - 1) more" : ""
      let path = escapedText([UInt8](some[0].path.bytes))
      return "  not stripped: \(path)\(more): it \(reason)\n"
    }.joined()
  }

  private func smokeText(_ result: Result) -> String {
    if let smoke = result.smoke {
      let tested =
        "  tested: \(counted(smoke.imports, "import")), \(counted(smoke.commands, "command")), "
        + "\(counted(smoke.requests, "request"))\n"
      let cure = "add [[smoke.command]] or [smoke.http] to the spec\n"
      switch smoke.application {
      case .started: return tested
      case .imported:
        return tested + "  not tested: the application was imported, but not started; \(cure)"
      case .untested: return tested + "  not tested: the application itself; \(cure)"
      }
    }
    let command = smokeCommand(result).map { "  to test it there: \($0)\n" } ?? ""
    return "  not tested (\(result.untested ?? ""))\n\(command)"
  }

  /// The command that tests the file on a machine of its target; nil if this machine tested it or can test it.
  private func smokeCommand(_ result: Result) -> String? {
    guard result.smoke == nil, spec.target != .native else { return nil }
    return result.staged.smokeCommand(Path([UInt8](output.lastComponent)))
  }

  private func stagingMembers(_ report: StagingReport) -> [(String, JSON)] {
    let (files, bytes) = sums(report.pruned)
    return [
      ("target", .string(spec.target.name)),
      ("python", .string(report.pythonVersion)),
      ("interpreter", .string(report.interpreter)),
      ("installer", .string(report.installer)),
      ("distributions", .number(UInt64(report.distributions))),
      ("excluded", .array(report.excluded.map { .string($0) })),
      ("pruned_files", .number(files)),
      ("pruned_bytes", .number(bytes)),
      (
        "pruned",
        .array(
          report.pruned.map { row in
            .object([
              ("name", .string(row.name)), ("files", .number(UInt64(row.files))),
              ("bytes", .number(row.bytes)),
            ])
          })
      ),
      ("headers_used_by", report.compiles.map { .string($0) } ?? .null),
      ("stripped_bytes", .number(report.strippedBytes)),
      (
        "unstripped",
        .array(
          report.unstripped.map { file in
            .object(
              JSON.members(path: [UInt8](file.path.bytes), name: "path")
                + [("reason", .string(file.reason))])
          })
      ),
      ("copied_libraries", .array(report.copiedLibraries.map { .string($0.name) })),
    ] + glibcMembers(report.glibc) + [
      ("frozen", report.frozen.map { .string($0) } ?? .null),
      ("reused_layer", .bool(report.reusedLayer)),
    ]
  }

  private func smokeMembers(_ smoke: SmokeReport) -> JSON {
    .object([
      ("imports", .number(UInt64(smoke.imports))),
      ("commands", .number(UInt64(smoke.commands))),
      ("requests", .number(UInt64(smoke.requests))),
      ("application", .string(smoke.application.rawValue)),
      (
        "written",
        .array(
          smoke.written.map { file in
            .object([
              ("path", .string(file.path)), ("packed", .bool(file.isPacked)),
              ("writer", file.writer.map { .string($0) } ?? .null),
              ("distribution", file.distribution.map { .string($0) } ?? .null),
            ])
          })
      ),
      (
        "libraries",
        .array(
          smoke.libraries.map { library in
            .object([
              ("name", .string(library.name)), ("path", .string(library.path)),
              ("distributions", .array(library.distributions.map { .string($0) })),
            ])
          })
      ),
    ])
  }
}
