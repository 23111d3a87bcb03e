import Launcher
import PayloadFormat
import PayloadReader
public import Posix
import Processes
import Reporting

/// Measures the programs of the settings, and removes everything it created.
///
/// `progress` is called with the current step.
///
/// - Precondition: termination signals are held (`TerminationSignals.hold`).
///
/// - Throws: a failure if a program cannot be started, ends with a wrong status or does not answer in time;
///   `interrupted` after ending all programs. Its caches are removed then too.
public func measure(_ settings: BenchSettings, progress: (String) -> Void) throws(Failure)
  -> BenchReport
{
  let directory = settings.directory ?? defaultDirectory()
  let workspace = try Workspace(in: directory)
  var benchmark = try Benchmark(settings, workspace, progress)
  let report = try benchmark.run(progress)
  try workspace.remove()
  return report
}

private func defaultDirectory() -> Path {
  let given = ProcessContext.environment("TMPDIR") ?? Path()
  return given.isEmpty ? Path("/var/tmp") : given
}

/// One of the compared programs.
private struct Contender {
  enum Kind {
    /// `tree` is the unpacked entry with the environment and arguments of a launch.
    case onefile(Payload, tree: Program)
    case command
  }

  var name: String
  var kind: Kind
  var program: Path
  var arguments: [Path]
  var facts: [BenchReport.Fact]
  /// The cache of the warm launches; nil for none.
  var warmCache: Path?
  var rounds: [[String: Double]] = []
  var coldTraces: [LaunchTrace] = []
  var warmTraces: [LaunchTrace] = []
}

private struct Benchmark {
  let settings: BenchSettings
  let workspace: Workspace
  let launcher: Launcher
  /// The environment without variables of a single launch, and with those of the settings.
  let environment: [Path]
  var contenders: [Contender] = []
  var notes: [String] = []
  /// The state of the page cache before cold launches, for the report.
  var pageCache = "warm: nothing was done to it"

  // MARK: Preparation

  init(_ settings: BenchSettings, _ workspace: Workspace, _ progress: (String) -> Void)
    throws(Failure)
  {
    self.settings = settings
    self.workspace = workspace
    launcher = Launcher(settings: settings)
    var environment = ProcessContext.environmentEntries()
    for name in Program.ownVariables { environment.removeVariable(name.bytes) }
    for variable in settings.variables { environment.setVariable(variable) }
    self.environment = environment
    for path in settings.onefiles { try add(onefile: path, progress) }
    for command in settings.commands { try add(command: command, progress) }
    nameApart()
  }

  private mutating func add(onefile given: Path, _ progress: (String) -> Void) throws(Failure) {
    progress("preparing \(escapedText(given.bytes))")
    let path = try realPath(given)
    let payload = try Payload.open(path)
    let manifest = try payload.readManifest()
    let cache = try workspace.makeDirectory("warm-\(contenders.count)")
    let name = escapedText(given.lastComponent).string
    let tree = try unpack(path, name, cache)
    let program = Program(
      payload.record, root: tree, executable: path, [path] + settings.arguments,
      environment: self.environment(cache: cache))
    let size = (try? FileDescriptor.open(path, .read).status().size) ?? 0
    var facts = [
      BenchReport.Fact("file_bytes", "file", Unit.bytes.text(Double(size))),
      BenchReport.Fact(
        "tree", "tree",
        "\(counted(manifest.fileCount, "file")), "
          + Unit.bytes.text(Double(manifest.contentLength))),
      BenchReport.Fact("tree_id", "tree id", hexText(payload.treeID.bytes.prefix(16)).string),
    ]
    let version = escapedText(payload.record.version).string
    let title = escapedText(payload.record.name).string
    facts.insert(
      BenchReport.Fact(
        "application", "application", version.isEmpty ? title : "\(title) \(version)"),
      at: 0)
    contenders.append(
      Contender(
        name: name, kind: .onefile(payload, tree: program),
        program: path, arguments: settings.arguments, facts: facts, warmCache: cache))
  }

  private mutating func add(command: [Path], _ progress: (String) -> Void) throws(Failure) {
    var contender = Contender(
      name: escapedText(command[0].lastComponent).string, kind: .command, program: command[0],
      arguments: Array(command.dropFirst()) + settings.arguments, facts: [], warmCache: nil)
    progress("preparing \(contender.name)")
    if settings.cacheVariables.isEmpty && settings.reset == nil {
      notes.append(
        "Cold launches of \(contender.name) are not measured: neither --cache-variable nor --reset "
          + "tells how to make them.")
    } else {
      contender.warmCache = try workspace.makeDirectory("warm-\(contenders.count)")
    }
    // This launch fills the cache for the warm ones.
    try launch(contender, cache: contender.warmCache)
    contenders.append(contender)
  }

