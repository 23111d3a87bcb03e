import AppSpec
import BuildTools
import PayloadFormat
import Posix
import Processes

/// A distribution installed in the tree.
struct Distribution: Sendable {
  /// Normalized (PEP 503).
  var name: String
  var version: String
  /// The name of its `.dist-info` directory.
  var directory: String
  /// Normalized names of the distributions that it requires without extras.
  var requires: [String] = []
  /// Normalized names of the distributions that its extras require.
  var optional: [String] = []
  /// Its top-level modules and packages.
  var modules: [String] = []
  /// From the tree's root.
  var files: [String] = []
  /// The entry of `direct_url.json` for an archive or a version control system, as JSON; empty if the distribution is
  /// from an index.
  var origin = ""
  /// Whether it was built from a directory or installed from a local file.
  var isLocal = false
}

/// Lists the distributions in the tree's site-packages.
func listDistributions(_ layout: Layout) throws(Failure) -> [Distribution] {
  let result = try runHelper(layout.source, Helper.distributions, [layout.sitePath])
  guard result.succeeded else {
    throw .failed(nil, "cannot list what is installed:\n\(lastLines(result.errors))")
  }
  var found: [Distribution] = []
  for (fact, value) in Facts(result.output).lines {
    switch fact {
    case "distribution":
      let parts = value.split(separator: " ", maxSplits: 2).map(String.init)
      guard parts.count == 3 else { continue }
      found.append(Distribution(name: parts[0], version: parts[1], directory: parts[2]))
    case "requires" where !found.isEmpty: found[found.count - 1].requires.append(value)
    case "optional" where !found.isEmpty: found[found.count - 1].optional.append(value)
    case "origin" where !found.isEmpty: found[found.count - 1].origin = value
    case "local" where !found.isEmpty: found[found.count - 1].isLocal = true
    case "top" where !found.isEmpty: found[found.count - 1].modules.append(value)
    case "file" where !found.isEmpty:
      let path = normalizedPath("\(layout.site)/\(value)")
      found[found.count - 1].files.append(pathBehindLink(path, layout))
    default: break
    }
  }
  return found
}

// MARK: Installing

/// pip or uv on the build machine.
struct Installer: Sendable {
  enum Kind: Sendable { case pip, uv }

  var kind: Kind
  private var program: Path
  private var prefix: [Path]
  /// The local interpreter that installs for another target.
  private var helper = Path()
  var description: String
  /// Set if the interpreter is for another target.
  var cross: CrossInstallation?

  /// Chooses the installer that the spec names.
  init(_ spec: Spec, interpreter: Interpreter) throws(Failure) {
    try self.init(choosing: spec, interpreter)
    let most = spec.glibcLimit.flatMap {
      GlibcVersion(parsing: [UInt8]($0.value.utf8).span)
    }
    cross = CrossInstallation(interpreter, most: most)
    helper = interpreter.helper
  }

  private init(choosing spec: Spec, _ interpreter: Interpreter) throws(Failure) {
    let wanted = spec.dependencies.installer
    let uv = HostProgram.uv.besideOnefold
    if wanted != .pip, let version = try Self.version(uv, [Path("--version")]) {
      self.init(kind: .uv, program: uv, prefix: [], description: version)
      return
    }
    if wanted == .uv {
      throw .failed(
        spec.place,
        "dependencies.installer is uv, but there is no uv beside onefold or on the PATH: install it (pip install uv), "
          + "or set dependencies.installer to pip")
    }
    let module = [Path("-I"), Path("-m"), Path("pip")]
    let candidates: [(Path, [Path])] =
      interpreter.foreign == nil
      ? (interpreter.hasPip ? [(interpreter.executable, module)] : [])
        + [
          // The pip in onefold's own environment, which may be missing on the PATH.
          (HostProgram.python3.besideOnefold, module),
          (HostProgram.python3.path, module), (Path("pip3"), []), (HostProgram.pip.path, []),
        ]
      : [
        (interpreter.helper, module), (HostProgram.python3.besideOnefold, module),
        (HostProgram.python3.path, module),
      ]
    var old: String? = nil
    for (program, prefix) in candidates {
      let question = prefix.isEmpty ? [Path("--version")] : Self.pipVersion
      guard let version = try Self.version(program, question) else { continue }
      // pip supports --python since 22.3.
      let number = version.split(separator: " ").dropFirst().first ?? ""
      let parts = number.split(separator: ".").map { Int($0) ?? 0 }
      if parts.count > 1, (parts[0], parts[1]) >= (22, 3) {
        let short = version.split(separator: " ").prefix(2).joined(separator: " ")
        self.init(kind: .pip, program: program, prefix: prefix, description: short)
        return
      }
      old = version
    }
    throw .failed(
      spec.place,
      old.map {
        "'\($0)' is too old: pip 22.3 or newer is needed (python3 -m pip install --upgrade pip)"
      }
        ?? "there is no pip and no uv on this machine: install one (python3 -m ensurepip, or apt-get install python3-pip)"
    )
  }

