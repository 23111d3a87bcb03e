public import AppSpec
import BinaryRelocation
import BuildTools
import PayloadFormat
public import Posix
import Processes

/// The inputs of a smoke test.
public struct SmokeRequest: Sendable {
  public var spec: Spec
  public var onefile: Path
  public var staged: StagedApplication
  /// An empty directory for the cache and the home directory of the tested programs.
  public var scratch: Path

  public init(spec: Spec, onefile: Path, staged: StagedApplication, scratch: Path) {
    self.spec = spec
    self.onefile = onefile
    self.staged = staged
    self.scratch = scratch
  }
}

/// The tests that passed.
public struct SmokeReport: Sendable {
  /// The number of imported modules of distributions.
  public var imports = 0
  public var commands = 0
  public var requests = 0
  public var application = Application.untested
  /// Files that the tested programs wrote below the tree.
  public var written: [WrittenFile] = []
  /// Libraries that they took from this machine.
  public var libraries: [ForeignLibrary] = []
  /// A line for each module that cannot be imported because it needs a module that no distribution requires.
  public var lacking: [String] = []

  /// How far the application itself was tested, apart from its distributions.
  public enum Application: String, Sendable {
    /// By a command or a request.
    case started
    /// The launched function, or the imports of the script or module, were imported.
    case imported
    case untested
  }
}

/// Why this machine cannot test the packed file; nil if it can.
///
/// A machine of another target can use an emulator such as qemu-user. The kernel must start programs of the target with
/// it (binfmt_misc), and the target's loader must be available.
///
/// - Throws: a system call's failure, except for a program that this machine cannot start.
public func whyUntestable(_ request: SmokeRequest) throws(Failure) -> String? {
  let target = request.spec.target
  guard target != .native else { return nil }
  do throws(Failure) {
    let process = Subprocess(
      ProcessContext.absolutePath(request.onefile), [],
      environment: cleanEnvironment(adding: ["ONEFOLD=help"]), timeout: 60)
    _ = try process.run()
  } catch {
    guard error.errno == .execFormat else { throw error }
    return
      "this machine does not start \(target.processor) programs; qemu-user with binfmt_misc does"
  }
  guard let loader = missingLoader(request) else { return nil }
  return "there is no \(loader.quoted) on this machine; set QEMU_LD_PREFIX to a root that has it"
}

/// The entry's loader, if neither this machine nor an emulator's prefix has it.
private func missingLoader(_ request: SmokeRequest) -> Path? {
  let entry = request.staged.interpreter ?? request.staged.entry
  guard let loader = (try? ElfFile.read(request.staged.tree.appending(entry)))?.interpreter else {
    return nil
  }
  let prefixes = [Path("/")] + [emulatorPrefix(request.staged)].compactMap(\.self)
  let below = String(loader.string.drop { $0 == "/" })
  return prefixes.contains { exists($0.appending(below)) } ? nil : loader
}

/// The directory that qemu-user searches for the target's loader and libc before this machine's.
private func emulatorPrefix(_ staged: StagedApplication) -> Path? {
  ProcessContext.variable("QEMU_LD_PREFIX") ?? staged.systemRoot.map(ProcessContext.absolutePath)
}

