import Posix

/// Makes a `Spec` from a document, and collects all errors.
///
/// `SchemaCheck` reports types, choices and ranges. Here a value of the wrong type counts as missing.
struct SpecDecoder {
  let file: SpecFile
  let root: SpecTable
  private(set) var problems: [SpecError.Problem] = []
  /// Set by `neighbor`.
  private var project: ProjectFile??
  private let givenTarget: Target?
  /// The onefile's target: the packer's choice, then the spec's, then this machine.
  private(set) var target: Target

  init(_ file: SpecFile, target: Target? = nil) {
    self.file = file
    self.target = target ?? .native
    givenTarget = target
    root = SpecTable(file.table, SpecPlace(file: file.file, line: file.line))
  }

  /// In the order of the file. Problems without a line and those of other files come last.
  var orderedProblems: [SpecError.Problem] {
    let keyed = problems.enumerated().map { index, problem in
      let line = problem.place.file == file.file ? problem.place.line : 0
      return (line: line > 0 ? line : Int.max, index: index, problem: problem)
    }
    return keyed.sorted { ($0.line, $0.index) < ($1.line, $1.index) }.map(\.problem)
  }

  /// Nil only if problems were found.
  mutating func decode() -> Spec? {
    var check = SchemaCheck(file: file.file)
    check.check(file.table, "", line: file.line)
    problems += check.problems

    chooseTarget()
    let app = app()
    let python = python()
    let dependencies = dependencies()
    let prune = prune()
    let data = root.tables("data").compactMap { datum($0) }
    let launch = launch()
    let smoke = smoke()
    let archive = archive()
    let output = output(app)
    let policy = policy()
    guard let app, let launch else { return nil }
    return Spec(
      directory: file.directory, place: root.place, target: target, source: file.bytes, app: app,
      python: python,
      dependencies: dependencies, prune: prune, data: data, launch: launch, smoke: smoke,
      archive: archive, output: output, policy: policy)
  }

  /// Reads `output.target`, which applies if the packer was given no target.
  private mutating func chooseTarget() {
    guard let text = root.table("output")?.text("target") else { return }
    do throws(SpecError) {
      let named = try Target(text.value)
      if givenTarget == nil { target = named }
    } catch {
      for problem in error.problems { report(text.place, "'output.target': \(problem.message)") }
    }
  }

  // MARK: Helpers

  mutating func report(_ place: SpecPlace, _ message: String) {
    problems.append(SpecError.Problem(place, message))
  }

  /// Returns the result of `body`, or collects its problems and returns nil.
  mutating func collecting<Result>(_ body: () throws(SpecError) -> Result) -> Result? {
    do throws(SpecError) { return try body() } catch {
      problems += error.problems
      return nil
    }
  }

  func resolve(_ path: Path) -> Path {
    path.isAbsolute ? path : file.directory.appending(path.bytes)
  }

  /// The `pyproject.toml` beside the spec, which provides defaults.
  ///
  /// It is read on first use, so that a broken file affects only specs that need it.
  private mutating func neighbor() -> ProjectFile? {
    if let project { return project }
    let shown = Path(file.file).parent.child(SpecFile.projectName).shown
    let directory = file.directory
    let found =
      collecting { () throws(SpecError) in try ProjectFile(in: directory, shown: shown) } ?? nil
    project = .some(found)
    return found
  }

  // MARK: [app]

  private mutating func app() -> Spec.App? {
    let table = root.table("app")
    let version = version(table)
    guard let name = name(table), let version else { return nil }
    return Spec.App(name: name, version: version)
  }

  private mutating func name(_ table: SpecTable?) -> Located<String>? {
    let rule = "1 to 64 of A-Z a-z 0-9 . _ + -, not beginning with '.' or '-'"
    if let table, table.has("name") {
      guard let name = table.text("name") else { return nil }
      if !isApplicationName(name.value) {
        report(name.place, "'app.name' must be \(rule), not \(quoted(name.value))")
      }
      return name
    }
    let place = table?.place ?? root.place
    guard let name = neighbor()?.name else {
      report(place, "'app.name' is missing, and no pyproject.toml beside the spec has a name")
      return nil
    }
    if !isApplicationName(name) {
      report(
        place,
        "the project's name \(quoted(name)) can't be the application's: give 'app.name', \(rule)")
    }
    return Located(name, place)
  }

  /// Empty for none, nil if it is invalid.
  private mutating func version(_ table: SpecTable?) -> String? {
    let place = table?.place(of: "version") ?? root.place
    let source = VersionSource(directory: file.directory, place: place)
    let version: String?
    if let table, table.has("version") {
      version =
        table.text("version")?.value
        ?? table.table("version").flatMap { self.version(from: source, $0) }
    } else if let project = neighbor(), project.version != nil || project.isVersionDynamic {
      version = collecting { () throws(SpecError) in try source.version(of: project) }
    } else {
      version = ""
    }
    if let version, !isVersionText(version) {
      report(
        place,
        "the version \(quoted(version)) must be at most 128 bytes without control characters")
    }
    return version
  }

  private mutating func version(from source: VersionSource, _ table: SpecTable) -> String? {
    guard let key = only(of: ["file", "project", "git"], table, "app.version") else { return nil }
    switch key {
    case "file":
      guard let path = table.path(key)?.value else { return nil }
      return collecting { () throws(SpecError) in try source.version(ofFile: path) }
    case "project":
      guard let path = table.path(key)?.value else { return nil }
      return collecting { () throws(SpecError) in try source.version(ofProject: path) }
    default:
      if table.boolean(key) == false {
        report(table.place(of: key), "'app.version.git' must be true; leave it out otherwise")
      }
      guard table.boolean(key) == true else { return nil }
      return collecting { () throws(SpecError) in try source.versionOfGit() }
    }
  }

  /// The only one of these keys that the table has. Reports none or several.
  mutating func only(of keys: [String], _ table: SpecTable, _ path: String) -> String? {
    let found = keys.filter(table.has)
    if found.isEmpty {
      let names = alternatives(keys.map { "'\(path).\($0)'" })
      report(table.place, "one of \(names) is needed")
    } else if found.count > 1 {
      let last = table.place(of: found[1])
      report(last, "'\(path).\(found[0])' and '\(path).\(found[1])' exclude each other")
    }
    return found.count == 1 ? found[0] : nil
  }
}
