public import AppSpec
public import Posix

/// What to test a packed file with.
public struct SmokeRequest: Sendable {
  public var spec: Spec
  public var onefile: Path
  public var staged: StagedApplication
  /// An empty directory for the cache and the home directory of what is tested.
  public var scratch: Path

  public init(spec: Spec, onefile: Path, staged: StagedApplication, scratch: Path) {
    self.spec = spec
    self.onefile = onefile
    self.staged = staged
    self.scratch = scratch
  }
}

/// What was tested, and that it passed.
public struct SmokeReport: Sendable {
  public var imports = 0
  public var commands = 0
  public var requests = 0
}

/// Runs the spec's smoke tests from the packed file, which unpacks itself to a cache of its own first. Every failure of
/// imports is reported, else the first.
public func runSmokeTests(_ request: SmokeRequest, progress: (String) -> Void) throws(StagingError)
  -> SmokeReport
{
  var report = SmokeReport()
  let test = try SmokeTest(request)
  if request.spec.smoke.imports {
    report.imports = try test.importModules(progress)
  }
  for command in request.spec.smoke.commands {
    progress("smoke test: \(command.arguments.joined(separator: " "))")
    try test.run(command)
    report.commands += 1
  }
  if let http = request.spec.smoke.http {
    progress("smoke test: GET \(http.path)")
    try test.ask(http)
    report.requests += 1
  }
  return report
}

private struct SmokeTest {
  let request: SmokeRequest
  let onefile: Path
  let environment: [String]
  /// The tree that the onefile unpacked.
  let tree: Path

  private var smoke: Spec.Smoke { request.spec.smoke }
  private var interpreter: Path { tree.appending(request.staged.interpreter) }

  init(_ request: SmokeRequest) throws(StagingError) {
    self.request = request
    onefile = ProcessContext.absolutePath(request.onefile)
    let scratch = ProcessContext.absolutePath(request.scratch)
    let home = scratch.appending("home").string
    try createDirectories(Path(home))
    // The tests must neither see nor change what the user of this machine has.
    environment = [
      "ONEFOLD_CACHE=\(scratch.string)/cache", "HOME=\(home)", "XDG_CACHE_HOME=\(home)/.cache",
      "XDG_CONFIG_HOME=\(home)/.config", "XDG_DATA_HOME=\(home)/.local/share",
      "XDG_STATE_HOME=\(home)/.local/state",
    ]
    let result = try runProgram(
      onefile, [], environment: cleanEnvironment(adding: environment + ["ONEFOLD=prewarm"]),
      directory: Path(home))
    guard result.succeeded, let line = result.output.split(separator: UInt8(ascii: "\n")).first
    else {
      throw .failed(nil, "the packed file does not unpack itself:\n\(lastLines(result.errors))")
    }
    tree = Path([UInt8](line))
  }

  private func start(_ arguments: [String], adding more: [String] = [], timeout: Int?) -> Subprocess
  {
    Subprocess(
      onefile, arguments.map { Path($0) },
      environment: cleanEnvironment(adding: environment + more),
      directory: request.scratch.appending("home"), timeout: timeout)
  }

  // MARK: Imports

  /// Imports the modules of all distributions, and returns how many they were.
  func importModules(_ progress: (String) -> Void) throws(StagingError) -> Int {
    let skipped = Set(smoke.skipImports.map(\.value))
    var modules: [(name: String, distribution: String)] = []
    for distribution in request.staged.distributions {
      for module in distribution.modules where !skipped.contains(module) {
        modules.append((module, "\(distribution.name) \(distribution.version)"))
      }
    }
    var failures: [String] = []
    var rest = modules[...]
    while !rest.isEmpty {
      progress("smoke test: importing \(modules.count) modules")
      let (done, problems) = try importSome(rest.map(\.name))
      for (index, problem) in problems.sorted(by: { $0.key < $1.key }) {
        let module = rest[rest.startIndex + index]
        failures.append("  \(module.name) (\(module.distribution)): \(problem)")
      }
      rest = rest.dropFirst(max(done, 1))
    }
    guard failures.isEmpty else {
      throw .failed(
        smoke.skipImports.first?.place ?? request.spec.place,
        "\(failures.count) of \(modules.count) modules can't be imported from the packed file: add what they "
          + "need, exclude their distribution, or name them in smoke.skip-imports\n"
          + failures.joined(separator: "\n"))
    }
    return modules.count
  }