  /// Launches once, as a user does, and returns the directory of the tree.
  ///
  /// `ONEFOLD=prewarm` would mark the tree as durable, so that later launches would do less than those of most users.
  private func unpack(_ onefile: Path, _ name: String, _ cache: Path) throws(Failure) -> Path {
    let environment = self.environment(cache: cache)
    _ = try launcher.launch(
      name, program: onefile, arguments: settings.arguments, environment: environment)
    let command = Subprocess(onefile, [], environment: environment + [Path("ONEFOLD=path")])
    let result = try command.run()
    if case .interrupted(let signal) = result.end { throw .interrupted(signal: signal) }
    guard result.succeeded, let line = result.output.split(separator: UInt8(ascii: "\n")).first
    else {
      throw .failed("\(onefile.quoted) does not tell its tree: \(lastLines(result.errors))")
    }
    return Path([UInt8](line))
  }

  /// The value of `{exe}` in a launch, which is never a symlink.
  private func realPath(_ path: Path) throws(Failure) -> Path {
    let file = try FileDescriptor.open(path, .read)
    let link = Path("/proc/self/fd/\(file.rawValue)")
    return try DirectoryHandle.current.symlinkTarget(of: link)
  }

  /// Makes names unique: duplicates get a number.
  private mutating func nameApart() {
    var counts: [String: Int] = [:]
    for index in contenders.indices {
      let name = contenders[index].name
      counts[name, default: 0] += 1
      if let count = counts[name], count > 1 { contenders[index].name = "\(name) (\(count))" }
    }
  }

  private func environment(cache: Path) -> [Path] {
    var result = environment
    result.setVariable(Path("ONEFOLD_CACHE=" as StaticString).appendingBytes(cache.bytes))
    // So that no instance that runs already is found.
    result.setVariable(Path("XDG_RUNTIME_DIR=" as StaticString).appendingBytes(cache.bytes))
    return result
  }

  // MARK: Rounds

  mutating func run(_ progress: (String) -> Void) throws(Failure) -> BenchReport {
    let loadBefore = loadAverage()
    let machine = machineFacts(directory: workspace.path)
    for round in 0..<settings.warmUp + settings.rounds {
      let isWarmUp = round < settings.warmUp
      for step in contenders.indices {
        // Each one comes first equally often.
        let index = (step + round) % contenders.count
        let number =
          isWarmUp ? "warm-up" : "round \(round - settings.warmUp + 1) of \(settings.rounds)"
        progress("\(number): \(contenders[index].name)")
        let samples = try measureRound(index, round)
        if !isWarmUp { contenders[index].rounds.append(samples) }
      }
      if !isWarmUp { compareWithFirst() }
      if isWarmUp {
        for index in contenders.indices {
          contenders[index].coldTraces = []
          contenders[index].warmTraces = []
        }
      }
    }
    if settings.countsCalls { try countCalls(progress) }
    return makeReport(machine, loadBefore)
  }

  private mutating func measureRound(_ index: Int, _ round: Int) throws(Failure)
    -> [String: Double]
  {
    let contender = contenders[index]
    var samples: [String: Double] = [:]
    if canBeCold(contender) {
      let cache = try workspace.makeDirectory("cold")
      try makeCold(contender)
      let outcome = try launch(contender, cache: cache)
      samples.add("cold", outcome)
      let written = try Written(below: cache)
      if contender.isOnefile || !settings.cacheVariables.isEmpty {
        samples["written-files"] = Double(written.files)
        samples["written-bytes"] = Double(written.bytes)
      }
      if contender.isOnefile {
        _ = try workspace.makeDirectory("cold")
        try makeCold(contender)
        if let trace = try trace(contender, cache: cache) {
          contenders[index].coldTraces.append(trace)
          samples.merge(trace.samples(isCold: true)) { $1 }
        }
      }
      // Remove the cold cache: until its data is on the disk, writing it would slow the warm launches down.
      _ = try workspace.makeDirectory("cold")
    }
    // Alternate which one follows the cold launches.
    for isDirect in round % 2 == 0 ? [false, true] : [true, false] {
      if isDirect {
        guard case .onefile(_, let tree) = contender.kind else { continue }
        let name = "the unpacked entry of \(contender.name)"
        samples.add(
          "direct",
          try launcher.launch(
            name, program: tree.entry, arguments: Array(tree.arguments.dropFirst()),
            environment: tree.environment)
        )
      } else {
        samples.add("warm", try launch(contender, cache: contender.warmCache))
      }
    }
    if contender.isOnefile, let cache = contender.warmCache,
      let trace = try trace(contender, cache: cache)
    {
      contenders[index].warmTraces.append(trace)
      samples.merge(trace.samples(isCold: false)) { $1 }
    }
    if let direct = samples["direct"], direct > 0 {
      for kind in ["cold", "warm"] {
        guard let time = samples[kind] else { continue }
        samples["\(kind)-overhead"] = time - direct
        samples["\(kind)-to-direct"] = time / direct
      }
    }
    return samples
  }

