import AppSpec
import BuildTools
import Posix
import Processes

/// Adds the files that start the application to a tree with an interpreter.
struct Application {
  var spec: Spec
  var layout: Layout

  /// The modules that are added beside the distributions.
  static let runtimeModule = "_onefold_runtime"
  static let restartModule = "_onefold_restart"
  static let mainModule = "_onefold_main"
  static let smokeModule = "_onefold_smoke"
  /// The directory of the link to the interpreter. Python finds `pyvenv.cfg` from there.
  static let nameDirectory = ".process"

  /// Writes the code that the interpreter runs first, and the code that it launches. `isFrozen` sets `sys.frozen`.
  func addRuntime(_ facts: Facts, isFrozen: Bool) throws(Failure) {
    let values = runtimeValues(facts, isFrozen: isFrozen)
    for (module, source) in [
      (Self.runtimeModule, Helper.runtime), (Self.restartModule, Helper.restart),
    ] {
      try writeFile(layout.sitePath.appending("\(module).py"), filledTemplate(source, values))
    }
    // The name sorts before those of distributions, so that their `.pth` files run after this one.
    try writeFile(layout.sitePath.appending("__onefold__.pth"), "import \(Self.runtimeModule)\n")
    if spec.launch.isolate {
      // With this file and no "home" in it, site.py ignores the user's directory, also in interpreters that the server
      // itself starts.
      try writeFile(
        layout.root.appending("pyvenv.cfg"), "include-system-site-packages = false\n")
    }
    if let test = targetSmokeTest() {
      try writeFile(layout.sitePath.appending("\(Self.smokeModule).py"), test)
    }
    for program in programs {
      if let main = mainSource(program.program.value) {
        try writeFile(layout.sitePath.appending("\(program.module).py"), main)
      }
    }
    if hasNamedProgram {
      try createDirectories(layout.root.appending(Self.nameDirectory))
      try DirectoryHandle.current.createSymlink(
        layout.root.appending(namedProgram), to: Path("../\(layout.program)"))
    }
  }

  /// A link to the interpreter with the application's name, which `ps` then shows (docs/packing.md, "The name of the
  /// process"). In a directory of its own, where nothing else has the name.
  private var namedProgram: String {
    hasNamedProgram ? "\(Self.nameDirectory)/\(spec.app.name.value)" : layout.program
  }

  private var hasNamedProgram: Bool {
    spec.launch.namedProcess && spec.launch.program.value.isPython
  }

  /// The program and the commands, each with the module that is written for it if it is a function or a script.
  private var programs: [(program: Located<Spec.Launch.Program>, module: String)] {
    Self.programs(of: spec)
  }

  static func programs(of spec: Spec) -> [(program: Located<Spec.Launch.Program>, module: String)] {
    spec.launch.programs.enumerated().map { ($1, $0 == 0 ? mainModule : "\(mainModule)_\($0)") }
  }

  private func runtimeValues(_ facts: Facts, isFrozen: Bool) -> [String: String] {
    func boolean(_ value: Bool) -> String { value ? "True" : "False" }
    var module = Self.mainModule
    var script = ""
    var executable = ""
    switch spec.launch.program.value {
    case .module(let name): module = name
    case .function: break
    case .script(let path): script = String(decoding: path.lastComponent, as: UTF8.self)
    case .executable(let path):
      module = ""
      executable = path.string
    }
    return [
      "@CAFILE@": pythonText(facts["cafile"] ?? ""),
      "@CAPATH@": pythonText(facts["capath"] ?? ""),
      "@SITE@": pythonText(layout.site),
      "@NAMED@": pythonText(namedProgram),
      "@PROGRAM@": pythonText(layout.program),
      "@ISOLATED@": boolean(spec.launch.isolate),
      "@MEIPASS@": boolean(spec.launch.pyinstaller != .no),
      "@FROZEN@": boolean(isFrozen),
      "@OPTIONS@": pythonList(interpreterOptions.map(pythonText)),
      "@MODULE@": pythonText(module),
      "@SCRIPT@": pythonText(script),
      "@EXECUTABLE@": pythonText(executable),
      "@ARGUMENTS@": pythonList(spec.launch.arguments.map(pythonText)),
    ]
  }

  private func mainSource(_ program: Spec.Launch.Program) -> String? {
    switch program {
    case .module, .executable: return nil
    case .function(let module, let name):
      let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
      return filledTemplate(
        Helper.mainFunction,
        [
          "@MODULE@": module, "@FIRST@": parts[0],
          "@REST@": parts.count > 1 ? "." + parts[1] : "",
        ])
    case .script(let path):
      let name = String(decoding: path.lastComponent, as: UTF8.self)
      return filledTemplate(Helper.mainScript, ["@SCRIPT@": pythonText(name)])
    }
  }

  /// The interpreter's options before its program.
  private var interpreterOptions: [String] {
    (spec.launch.isolate ? isolatingOptions(layout.version) : ["-B"]) + spec.launch.pythonOptions
  }

  /// The launch command: the entry from the tree's root, and the arguments before the user's.
  func command() throws(Failure) -> (entry: String, arguments: [String]) {
    let (program, module) = programs[0]
    let (entry, options) = try command(program, module, namedProgram)
    return (entry, options + spec.launch.arguments)
  }

  /// The launch commands of `[commands.NAME]`.
  func commands() throws(Failure) -> [StagedApplication.Command] {
    var result: [StagedApplication.Command] = []
    for (command, (program, module)) in zip(spec.launch.commands, programs.dropFirst()) {
      let (entry, options) = try self.command(program, module, layout.program)
      result.append(
        .init(name: command.name, entry: entry, arguments: options + command.arguments))
    }
    return result
  }

