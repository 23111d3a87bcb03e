public import Posix

/// A first spec for a project, based on its directory.
public struct FirstSpec: Sendable {
  /// The content of `onefold.toml`.
  public let text: String
  /// The detected server, such as "FastAPI: main:app"; nil if none was found.
  public let found: String?
  /// The test of the packed server, such as "GET /health, with --port {port}"; nil for none.
  public let test: String?
  /// A script that starts the server, to be written beside the spec; nil if none is needed.
  public let starter: (name: String, text: String)?
  /// The tasks left for the author, one per line, each with its table. If empty, the text is a spec without errors.
  public let missing: [String]
  /// Notes for the author, one per line.
  public let advice: [String]

  /// Examines the project in `directory`.
  ///
  /// - Parameters:
  ///   - interpreter: the version of the local Python, such as "3.11"; nil if there is none.
  ///   - standardLibrary: the names of that Python's own modules.
  ///   - node: the path of the local Node.js program.
  ///   - pyinstaller: settings that override those found in the project.
  /// - Throws: if the directory cannot be read or its `pyproject.toml` is not TOML.
  public init(
    for directory: Path, interpreter: String?, standardLibrary: Set<String> = [],
    node: String? = nil, pyinstaller: PyInstallerSpec? = nil
  ) throws(SpecError) {
    let scan = try ProjectScan(directory)
    let launch = FirstLaunch(scan, node: node)
    let isSame = pyinstaller?.script == nil || pyinstaller?.script == launch?.script
    var writer = FirstSpecWriter(scan, launch: isSame ? launch : nil, pyinstaller)
    if !standardLibrary.isEmpty { writer.unprovided = scan.unprovidedModules(standardLibrary) }
    writer.write(interpreter: interpreter)
    text = writer.text
    found = pyinstaller.map { "\($0.file) of PyInstaller" } ?? writer.launch?.found
    test = writer.launch?.test
    let made = scan.has(Starter.name) ? nil : writer.launch?.starter
    starter = made.map { (Starter.name, $0.text) }
    missing = writer.missing + (pyinstaller?.missing ?? [])
    advice = writer.advice + (writer.launch?.advice.map { [$0] } ?? [])
  }

  /// Whether the `pyproject.toml` in a directory already has a spec.
  ///
  /// - Throws: an error of a `pyproject.toml` that cannot be read or is not TOML.
  public static func isInProject(_ directory: Path) throws(SpecError) -> Bool {
    let shown = directory.child(SpecFile.projectName).shown
    return try ProjectFile(in: directory, shown: shown)?.spec != nil
  }
}

/// Writes the text of a first spec.
private struct FirstSpecWriter {
  let scan: ProjectScan
  let launch: FirstLaunch?
  let pyinstaller: PyInstallerSpec?
  /// Imported modules that no dependency provides.
  var unprovided: [String] = []
  private(set) var text = ""
  private(set) var missing: [String] = []
  private(set) var advice: [String] = []

  init(_ scan: ProjectScan, launch: FirstLaunch?, _ pyinstaller: PyInstallerSpec?) {
    self.scan = scan
    self.launch = launch
    self.pyinstaller = pyinstaller
  }

  /// The launched script, if it has inline metadata (PEP 723).
  private var ownScript: String? {
    let script = pyinstaller?.script ?? launch?.script
    return scan.sources.first { $0.file == script && $0.hasMetadata }?.file
  }

  /// The Python versions that the project or the script's metadata allows.
  private var requiredPython: String? {
    guard let ownScript else { return scan.project?.requiredPython }
    let path = scan.directory.appending(ownScript.utf8)
    return (try? ScriptMetadata.find(in: path, shown: ownScript))??.requiredPython?.value
  }

  mutating func write(interpreter: String?) {
    text =
      "# What 'onefold pack' makes of this directory. Lines that begin with '#' are suggestions.\n"
    writeOrigin()
    writeApp()
    if launch?.needsPython != false {
      writePython(interpreter)
      writeDependencies()
    }
    writePrune()
    writeData()
    writeLaunch()
    writeSmoke()
    table("[archive]")
    suggest("archive", "max-size", "\"100 MB\"")
    table("[output]")
    if scan.isDirectory(name.text) {
      line("file = \"{name}.onefile\"  # \(tomlText(name.text)) is a directory here")
    } else {
      suggest("output", "file", "\"dist/{name}-{version}\"")
    }
  }