  /// Imports in one process. Returns how many were tried before it ended, and what went wrong with which.
  private func importSome(_ names: [String]) throws(StagingError) -> (Int, [Int: String]) {
    let arguments = ["-I", "-B", "-c", Helper.imports, "\(smoke.timeout)"] + names
    let variables = request.staged.variables.map { "\($0.name)=\($0.value)" }
    let result = try runProgram(
      interpreter, arguments.map { Path($0) },
      environment: cleanEnvironment(adding: environment + variables),
      directory: request.scratch.appending("home"))
    let lines = result.output.split(separator: UInt8(ascii: "\n")).map {
      String(decoding: $0, as: UTF8.self)
    }
    var problems: [Int: String] = [:]
    var index = 0
    var line = 0
    while line < lines.count {
      let verdict = line + 1 < lines.count ? lines[line + 1] : nil
      if let verdict, verdict.hasPrefix("failed ") {
        problems[index] = String(verdict.dropFirst("failed ".count))
      } else if verdict == nil {
        problems[index] =
          "the interpreter ended: \(endText(result))\n\(lastLines(result.errors, count: 8))"
      }
      index += 1
      line += 2
    }
    if lines.isEmpty {
      throw .failed(nil, "the packed interpreter does not start:\n\(lastLines(result.errors))")
    }
    return (index, problems)
  }

  // MARK: Commands

  func run(_ command: Spec.Smoke.Command) throws(StagingError) {
    let process = start(command.arguments, timeout: smoke.timeout)
    let result = try system { () throws(SystemError) in try process.run() }
    let text = command.arguments.joined(separator: " ")
    if case .interrupted(let signal) = result.end { throw .interrupted(signal: signal) }
    guard result.end == .exited(Int32(command.status)) else {
      throw .failed(
        command.place,
        "smoke test '\(text)' should end with status \(command.status): it \(endText(result))\n"
          + lastLines(result.output + result.errors))
    }
    if let wanted = command.output, !contains(result.output, wanted),
      !contains(result.errors, wanted)
    {
      throw .failed(
        command.place,
        "smoke test '\(text)' does not print '\(wanted)':\n\(lastLines(result.output + result.errors))"
      )
    }
  }

  private func endText(_ result: Subprocess.Result) -> String {
    switch result.end {
    case .exited(let status) where status > 128: "was ended by signal \(status - 128)"
    case .exited(let status): "ended with status \(status)"
    case .timedOut: "did not end within \(smoke.timeout) s (smoke.timeout)"
    case .interrupted(let signal): "was ended by signal \(signal)"
    }
  }

  // MARK: HTTP

  func ask(_ http: Spec.Smoke.HTTP) throws(StagingError) {
    let free = try runHelper(interpreter, Helper.request, [Path("port")])
    let port = String(decoding: free.output, as: UTF8.self).filter(\.isNumber)
    func filled(_ text: String) -> String {
      var parts = text[...].utf8.split(
        separator: UInt8(ascii: "{"), omittingEmptySubsequences: false
      )
      .map { String($0)! }
      for index in parts.indices.dropFirst() {
        parts[index] =
          parts[index].hasPrefix("port}") ? port + parts[index].dropFirst(5) : "{" + parts[index]
      }
      return parts.joined()
    }
    let variables = http.environment.map { "\($0.name)=\(filled($0.value))" }
    let program = start(http.arguments.map(filled), adding: variables, timeout: nil)
    var server = try system { () throws(SystemError) in try program.start() }
    let problem = try poll(http, "http://127.0.0.1:\(port)\(http.path)", &server)
    let ended = try system { () throws(SystemError) in try server.terminate(within: 10) }
    let result = try system { () throws(SystemError) in try server.result(.exited(ended ?? 0)) }
    if let problem {
      throw .failed(
        http.place,
        "smoke test: the server did not answer as it should: \(problem)\n  its last lines:\n"
          + lastLines(result.output + result.errors))
    }
    if ended == nil {
      throw .failed(
        http.place,
        "smoke test: the server did not end within 10 s after SIGTERM\n"
          + lastLines(result.output + result.errors))
    }
  }

  /// Asks until there is an answer; returns what is wrong with it.
  private func poll(_ http: Spec.Smoke.HTTP, _ url: String, _ server: inout RunningProcess)
    throws(StagingError) -> String?
  {
    let end = MonotonicClock.now + Int64(smoke.timeout) * 1_000_000_000
    var last = "no answer"
    while MonotonicClock.now < end {
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      if let status = try system({ () throws(SystemError) in try server.poll() }) {
        return status > 128
          ? "it was ended by signal \(status - 128)" : "it ended with status \(status)"
      }
      let left = max(1, (end - MonotonicClock.now) / 1_000_000_000)
      let answer = try runHelper(
        interpreter, Helper.request,
        ["get", url, "\(http.status)", http.contains ?? "", "\(left)"].map { Path($0) })
      last = lastLines(answer.errors, count: 1).trimmingPrefix(while: { $0 == " " }).description
      switch answer.end {
      case .exited(0): return nil
      case .exited(3): MonotonicClock.sleep(milliseconds: 100)
      default: return last
      }
    }
    return "\(last) (after \(smoke.timeout) s, smoke.timeout)"
  }
}
