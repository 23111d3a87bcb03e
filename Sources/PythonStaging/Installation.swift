import AppSpec
import BuildTools
import Posix
import Processes

/// Installs into the staged interpreter.
struct Installation {
  var spec: Spec
  var installer: Installer
  var layout: Layout
  /// The directory for its own files.
  var scratch: Path
  /// SOURCE_DATE_EPOCH of source builds, in seconds since 1970.
  var epoch: Int64
  var requirements: Requirements

  var projectPlace: SpecPlace { spec.dependencies.project?.place ?? spec.place }
  private var place: SpecPlace { requirements.place }

  func run(
    _ arguments: [String], _ place: SpecPlace, _ doing: String, variables: [String] = []
  ) throws(Failure) {
    do throws(Failure) {
      try installer.run(
        arguments, for: layout.programPath, in: spec.directory,
        variables: ["SOURCE_DATE_EPOCH=\(epoch)"] + variables, place: place, doing: doing)
    } catch {
      guard error.kind == .refused else { throw error }
      var message = requirements.translated(error.text.string)
      if let cross = installer.cross {
        message += "\n  (wheels are needed for \(cross.description))"
      }
      throw Failure(.refused, Text(utf8: [UInt8](message.utf8)), subject: error.subject)
    }
  }

  /// The options of every installation. Byte code is compiled later.
  var install: [String] {
    switch installer.kind {
    case .pip: ["install", "--quiet", "--no-compile", "--progress-bar", "off"]
    case .uv: ["install", "--quiet", "--link-mode", "copy"]
    }
  }

  /// Installs requirements with hashes.
  func installLocked() throws(Failure) {
    guard requirements.count > 0 else { return }
    // The file is complete, which is checked afterwards, so nothing is resolved.
    //
    // uv stops at the first index that knows a name, unless the hashes decide.
    try install(
      ["--require-hashes", "--no-deps", "-r", requirements.file.string], requirements.place,
      "installing the requirements", variables: ["UV_INDEX_STRATEGY=unsafe-best-match"])
  }

  /// Installs the requirements without hashes in an otherwise locked set: commits, the project, and other local
  /// projects.
  func installBesideLocked() throws(Failure) {
    if let beside = requirements.beside {
      try install(["--no-deps", "-r", beside.string], place, "installing the requirements")
    }
    let wanted = try buildLocals(resolving: false) + projectWheel()
    guard !wanted.isEmpty else { return }
    try install(["--no-deps"] + wanted, projectPlace, "installing the project")
  }

  /// Resolves requirements without hashes and those of the project, and installs them without the excluded ones.
  ///
  /// Returns the names of the distributions left out.
  func installLoose() throws(Failure) -> [String] {
    var wanted = try buildLocals(resolving: true) + projectWheel()
    if requirements.count > 0 { wanted += ["-r", requirements.file.string] }
    guard !wanted.isEmpty else { return requirements.dropped }
    guard !spec.dependencies.exclude.isEmpty else {
      try install(wanted, place, "installing the requirements")
      return []
    }
    return try installWithoutExcluded(wanted, place)
  }

  /// The project as an argument for the installer, if it is a wheel.
  private func projectWheel() throws(Failure) -> [String] {
    guard let project = spec.dependencies.project else { return [] }
    let path = ProcessContext.absolutePath(spec.resolve(project.value))
    guard !isDirectory(path) else { return [] }
    try installer.cross?.check(wheel: path, project.place)
    let extras = spec.dependencies.extras
    return [extras.isEmpty ? path.string : "\(path.string)[\(extras.joined(separator: ","))]"]
  }

  private func installWithoutExcluded(_ wanted: [String], _ place: SpecPlace) throws(Failure)
    -> [String]
  {
    let excluded = spec.dependencies.exclude.map(\.value).joined(separator: ",")
    let pinned = scratch.appending("pinned.txt")
    // Both calls use the index and credentials of the requirements files.
    let options = requirements.options
    let facts: Facts
    switch installer.kind {
    case .pip:
      let report = scratch.appending("report.json")
      try run(
        ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", report.string]
          + selection + wanted, place, "resolving the requirements",
        variables: constraintVariables)
      facts = try requirementFacts(
        ["report", pinned.string, excluded, report.string, options.string], place)
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
      facts = try requirementFacts(
        ["flatten", pinned.string, excluded, options.string, locked.string], place)
      try install(["--no-deps", "-r", pinned.string], place, "installing the requirements")
    }
    return facts.all("dropped")
  }

  /// The resolver's options that select wheels for another target.
  private var selection: [String] {
    guard let cross = installer.cross else { return [] }
    return cross.selection(installer.kind)
      + (installer.kind == .pip ? ["--only-binary", ":all:"] : [])
  }

  private func requirementFacts(_ arguments: [String], _ place: SpecPlace) throws(Failure)
    -> Facts
  {
    let result = try runHelper(
      layout.source, Helper.requirements, arguments.map { Path($0) })
    guard result.succeeded else {
      throw .failed(place, "cannot read what was resolved:\n\(lastLines(result.errors))")
    }
    return Facts(result.output)
  }

  /// Converts the arguments "-r FILE" and "PROJECT" to lines of a requirements file.
  private func requirementLines(_ arguments: [String]) throws(Failure) -> String {
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

  /// Checks that only excluded distributions are missing, and that no excluded one is installed.
  ///
  /// Returns version conflicts, one per line. They are no failures, because a lock can be more accurate than its
  /// distributions.
  func check(dropped: [String]) throws(Failure) -> [String] {
    let installed = try listDistributions(layout)
    let names = Set(installed.map(\.name))
    for entry in spec.dependencies.exclude where names.contains(entry.value) {
      throw .failed(entry.place, "'\(entry.value)' is excluded, but the project itself installs it")
    }
    let problems =
      if let cross = installer.cross { try cross.problems(in: layout) } else {
        try installer.check(layout.programPath, in: spec.directory, place)
      }
    let missing = problems.filter { problem in
      problem.kind != .conflict && !dropped.contains { mentions(problem.text, $0) }
    }
    guard missing.isEmpty else {
      throw .failed(
        place,
        "the requirements are not complete: add what is missing, or exclude it\n"
          + missing.map { "  " + readable($0.text.utf8) }.joined(separator: "\n"))
    }
    return problems.filter { problem in
      problem.kind == .conflict
        && !spec.dependencies.allowConflicts.contains { mentions(problem.text, $0.value) }
    }.map { readable($0.text.utf8) }
  }

  private func mentions(_ line: String, _ name: String) -> Bool {
    line.split { !($0.isLetter || $0.isNumber || "-_.".contains($0)) }.contains {
      normalizedName(String($0)) == name
    }
  }
}