  /// The application's name, and whether it is the default, which needs no key.
  private var name: (text: String, isDefault: Bool) {
    if let name = pyinstaller.flatMap({ applicationName(of: $0.name.utf8) }) {
      return (name, false)
    }
    if let name = scan.project?.name, isApplicationName(name) { return (name, true) }
    return (directoryName, false)
  }

  // MARK: From PyInstaller

  /// Writes the parts of a `.spec` file that belong to no table.
  private mutating func writeOrigin() {
    guard let pyinstaller else { return }
    line("# Translated from PyInstaller's \(printable(pyinstaller.file)), which was not run.")
    let notes = pyinstaller.notes(of: "-")
    if !notes.isEmpty { line("# It also says, without a counterpart here:") }
    for note in notes { line("#   \(note.dropFirst(2))") }
    for problem in pyinstaller.missing { line("# TODO \(printable(problem))") }
  }

  private mutating func writePrune() {
    guard let notes = pyinstaller?.notes(of: "prune"), !notes.isEmpty else { return }
    table("[prune]")
    for note in notes { line(note) }
  }

  /// Writes the excluded distributions. PyInstaller has module names instead.
  private mutating func writeExclude() {
    for note in pyinstaller?.notes(of: "dependencies") ?? [] { line(note) }
    var names: [String] = []
    for name in (pyinstaller?.excludes ?? []).compactMap(normalizedDistributionName)
    where !names.contains(name) { names.append(name) }
    if names.isEmpty {
      suggest("dependencies", "exclude", "[\"torch\"]")
    } else {
      line("# Names of distributions; PyInstaller's are those of modules.")
      line("exclude = \(tomlList(names))")
    }
  }

  /// Writes `[[data]]` beside the code: PyInstaller's module directories, whose content is imported, and its data.
  private mutating func writeData(of pyinstaller: PyInstallerSpec) {
    for path in pyinstaller.paths where path != "." && !path.hasPrefix("..") {
      datum(path, target: ".")
    }
    for (source, target) in pyinstaller.data { datum(source, target: target) }
  }

  private mutating func datum(_ source: String, target: String) {
    table("[[data]]")
    line("source = \(tomlText(source))")
    let name = source.split(separator: "/").last.map(String.init) ?? source
    if name != target { line("target = \(tomlText(target))") }
  }

  // MARK: Tables

  private mutating func writeApp() {
    table("[app]")
    let (name, isDefault) = name
    line(
      isDefault ? "# name = \(tomlText(name)), as in pyproject.toml" : "name = \(tomlText(name))")
    let file = ["VERSION", "VERSION.txt", "version.txt"].first(where: scan.has)
    if scan.project?.version != nil {
      line("# version: as in pyproject.toml")
    } else if let file {
      line("version = { file = \(tomlText(file)) }")
    } else if scan.project?.isVersionDynamic == true {
      let isRepository = scan.has(".git")
      line(isRepository ? "version = { git = true }" : "version = \"\"")
      if !isRepository {
        advice.append("[app] the project's version is dynamic; give it as text or from a file")
      }
    } else {
      line("# version = \"1.0.0\"  # or { file = \"VERSION\" }, or { git = true }")
    }
  }

  private mutating func writePython(_ interpreter: String?) {
    table("[python]")
    let pinned = scan.has(".python-version") ? scan.text(".python-version") : ""
    let first = trimmed(pinned.prefix { !$0.isNewline })
    let found =
      isPythonVersion(first)
      ? first : pythonVersion(for: requiredPython, interpreter: interpreter)
    if let found {
      line("version = \(tomlText(found))")
    } else {
      line("# version = \"3.12\"")
      missing.append("[python] which version of Python it needs")
    }
    suggest("python", "prefix", "\"/usr\"")
  }

  private mutating func writeDependencies() {
    table("[dependencies]")
    if let ownScript {
      line("script = \(tomlText(ownScript))")
    } else if let lock = scan.lock {
      line("lock = \(tomlText(lock))")
    } else if !scan.requirements.isEmpty {
      line("requirements = \(tomlList(scan.requirements))")
    }
    if scan.isInstallable {
      line("project = \".\"")
      if ownScript == nil { writeUnprovided("pyproject.toml lists no dependency") }
    } else if scan.requirements.isEmpty && scan.lock == nil && ownScript == nil {
      writePackages()
    }
    writeExclude()
  }