/// Runs the spec's smoke tests from the packed file, which first unpacks itself to a separate cache.
///
/// - Parameter progress: called on this thread with the current step.
/// - Throws: the first failed test, with its line; for imports, all failures. All started processes have ended then.
public func runSmokeTests(_ request: SmokeRequest, progress: (String) -> Void) throws(Failure)
  -> SmokeReport
{
  var report = SmokeReport()
  let test = try SmokeTest(request)
  if try test.importApplication(progress) { report.application = .imported }
  if request.spec.smoke.imports, request.staged.interpreter != nil {
    (report.imports, report.lacking) = try test.importModules(progress)
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
  if report.commands + report.requests > 0 { report.application = .started }
  report.written = try test.watch.writtenFiles()
  report.libraries = test.watch.foreignLibraries(request.spec.target)
  return report
}

struct SmokeTest {
  let request: SmokeRequest
  let onefile: Path
  let environment: [String]
  /// The onefile's unpacked tree.
  let tree: Path
  let watch: TreeWatch

  var smoke: Spec.Smoke { request.spec.smoke }

  init(_ request: SmokeRequest) throws(Failure) {
    self.request = request
    onefile = ProcessContext.absolutePath(request.onefile)
    let scratch = ProcessContext.absolutePath(request.scratch)
    let home = scratch.appending("home").string
    let runtime = scratch.appending("run")
    try createDirectories(Path(home))
    // With this mode, unlike the others: instances of the program find each other there.
    try DirectoryHandle.current.createDirectory(runtime, mode: 0o700)
    // The tests must neither see nor change this user's files.
    var environment = [
      "ONEFOLD_CACHE=\(scratch.string)/cache", "HOME=\(home)", "XDG_CACHE_HOME=\(home)/.cache",
      "XDG_CONFIG_HOME=\(home)/.config", "XDG_DATA_HOME=\(home)/.local/share",
      "XDG_STATE_HOME=\(home)/.local/state", "XDG_RUNTIME_DIR=\(runtime.string)",
      // Keep the tests' changes in the tree: no repair between them.
      "ONEFOLD_CHECK=seal",
      // The environment of the tests keeps no other variable of the interpreter, so clear this one.
      "PYTHONWARNINGS=",
    ]
    if request.spec.target != .native, let prefix = emulatorPrefix(request.staged) {
      environment.append("QEMU_LD_PREFIX=\(prefix.string)")
    }
    self.environment = environment
    let result = try runProgram(
      onefile, [], environment: cleanEnvironment(adding: environment + ["ONEFOLD=prewarm"]),
      directory: Path(home))
    guard result.succeeded, let line = result.output.split(separator: UInt8(ascii: "\n")).first
    else {
      throw .failed(nil, "the packed file does not unpack itself:\n\(lastLines(result.errors))")
    }
    tree = Path([UInt8](line))
    watch = try TreeWatch(request, tree: tree)
  }

  private func start(_ arguments: [String], adding more: [String] = [], timeout: Int?) -> Subprocess
  {
    Subprocess(
      onefile, arguments.map { Path($0) },
      environment: cleanEnvironment(adding: environment + more),
      directory: request.scratch.appending("home"), timeout: timeout)
  }

  // MARK: Commands

  func run(_ command: Spec.Smoke.Command) throws(Failure) {
    let process = start(command.arguments, timeout: smoke.timeout)
    let result = try process.run()
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

  func endText(_ result: Subprocess.Result) -> String {
    switch result.end {
    case .exited(let status): Processes.endText(status)
    case .timedOut: "did not end within \(smoke.timeout) s (smoke.timeout)"
    case .interrupted(let signal): "was ended by signal \(signal)"
    }
  }

  // MARK: HTTP

  func ask(_ http: Spec.Smoke.HTTP) throws(Failure) {
    let free: Subprocess.Result
    do throws(Failure) {
      let wanted = http.port.map { [Path("\($0)")] } ?? []
      free = try runHelper(request.staged.helper, Helper.request, [Path("port")] + wanted)
    } catch {
      guard error.errno == .noSuchFile else { throw error }
      throw .failed(
        http.place,
        "smoke.http asks the server with python3, and there is none beside onefold or on the PATH: install it "
          + "(apt-get install python3), or pack with --no-smoke")
    }
    let port = String(decoding: free.output, as: UTF8.self).filter(\.isNumber)
    if let taken = http.port, free.end == .exited(4) {
      throw .failed(
        http.place,
        "smoke test: port \(taken), which the server takes by itself (smoke.http.port), is in use here: end the "
          + "program that has it, or let the server be told its port")
    }
    guard free.succeeded, !port.isEmpty else {
      throw .failed(
        http.place,
        "smoke test: no free port can be found: the helper \(endText(free))\n\(lastLines(free.errors))"
      )
    }
    let placeholders = Placeholders([("port", [UInt8](port.utf8))], doubled: .stay)
    let variables = http.environment.map { "\($0.name)=\(placeholders.filled($0.value))" }
    let program = start(
      http.arguments.map { placeholders.filled($0) }, adding: variables, timeout: nil)
    var server = try program.start()
    let problem = try poll(http, "http://127.0.0.1:\(port)\(http.path)", &server)
    watch.noteLibraries(ofGroup: server.group)
    let ended = try server.terminate(within: 10)
    let result = try server.result(.exited(ended ?? 0))
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

  /// Repeats the request until the server answers. Returns the problem with the answer; nil for none.
  private func poll(_ http: Spec.Smoke.HTTP, _ url: String, _ server: inout RunningProcess)
    throws(Failure) -> String?
  {
    let end = MonotonicClock.now + Int64(smoke.timeout) * 1_000_000_000
    var last = "no answer"
    while MonotonicClock.now < end {
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      if let status = try server.poll() {
        return "it \(Processes.endText(status))"
      }
      let left = max(1, (end - MonotonicClock.now) / 1_000_000_000)
      let answer = try runHelper(
        request.staged.helper, Helper.request,
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

extension Application {
  /// A module that runs the smoke tests on the target; nil if they run here or there are none.
  func targetSmokeTest() -> String? {
    guard layout.target != .native else { return nil }
    let smoke = spec.smoke
    let isFunction = if case .function = spec.launch.program.value { true } else { false }
    return filledTemplate(
      Helper.targetSmoke,
      [
        "@TIMEOUT@": "\(smoke.timeout)",
        "@FUNCTION@": pythonText(isFunction ? Self.mainModule : ""),
        "@IMPORTS@": smoke.imports ? "True" : "False",
        "@EXCLUDES@": spec.dependencies.exclude.isEmpty ? "False" : "True",
        "@SKIPPED@": pythonList(smoke.skipImports.map { pythonText($0.value) }),
        "@VARIABLES@": pythonPairs(spec.launch.environment),
        "@COMMANDS@": pythonList(
          smoke.commands.map {
            "(\(pythonList($0.arguments.map(pythonText))), \($0.status), \(pythonText($0.output ?? "")))"
          }),
        "@HTTP@": smoke.http.map(pythonRequest) ?? "None",
        "@LIST_DISTRIBUTIONS@": pythonText(Helper.distributions),
        "@IMPORT@": pythonText(Helper.imports), "@REQUEST@": pythonText(Helper.request),
      ])
  }

  private func pythonRequest(_ http: Spec.Smoke.HTTP) -> String {
    let arguments = pythonList(http.arguments.map(pythonText))
    let variables = pythonPairs(http.environment)
    let contains = pythonText(http.contains ?? "")
    let port = http.port.map(String.init) ?? "None"
    return
      "(\(arguments), \(variables), \(pythonText(http.path)), \(http.status), \(contains), \(port))"
  }

  private func pythonPairs(_ pairs: [(name: String, value: String)]) -> String {
    pythonList(pairs.map { "(\(pythonText($0.name)), \(pythonText($0.value)))" })
  }
}