  /// Adds the ratios of the last round.
  private mutating func compareWithFirst() {
    for kind in ["cold", "warm"] {
      guard let first = contenders[0].rounds.last?[kind], first > 0 else { continue }
      for index in contenders.indices.dropFirst() {
        let last = contenders[index].rounds.count - 1
        if let time = contenders[index].rounds[last][kind] {
          contenders[index].rounds[last]["\(kind)-to-first"] = time / first
        }
      }
    }
  }

  // MARK: Launches

  private func canBeCold(_ contender: Contender) -> Bool {
    contender.isOnefile || contender.warmCache != nil
  }

  /// Launches with this cache; nil if there is no way to give the program one.
  @discardableResult
  private func launch(_ contender: Contender, cache: Path?, countsCalls: Bool = false)
    throws(Failure) -> Launcher.Outcome
  {
    var variables = environment
    if contender.isOnefile {
      if let cache { variables = environment(cache: cache) }
    } else if let cache {
      for (number, name) in settings.cacheVariables.enumerated() {
        let directory = cache.appending("\(number)")
        if try DirectoryHandle.current.statusIfExists(of: directory) == nil {
          try DirectoryHandle.current.createDirectory(directory, mode: 0o700)
        }
        variables.setVariable(name.appendingBytes("=".utf8).appendingBytes(directory.bytes))
      }
    }
    return try launcher.launch(
      contender.name, program: contender.program, arguments: contender.arguments,
      environment: variables, countsCalls: countsCalls)
  }

  /// Nil if the onefile's bootloader predates traces.
  private mutating func trace(_ contender: Contender, cache: Path) throws(Failure)
    -> LaunchTrace?
  {
    let file = workspace.path.appending("trace")
    try removeTree(file, in: .current)
    let variable = Path("ONEFOLD_TRACE=" as StaticString).appendingBytes(file.bytes)
    _ = try launcher.launch(
      contender.name, program: contender.program, arguments: contender.arguments,
      environment: environment(cache: cache) + [variable])
    guard try DirectoryHandle.current.statusIfExists(of: file) != nil else {
      let note =
        "Phases of \(contender.name) are missing: its bootloader writes no trace. Pack it again."
      if !notes.contains(note) { notes.append(note) }
      return nil
    }
    let opened = try FileDescriptor.open(file, .read)
    let bytes = try opened.bytes(at: 0, count: Int(try opened.status().size))
    guard let trace = LaunchTrace(parsing: bytes) else {
      throw .failed("\(contender.name) wrote a trace that can't be read")
    }
    return trace
  }

  /// Prepares a cold launch, apart from its empty cache.
  private mutating func makeCold(_ contender: Contender) throws(Failure) {
    if let reset = settings.reset, !contender.isOnefile {
      let command = Subprocess(
        Path("/bin/sh"), [Path("-c"), reset], environment: environment, timeout: settings.timeout)
      let result = try command.run()
      switch result.end {
      case .exited(0): break
      case .interrupted(let signal): throw .interrupted(signal: signal)
      case .timedOut: throw .failed("'--reset' has not ended after \(settings.timeout) s")
      case .exited(let status):
        throw .failed("'--reset' \(endText(status)): \(lastLines(result.errors))")
      }
    }
    guard settings.dropsPageCache else { return }
    do throws(Failure) {
      try PageCache.dropAll()
      pageCache = "dropped before each cold launch, all of it (/proc/sys/vm/drop_caches)"
    } catch {
      guard contender.isOnefile else { return }
      // Without permission to drop everything, drop at least the file itself.
      try PageCache.drop(contender.program)
      let left = (try? PageCache.cachedBytes(of: contender.program)) ?? 0
      pageCache =
        "of the onefile alone dropped before each cold launch (posix_fadvise), "
        + "\(Unit.bytes.text(Double(left))) of it stayed: \(error.errno.description)"
    }
  }

  // MARK: System calls