  /// Writes `dependencies.packages` if there is neither a lock nor a requirements file, and pip cannot install the
  /// project.
  private mutating func writePackages() {
    let needed = scan.project?.requirements ?? []
    if !needed.isEmpty {
      line("# As in pyproject.toml; a lock, such as 'uv lock' writes, would fix their versions.")
      line("packages = \(tomlList(needed.compactMap(\.text)))")
      for name in needed.filter({ $0.text == nil }).map(\.name) {
        missing.append(
          "[dependencies] \(printable(name)), whose source in pyproject.toml is not an index: lock the project, or name it in a "
            + "requirements file")
      }
    } else {
      let isSaid = writeUnprovided("no requirements file was found")
      suggest("dependencies", "requirements", "[\"requirements.txt\"]")
      if isSaid {
        suggest("dependencies", "packages", "[\"flask>=3\", \"pyyaml\"]")
      } else {
        advice.append("[dependencies] no requirements file was found, so nothing is installed")
      }
    }
  }

  /// Says why imported modules will be missing. Returns whether there are any.
  ///
  /// A module's name often differs from its distribution's, so the function guesses none. A guessed name could install
  /// a stranger's code.
  @discardableResult private mutating func writeUnprovided(_ reason: String) -> Bool {
    guard let last = unprovided.last else { return false }
    let others = unprovided.dropLast()
    let names = others.isEmpty ? last : "\(others.joined(separator: ", ")) and \(last)"
    let cure = "name the distributions that have \(others.isEmpty ? "it" : "them")"
    line("# The code imports \(names), which no dependency provides: \(cure).")
    advice.append("[dependencies] \(reason), but the code imports \(names): \(cure)")
    return true
  }

  private mutating func writeData() {
    let code = scan.isInstallable ? [] : scan.modules + scan.packages
    // PyInstaller takes only the listed data.
    let assets = pyinstaller == nil ? scan.assets : []
    let found = launch?.needsPython == false ? [] : code + assets
    let listed = pyinstaller.map { $0.paths + $0.hooks + $0.data.map(\.source) } ?? []
    if let pyinstaller { writeData(of: pyinstaller) }
    for name in found
    where name != launch?.script && name != pyinstaller?.script && !listed.contains(name) {
      table("[[data]]")
      line("source = \(tomlText(name))")
      // Modules in `src` are imported without that name.
      if name == "src" { line("target = \".\"") }
    }
    for (source, target) in launch?.data ?? [] {
      table("[[data]]")
      line("source = \(tomlText(source))")
      line("target = \(tomlText(target))")
    }
  }

  private mutating func writeLaunch() {
    table("[launch]")
    for note in pyinstaller?.notes(of: "launch") ?? [] { line(note) }
    if let pyinstaller, let script = pyinstaller.script {
      line("script = \(tomlText(script))")
      if !pyinstaller.options.isEmpty {
        line("python-options = \(tomlList(pyinstaller.options))")
      }
    } else if let launch {
      for text in launch.lines { line(text) }
    } else {
      for (key, example) in [
        ("module", "\"package.module\""), ("function", "\"package.module:main\""),
        ("script", "\"server.py\""),
      ] { suggest("launch", key, example) }
      missing.append("[launch] what to start: no server and no script was found")
    }
    suggest("launch", "environment", "{ NAME = \"value\" }")
  }

  private mutating func writeSmoke() {
    line("\n# What is run from the packed file before it gets its name. A failure fails the build.")
    line("[smoke]")
    suggest("smoke", "timeout", "60")
    if let arguments = launch?.command, !arguments.isEmpty {
      table("[[smoke.command]]")
      line("arguments = \(tomlList(arguments))")
    }
    if let request = launch?.request {
      table("[smoke.http]")
      for text in request.lines { line(text) }
    } else {
      // If all lines of a table are suggestions, its heading must be one too.
      line("\n# [smoke.http]")
      line("# arguments = [\"--port\", \"{port}\"]")
      line("# path = \"/\"")
    }
  }

  // MARK: Lines

  private mutating func table(_ heading: String) { line("\n\(heading)") }

  private mutating func line(_ content: String) { text += content + "\n" }

  /// Writes a key as a comment, with its meaning.
  private mutating func suggest(_ table: String, _ key: String, _ value: String) {
    let meaning = Schema.table(table)?.keys.first { $0.name == key }?.meaning ?? ""
    line("# \(key) = \(value)  # \(meaning)")
  }

  /// The directory's name, made valid as an application's name.
  private var directoryName: String {
    var path = ProcessContext.absolutePath(scan.directory)
    if path.lastComponent.elementsEqual(".".utf8) { path = path.parent }
    return applicationName(of: path.lastComponent) ?? "server"
  }
}

/// A basic string of TOML.
func tomlText(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": result += "\\\(scalar)"
    case _ where isControl(scalar):
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return "\"\(result)\""
}