  private init(kind: Kind, program: Path, prefix: [Path], description: String) {
    self.kind = kind
    self.program = program
    self.prefix = prefix
    self.description = description
  }

  /// Makes an interpreter print what `-m pip --version` prints, in a seventh of the time.
  private static let pipVersion = [
    Path("-I"), Path("-c"),
    Path("import pip; print('pip', pip.__version__, 'from', pip.__path__[0])"),
  ]

  private static func version(_ program: Path, _ arguments: [Path]) throws(Failure) -> String? {
    let result: Subprocess.Result
    do throws(Failure) {
      result = try runProgram(program, arguments, timeout: 60)
    } catch {
      if error.kind == .interrupted { throw error }
      return nil
    }
    guard result.succeeded else { return nil }
    return result.output.split(separator: UInt8(ascii: "\n")).first.map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// The arguments after the program's name. Even for another target, wheels are built as this machine builds them.
  private func command(_ arguments: [String], for interpreter: Path) -> [Path] {
    let given = arguments.map { Path($0) }
    let builds = ["wheel", "build"].contains(arguments.first)
    switch (kind, cross) {
    case (.pip, nil): return prefix + [Path("--python"), interpreter] + given
    case (.pip, let cross?):
      return builds ? prefix + given : [Path("-I"), Path("-c"), Path(cross.pip)] + given
    case (.uv, _):
      let python = cross == nil ? interpreter : helper
      return (builds ? [] : [Path("pip")]) + given + [Path("--python"), python]
    }
  }

  /// Runs the installer for the staged interpreter. Failures name `place`.
  func run(
    _ arguments: [String], for interpreter: Path, in directory: Path, variables: [String] = [],
    place: SpecPlace, doing: String
  ) throws(Failure) {
    let result = try result(of: arguments, for: interpreter, in: directory, variables: variables)
    guard result.succeeded else {
      // pip prints progress on stdout and errors on stderr.
      let text = result.errors.isEmpty ? result.output : result.errors
      throw failure(result, saying: text, place, doing)
    }
  }

  /// Returns the problems that the installer finds in the installed distributions.
  ///
  /// Any other result is a failure, because completeness is then unknown.
  func check(_ interpreter: Path, in directory: Path, _ place: SpecPlace) throws(Failure)
    -> [RequirementProblem]
  {
    let result = try result(of: ["check"], for: interpreter, in: directory)
    if result.succeeded { return [] }
    let text = result.output + result.errors
    guard result.end == .exited(1),
      let problems = requirementProblems(in: String(decoding: text, as: UTF8.self))
    else { throw failure(result, saying: text, place, "checking the requirements") }
    return problems
  }

  private func failure(
    _ result: Subprocess.Result, saying text: [UInt8], _ place: SpecPlace, _ doing: String
  ) -> Failure {
    let said = text.isEmpty ? " and said nothing" : ":\n" + lastLines(text)
    guard case .exited(let status) = result.end, status != 1 || text.isEmpty else {
      return .failed(place, "\(doing) failed (\(description))\(said)")
    }
    return .failed(
      place, "\(doing) failed (\(description)): the installer \(endText(status))\(said)")
  }

  private func result(
    of arguments: [String], for interpreter: Path, in directory: Path, variables: [String] = []
  ) throws(Failure) -> Subprocess.Result {
    let all = command(arguments, for: ProcessContext.absolutePath(interpreter))
    let environment = cleanEnvironment(
      adding: [
        "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PIP_ROOT_USER_ACTION=ignore",
        "PIP_NO_WARN_SCRIPT_LOCATION=1", "UV_NO_PROGRESS=1", "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONNOUSERSITE=1",
      ] + variables)
    return try runProgram(
      program, all, environment: environment, directory: directory.isEmpty ? nil : directory)
  }
}