  private func command(
    _ program: Located<Spec.Launch.Program>, _ module: String, _ interpreter: String
  ) throws(Failure) -> (entry: String, options: [String]) {
    switch program.value {
    case .module(let name): return (interpreter, interpreterOptions + ["-m", name])
    case .function, .script: return (interpreter, interpreterOptions + ["-m", module])
    case .executable(let path):
      try checkExecutable(path, at: program.place, in: layout.root)
      return (path.string, [])
    }
  }

  /// Checks that the staged interpreter finds the launched modules.
  func checkModules() throws(Failure) {
    for (program, _) in programs { try checkModule(program) }
  }

  private func checkModule(_ program: Located<Spec.Launch.Program>) throws(Failure) {
    let name: String
    switch program.value {
    case .module(let module), .function(let module, _): name = module
    case .script, .executable: return
    }
    let result =
      layout.target == .native
      ? try runHelper(layout.programPath, Helper.findModule, [Path(name)])
      : try runHelper(
        layout.source, Helper.findFile,
        [
          Path(name), layout.sitePath, layout.standardLibraryPath,
          layout.standardLibraryPath.appending("lib-dynload"),
        ])
    guard result.succeeded else {
      throw .failed(
        program.place,
        "the module '\(name)' that is launched is not in the tree: correct it, or add what holds it to "
          + "dependencies.requirements, dependencies.project or data\n\(lastLines(result.errors, count: 3))"
      )
    }
  }
}

/// The user's variables that would change which code the interpreter runs.
///
/// Others, such as PYTHONUNBUFFERED, stay in effect. Therefore a launch does not use `-I`, which ignores them all.
let interpreterVariables = [
  "PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONSTARTUP", "PYTHONUSERBASE",
  "PYTHONEXECUTABLE", "PYTHONPYCACHEPREFIX", "PYTHONSAFEPATH", "PYTHONINSPECT",
  "PYTHONOPTIMIZE", "PYTHONCASEOK", "PYTHON_FROZEN_MODULES", "PYTHON_PRESITE",
]

extension Spec.Launch {
  /// What a launch removes from the environment of a Python program.
  ///
  /// - Throws: a failure if `pass-variables` names a variable that would stay anyway.
  func removedVariables() throws(Failure) -> [String] {
    var isolated = isolate ? interpreterVariables : []
    for name in passVariables {
      guard interpreterVariables.contains(name.value) else {
        throw .failed(
          name.place,
          "'launch.pass-variables' can hold \(interpreterVariables.joined(separator: ", ")); a launch "
            + "leaves \(quotedText(name.value.utf8)) anyway")
      }
      isolated.removeAll { $0 == name.value }
    }
    return unset + isolated
  }
}

/// The directory, from the tree's root, where pip of Debian's interpreters installs scripts.
private let debianScripts = "local/bin/"

/// Makes `local/bin` a link to `bin` if the interpreter installs scripts there.
///
/// So the scripts are in one place, no matter who built the interpreter.
func linkScripts(_ layout: Layout) throws(Failure) {
  let link = layout.root.appending("local/bin")
  guard layout.site.hasPrefix("local/"), !exists(link) else { return }
  try createDirectories(link.parent)
  try DirectoryHandle.current.createSymlink(link, to: Path("../bin"))
}

/// The path of an installed file without the link of `linkScripts`.
func pathBehindLink(_ path: String, _ layout: Layout) -> String {
  layout.site.hasPrefix("local/") && path.hasPrefix(debianScripts)
    ? "bin/" + path.dropFirst(debianScripts.utf8.count) : path
}

/// Options that ignore the user's site directory and the working directory, and write nothing into the tree.
///
/// Before 3.11 no option ignores the working directory: there `runtime.py` removes it from the path.
func isolatingOptions(_ version: PythonVersion) -> [String] {
  version.major == 3 && version.minor < 11 ? ["-s", "-B"] : ["-s", "-P", "-B"]
}

/// Makes scripts of distributions find the interpreter beside themselves. Installers write its absolute path.
func relocateScripts(_ layout: Layout) throws(Failure) {
  let directory = layout.root.appending("bin")
  let names = try DirectoryHandle.current.names(in: directory)
  let root = try realPath(layout.root)
  for name in names {
    let path = directory.appending(name)
    let status = try DirectoryHandle.current.status(of: path)
    guard status.kind == .file, status.size < 1 << 20 else { continue }
    let bytes = try readFile(path)
    guard bytes.starts(with: "#!".utf8) else { continue }
    let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
    let first = String(decoding: bytes[..<end], as: UTF8.self)
    // For long paths, pip writes two lines with /bin/sh and exec.
    var rest = bytes[end...]
    if first == "#!/bin/sh" {
      guard contains([UInt8](bytes.prefix(4096)), root + "/bin/python") else { continue }
      for _ in 0..<2 {
        rest = rest.dropFirst()
        rest = rest[(rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex)...]
      }
    } else if !first.contains("/bin/python") {
      continue
    }
    let options = isolatingOptions(layout.version).joined(separator: " ")
    let head = """
      #!/bin/sh
      '''exec' "$(dirname -- "$(realpath -- "$0")")/python\(layout.version.short)" \(options) "$0" "$@"
      ' '''
      """
    try writeFile(path, [UInt8](head.utf8) + rest, mode: 0o755)
  }
}
