import AppSpec
import PayloadFormat
import Posix

/// A distribution that is installed in the tree.
struct Distribution: Sendable {
  /// Normalized (PEP 503).
  var name: String
  var version: String
  /// The name of its `.dist-info` directory.
  var directory: String
  /// Names of distributions that it needs, whatever the extras; normalized.
  var requires: [String] = []
  /// Its modules and packages at the top level.
  var modules: [String] = []
  /// From the tree's root.
  var files: [String] = []
  /// What its `direct_url.json` says of an archive or a version control system: JSON, or empty if it is from an index.
  var origin = ""
  /// Whether it was built from a directory or taken from a file of this machine.
  var isLocal = false
}

/// What is installed in the tree's site-packages.
func listDistributions(_ layout: Layout) throws(StagingError) -> [Distribution] {
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

/// Without "." and "..".
func normalizedPath(_ path: String) -> String {
  var parts: [Substring] = []
  for part in path.split(separator: "/") {
    if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
  }
  return parts.joined(separator: "/")
}

/// A distribution's name in the one form that all spellings of it have (PEP 503).
func normalizedName(_ name: String) -> String {
  var result = ""
  for character in name.lowercased() {
    if character == "-" || character == "_" || character == "." {
      if result.last != "-" { result.append("-") }
    } else {
      result.append(character)
    }
  }
  return result
}

// MARK: Requirements

/// What the spec's requirements files say, in one file.
struct Requirements: Sendable {
  /// The file; it has no includes and nothing editable.
  var file: Path
  /// Whether all have hashes: the same distributions every time.
  var isLocked: Bool
  var count: Int
  /// Left out because they are excluded, or because only excluded ones need them.
  var dropped: [String]
  /// The spec's line.
  var place: SpecPlace
  /// Where each of its lines comes from: "requirements.txt:3".
  var origins: [String]

  /// An installer's message, with the user's files and lines in the place of this file's.
  func translated(_ message: String) -> String {
    let path = file.string
    var result = ""
    var rest = message[...]
    while let found = rest.firstRange(of: path) {
      result += rest[..<found.lowerBound]
      rest = rest[found.upperBound...]
      // pip: "-r FILE (line 3)" and "line 3 of FILE".
      let following = rest.hasPrefix(" (line ") ? rest.dropFirst(7).prefix { $0.isNumber } : ""
      let before =
        result.hasSuffix(" of ") ? result.dropLast(4).reversed().prefix { $0.isNumber } : []
      if let origin = origin(following) {
        result += origin
        rest = rest[following.endIndex...].dropFirst()
      } else if let origin = origin(Substring(String(before.reversed()))) {
        result.removeLast(" of ".count + before.count)
        if result.hasSuffix("line ") { result.removeLast("line ".count) }
        result += origin
      } else {
        result += path
      }
    }
    return result + rest
  }

  private func origin(_ line: Substring) -> String? {
    guard let number = Int(line), origins.indices.contains(number - 1) else { return nil }
    return origins[number - 1]
  }
}

/// Reads the spec's requirements files; nil where it has none.
func readRequirements(_ spec: Spec, with interpreter: Path, to file: Path) throws(StagingError)
  -> Requirements?
{
  guard let first = spec.dependencies.requirements.first else { return nil }
  let excluded = spec.dependencies.exclude.map(\.value)
  let paths = spec.dependencies.requirements.map { spec.resolve($0.value) }
  let result = try runHelper(
    interpreter, Helper.requirements,
    [Path("flatten"), file, Path(excluded.joined(separator: ","))] + paths)
  guard result.succeeded else {
    throw .failed(
      first.place, "cannot read the requirements:\n\(lastLines(result.errors, count: 1))")
  }
  let facts = Facts(result.output)
  if let required = facts["required"] {
    let parts = required.split(separator: " ", maxSplits: 1).map(String.init)
    let entry = spec.dependencies.exclude.first { $0.value == parts[0] }
    throw .failed(
      entry?.place ?? first.place,
      "'\(parts[0])' is excluded, but \(parts.last ?? "") requires it: remove one of them")
  }
  if let unhashed = facts["unhashed"] {
    throw .failed(
      first.place,
      "some requirements have hashes and some have none (\(unhashed)): give all of them hashes, or none"
    )
  }
  return Requirements(
    file: file, isLocked: facts["hashed"] == "yes", count: Int(facts["count"] ?? "") ?? 0,
    dropped: facts.all("dropped"), place: first.place, origins: facts.all("line"))
}

// MARK: Installing

/// pip or uv, as found on the build machine.
struct Installer: Sendable {
  enum Kind: Sendable { case pip, uv }

  var kind: Kind
  private var program: Path
  private var prefix: [Path]
  /// The interpreter of this machine that installs for another target.
  private var helper = Path()
  var description: String
  /// Set if the interpreter is for another target.
  var cross: CrossInstallation?

  /// Chooses as the spec says.
  init(_ spec: Spec, interpreter: Interpreter) throws(StagingError) {
    try self.init(choosing: spec, interpreter)
    let most = spec.python?.maxGlibc.flatMap {
      GlibcVersion(parsing: [UInt8]($0.value.utf8).span)
    }
    cross = CrossInstallation(interpreter, most: most)
    helper = interpreter.helper
  }

  private init(choosing spec: Spec, _ interpreter: Interpreter) throws(StagingError) {
    let wanted = spec.dependencies.installer
    let uv = findBesideOnefold("uv")
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
          // The pip of the environment that has onefold, which need not be on the PATH.
          (findBesideOnefold("python3"), module),
          (Path("python3"), module), (Path("pip3"), []), (Path("pip"), []),
        ]
      : [
        (interpreter.helper, module), (findBesideOnefold("python3"), module),
        (Path("python3"), module),
      ]
    var old: String? = nil
    for (program, prefix) in candidates {
      guard let version = try Self.version(program, prefix + [Path("--version")]) else { continue }
      // --python came with 22.3.
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

  private static func version(_ program: Path, _ arguments: [Path]) throws(StagingError) -> String?
  {
    let result: Subprocess.Result
    do throws(StagingError) {
      result = try runProgram(program, arguments, timeout: 60)
    } catch {
      if case .interrupted = error { throw error }
      return nil
    }
    guard result.succeeded else { return nil }
    return result.output.split(separator: UInt8(ascii: "\n")).first.map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// What follows the program's name. Wheels are built, which only happens for another target, as this machine builds them.
  private func command(_ arguments: [String], for interpreter: Path) -> [Path] {
    let given = arguments.map { Path($0) }
    let builds = ["wheel", "build"].contains(arguments.first)
    switch (kind, cross) {
    case (.pip, nil): return prefix + [Path("--python"), interpreter] + given
    case (.pip, let cross?):
      return builds ? prefix + given : [Path("-I"), Path("-c"), Path(cross.pip)] + given
    case (.uv, nil): return [Path("pip")] + given + [Path("--python"), interpreter]
    case (.uv, _): return (builds ? [] : [Path("pip")]) + given + [Path("--python"), helper]
    }
  }

  /// Runs the installer for the staged interpreter. `place` is blamed where it fails.
  func run(
    _ arguments: [String], for interpreter: Path, in directory: Path, variables: [String] = [],
    place: SpecPlace, doing: String
  ) throws(StagingError) {
    let result = try result(of: arguments, for: interpreter, in: directory, variables: variables)
    guard result.succeeded else {
      // pip tells on stdout what it was doing, and on stderr what went wrong.
      let text = result.errors.isEmpty ? result.output : result.errors
      throw failure(result, saying: text, place, doing)
    }
  }

  /// Makes sure that what is installed is complete, and returns the problems that the installer found, a line each. Whatever
  /// else its check ends with is a failure: nothing is known to be complete then.
  func check(_ interpreter: Path, in directory: Path, _ place: SpecPlace) throws(StagingError)
    -> [String]
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
  ) -> StagingError {
    let said = text.isEmpty ? " and said nothing" : ":\n" + lastLines(text)
    guard case .exited(let status) = result.end, status != 1 || text.isEmpty else {
      return .failed(place, "\(doing) failed (\(description))\(said)")
    }
    return .failed(
      place, "\(doing) failed (\(description)): the installer \(endText(status))\(said)")
  }

  private func result(
    of arguments: [String], for interpreter: Path, in directory: Path, variables: [String] = []
  ) throws(StagingError) -> Subprocess.Result {
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

/// Installs into the staged interpreter.
struct Installation {
  var spec: Spec
  var installer: Installer
  var layout: Layout
  /// For files of its own.
  var scratch: Path
  /// For what is built from sources (SOURCE_DATE_EPOCH).
  var epoch: Int64
  var requirements: Requirements?

  private var projectPlace: SpecPlace { spec.dependencies.project?.place ?? spec.place }

  func run(_ arguments: [String], _ place: SpecPlace, _ doing: String) throws(StagingError) {
    let settings = ProcessContext.absolutePath(scratch).appending("build/setuptools.cfg")
    do throws(StagingError) {
      try installer.run(
        arguments, for: layout.programPath, in: spec.directory,
        variables: ["SOURCE_DATE_EPOCH=\(epoch)", "DIST_EXTRA_CONFIG=\(settings.string)"],
        place: place, doing: doing)
    } catch {
      guard case .failed(let place, var message) = error else { throw error }
      if let requirements { message = requirements.translated(message) }
      if let cross = installer.cross {
        message += "\n  (wheels are needed for \(cross.description))"
      }
      throw .failed(place, message)
    }
  }

  /// What every installation is told: no byte code, which is compiled later.
  var install: [String] {
    switch installer.kind {
    case .pip: ["install", "--quiet", "--no-compile", "--progress-bar", "off"]
    case .uv: ["install", "--quiet", "--link-mode", "copy"]
    }
  }

  /// Installs requirements that all have hashes.
  func installLocked() throws(StagingError) {
    guard let requirements, requirements.count > 0 else { return }
    // The file names all that is needed, which is checked afterwards; nothing is to be resolved.
    try install(
      ["--require-hashes", "--no-deps", "-r", requirements.file.string],
      requirements.place, "installing the requirements")
  }

  /// Resolves requirements without hashes and those of the project, and installs them without what is excluded. Returns
  /// the names of what was left out.
  func installLoose() throws(StagingError) -> [String] {
    let place = requirements?.place ?? projectPlace
    var wanted: [String] = []
    if let requirements, requirements.count > 0 { wanted += ["-r", requirements.file.string] }
    if let project = try projectArgument() { wanted.append(project) }
    guard !wanted.isEmpty else { return requirements?.dropped ?? [] }
    guard !spec.dependencies.exclude.isEmpty else {
      try install(wanted, place, "installing the requirements")
      return []
    }
    return try installWithoutExcluded(wanted, place)
  }

  private func installWithoutExcluded(_ wanted: [String], _ place: SpecPlace) throws(StagingError)
    -> [String]
  {
    let excluded = spec.dependencies.exclude.map(\.value).joined(separator: ",")
    let pinned = scratch.appending("pinned.txt")
    let facts: Facts
    switch installer.kind {
    case .pip:
      let report = scratch.appending("report.json")
      try run(
        ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", report.string]
          + selection + wanted, place, "resolving the requirements")
      facts = try requirementFacts(["report", pinned.string, excluded, report.string], place)
      for (name, file) in [("pinned", pinned), ("loose", Path(pinned.string + ".loose"))]
      where facts[name] != "0" {
        try install(["--no-deps", "-r", file.string], place, "installing the requirements")
      }
    case .uv:
      let input = scratch.appending("wanted.txt")
      let locked = scratch.appending("locked.txt")
      try writeFile(input, try requirementLines(wanted))
      try run(
        ["compile", "--quiet", "--output-file", locked.string, input.string] + selection, place,
        "resolving the requirements")
      facts = try requirementFacts(["flatten", pinned.string, excluded, locked.string], place)
      try install(["--no-deps", "-r", pinned.string], place, "installing the requirements")
    }
    return facts.all("dropped")
  }

  /// Which wheels the resolver is to take, for another target.
  private var selection: [String] {
    guard let cross = installer.cross else { return [] }
    return cross.selection(installer.kind)
      + (installer.kind == .pip ? ["--only-binary", ":all:"] : [])
  }

  private func requirementFacts(_ arguments: [String], _ place: SpecPlace) throws(StagingError)
    -> Facts
  {
    let result = try runHelper(
      layout.source, Helper.requirements, arguments.map { Path($0) })
    guard result.succeeded else {
      throw .failed(place, "cannot read what was resolved:\n\(lastLines(result.errors))")
    }
    return Facts(result.output)
  }

  /// The arguments "-r FILE" and "PROJECT" as lines of a requirements file.
  private func requirementLines(_ arguments: [String]) throws(StagingError) -> String {
    var text = ""
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "-r", let file = rest.popFirst() {
        text += String(decoding: try readFile(Path(file)), as: UTF8.self)
      } else {
        text += argument + "\n"
      }
    }
    return text
  }

  /// Keeps setuptools from building in the project's own directory: what an earlier build left there would come along, and this one
  /// would leave its own.
  func prepare() throws(StagingError) {
    let directory = ProcessContext.absolutePath(scratch).appending("build")
    try createDirectories(directory)
    try writeFile(
      directory.appending("setuptools.cfg"),
      """
      [build]
      build_base = \(directory.string)
      [egg_info]
      egg_base = \(directory.string)

      """)
  }

  /// Installs the project alone, where its requirements are locked.
  func installProject() throws(StagingError) {
    guard let project = try projectArgument() else { return }
    try install(["--no-deps", project], projectPlace, "installing the project")
  }

  /// Makes sure that nothing is missing but what is excluded, and nothing there that is.
  func check(dropped: [String]) throws(StagingError) {
    let installed = try listDistributions(layout)
    let names = Set(installed.map(\.name))
    for entry in spec.dependencies.exclude where names.contains(entry.value) {
      throw .failed(entry.place, "'\(entry.value)' is excluded, but the project itself installs it")
    }
    if let cross = installer.cross {
      return try refuseMissing(try cross.missing(in: layout), dropped)
    }
    let place = spec.dependencies.requirements.first?.place ?? projectPlace
    try refuseMissing(
      try installer.check(layout.programPath, in: spec.directory, place).map {
        "  " + readable($0.utf8)
      }, dropped)
  }

  private func refuseMissing(_ lines: [String], _ dropped: [String]) throws(StagingError) {
    let missing = lines.filter { line in !dropped.contains { mentions(line, $0) } }
    guard !missing.isEmpty else { return }
    throw .failed(
      spec.dependencies.requirements.first?.place ?? projectPlace,
      "the requirements are not complete: add what is missing, or exclude it\n"
        + missing.joined(separator: "\n"))
  }

  private func mentions(_ line: String, _ name: String) -> Bool {
    line.split { !($0.isLetter || $0.isNumber || "-_.".contains($0)) }.contains {
      normalizedName(String($0)) == name
    }
  }
}