  /// Runs once per kind of launch: counts vary little, and traced launches are slow.
  private mutating func countCalls(_ progress: (String) -> Void) throws(Failure) {
    for index in contenders.indices {
      let contender = contenders[index]
      progress("counting system calls: \(contender.name)")
      var samples: [String: Double] = [:]
      do throws(Failure) {
        if canBeCold(contender) {
          let cache = try workspace.makeDirectory("cold")
          try makeCold(contender)
          let usage = try launch(contender, cache: cache, countsCalls: true).usage
          samples.add(calls: "cold", usage, contender.isOnefile)
          _ = try workspace.makeDirectory("cold")
        }
        let usage = try launch(contender, cache: contender.warmCache, countsCalls: true).usage
        samples.add(calls: "warm", usage, contender.isOnefile)
        if case .onefile(_, let tree) = contender.kind {
          let direct = try launcher.launch(
            "the unpacked entry of \(contender.name)", program: tree.entry,
            arguments: Array(tree.arguments.dropFirst()), environment: tree.environment,
            countsCalls: true)
          samples.add(calls: "direct", direct.usage, false)
        }
      } catch {
        guard error.description.string == Launcher.noTracing else { throw error }
        notes.append("System calls are missing: this process may not trace others here (ptrace).")
        return
      }
      let last = contenders[index].rounds.count - 1
      contenders[index].rounds[last].merge(samples) { $1 }
    }
  }

  // MARK: Report

  private func makeReport(_ machine: [BenchReport.Fact], _ loadBefore: String?) -> BenchReport {
    var method = [
      BenchReport.Fact(
        "timed", "timed",
        settings.http.map { "until the first answer to GET \($0) with a status of 200 to 299" }
          ?? "until the program has ended"),
      BenchReport.Fact(
        "rounds", "rounds", "\(settings.rounds), after \(settings.warmUp) that do not count"),
      BenchReport.Fact("page_cache", "page cache", pageCache),
    ]
    if let loadBefore, let loadAfter = loadAverage() {
      method.append(BenchReport.Fact("load", "load", "\(loadBefore) before, \(loadAfter) after"))
    }
    var notes = notes
    let floor = contenders.flatMap(\.rounds).compactMap { $0["memory-floor"] }.max() ?? 0
    // Executing the program takes a few more pages.
    let isHidden = contenders.flatMap(\.rounds).contains { round in
      ["cold", "warm", "direct"].contains {
        round["\($0)-memory"].map { $0 < floor * 1.05 } ?? false
      }
    }
    if isHidden {
      notes.append(
        "Peak memory of less than \(Unit.bytes.text(floor * 1.05)) can't be told apart: about so much "
          + "has a process before it executes the program.")
    }
    return BenchReport(
      untilAnswer: settings.http != nil, rounds: settings.rounds, warmUp: settings.warmUp,
      machine: machine, method: method, subjects: contenders.map(subject), notes: notes)
  }

  private func subject(_ contender: Contender) -> BenchReport.Subject {
    var subject = BenchReport.Subject(
      name: contender.name, isOnefile: contender.isOnefile,
      command: ([contender.program] + contender.arguments).map { escapedText($0.bytes).string },
      facts: contender.facts, rounds: contender.rounds)
    subject.coldTrace = typical(contender.coldTraces)
    subject.warmTrace = typical(contender.warmTraces)
    return subject
  }

  /// The trace whose duration is nearest to the median.
  private func typical(_ traces: [LaunchTrace]) -> LaunchTrace? {
    guard let middle = Summary(traces.map(\.duration))?.median else { return nil }
    return traces.min { abs($0.duration - middle) < abs($1.duration - middle) }
  }
}

extension Contender {
  var isOnefile: Bool {
    if case .onefile = kind { return true }
    return false
  }
}

extension [String: Double] {
  fileprivate mutating func add(_ kind: String, _ outcome: Launcher.Outcome) {
    self[kind] = outcome.time
    self["\(kind)-memory"] = Double(outcome.usage.peakMemory)
    self["\(kind)-faults"] = Double(outcome.usage.minorFaults + outcome.usage.majorFaults)
    self["\(kind)-major-faults"] = Double(outcome.usage.majorFaults)
    self["memory-floor"] = Double(outcome.usage.memoryFloor)
  }

  fileprivate mutating func add(calls kind: String, _ usage: Usage, _ isOnefile: Bool) {
    self["\(kind)-calls"] = Double(usage.calls)
    if isOnefile, let calls = usage.callsUntilProgram {
      self["\(kind)-launch-calls"] = Double(calls)
    }
  }
}

extension Path {
  fileprivate func appendingBytes(_ bytes: some Sequence<UInt8>) -> Path {
    Path([UInt8](self.bytes) + bytes)
  }
}
