import PayloadFormat
import Posix
import Processes
import Testing
import TestSupport

@testable import AppSpec

@Suite struct ReadSpecTests {
  private let directory: TemporaryDirectory

  /// The lines that every spec here needs.
  private static let head = """
    app.name = "notes"
    python.version = "3.11"
    launch.module = "notes"

    """

  init() throws { directory = try TemporaryDirectory() }

  private func error(_ path: Path) -> [String] {
    do throws(SpecError) {
      _ = try readSpec(path)
      return []
    } catch { return directory.lines(error) }
  }

  // MARK: Values

  @Test func everyKey() throws {
    for file in [
      "VERSION", "a.txt", "b.txt", "libown.so", "p/setup.py", "p/uv.lock", "python.tar.zst",
      "static/x",
      "s/server.py",
    ] {
      try directory.write(file, "1.2.3\n")
    }
    let digits = String(repeating: "AB", count: 32)
    let spec = try directory.read(
      """
      [app]
      name = "notes"
      version = { file = "VERSION" }
      [python]
      version = "3.11.7"
      archive = "python.tar.zst"
      sha256 = "\(digits)"
      system-libraries = ["libGL.so.1"]
      libraries = ["libmagic.so.1", "./libown.so"]
      [dependencies]
      requirements = ["a.txt",
        "b.txt"]
      project = "p"
      lock = "p/uv.lock"
      extras = ["Web_UI"]
      groups = ["Prod.A"]
      exclude = ["Torch", "scikit_Learn"]
      allow-conflicts = ["Numba"]
      installer = "uv"
      [prune]
      installers = false
      tests = false
      headers = false
      static-libraries = false
      idle = false
      tkinter = false
      debug-symbols = false
      sources = "drop"
      remove = ["lib/**/*.txt"]
      keep = ["lib/x"]
      [[data]]
      source = "static/"
      exclude = ["*.map"]
      [[data]]
      source = "static"
      target = "./web/pages/"
      [[data]]
      source = "."
      [launch]
      script = "./s/server.py"
      arguments = ["--root", "{root}"]
      environment = { Z = "1", A = "" }
      unset = ["B"]
      python-options = ["-X", "utf8"]
      isolate = false
      bin-on-path = false
      pyinstaller = false
      check = "files"
      keep = 36500
      die-with-parent = "term"
      reuse = false
      [smoke]
      imports = false
      skip-imports = ["a.b"]
      timeout = 3600
      [[smoke.command]]
      arguments = ["--help"]
      status = 255
      output = "usage"
      [[smoke.command]]
      [smoke.http]
      arguments = ["--port={port}"]
      environment = { PORT = "{port}" }
      path = "/api"
      status = 204
      contains = "ok"
      [archive]
      codec = "xz"
      level = 9
      frame-size = 16384
      max-size = "1.5 GiB"
      [output]
      file = "dist/{name}-{version}"
      sidecar = true
      """)
    #expect(spec.app.name.value == "notes" && spec.app.name.place.line == 2)
    #expect(spec.app.version == "1.2.3")
    let python = try #require(spec.python)
    #expect(python.place.line == 4 && python.prefix == nil)
    #expect(python.version?.value == "3.11.7")
    #expect(python.archive?.value.string == "python.tar.zst")
    #expect(python.sha256?.value == digits.lowercased() && python.sha256?.place.line == 7)
    #expect(python.systemLibraries == ["libGL.so.1"])
    #expect(python.libraries.map(\.value.string) == ["libmagic.so.1", "./libown.so"])
    checkDependencies(spec)
    #expect(spec.data.map { $0.source.value.string } == ["static/", "static", "."])
    #expect(spec.data.map { $0.target.value.string } == ["static", "web/pages", ""])
    #expect(spec.data[0].exclude.map(\.value) == ["*.map"])
    checkLaunch(spec)
    checkSmoke(spec)
    #expect(spec.archive.codec?.value == .xz && spec.archive.level?.value == 9)
    #expect(spec.archive.frameSize?.value == 16384)
    #expect(spec.archive.maxSize?.value == 3 << 29)
    #expect(spec.output.file?.value == "dist/{name}-{version}" && spec.output.sidecar)
  }

  private func checkDependencies(_ spec: Spec) {
    #expect(spec.dependencies.requirements.map { $0.value.string } == ["a.txt", "b.txt"])
    #expect(spec.dependencies.requirements.map(\.place.line) == [11, 12])
    #expect(spec.dependencies.project?.value.string == "p")
    #expect(spec.dependencies.lock?.value.string == "p/uv.lock")
    #expect(spec.dependencies.extras == ["web-ui"])
    #expect(spec.dependencies.groups == ["prod-a"])
    #expect(spec.dependencies.exclude.map(\.value) == ["torch", "scikit-learn"])
    #expect(spec.dependencies.allowConflicts.map(\.value) == ["numba"])
    #expect(spec.dependencies.installer == .uv)
    let prune = spec.prune
    #expect(!prune.installers && !prune.tests && !prune.headers && !prune.staticLibraries)
    #expect(!prune.idle && !prune.tkinter && !prune.debugSymbols && prune.dropSources)
    #expect(prune.remove.map(\.value) == ["lib/**/*.txt"])
    #expect(prune.keep.map(\.value) == ["lib/x"])
  }

  private func checkLaunch(_ spec: Spec) {
    guard case .script(let script) = spec.launch.program.value else {
      Issue.record("not a script")
      return
    }
    #expect(script.string == "s/server.py")
    #expect(spec.launch.arguments == ["--root", "{root}"])
    #expect(spec.launch.environment.map { "\($0.name)=\($0.value)" } == ["Z=1", "A="])
    #expect(spec.launch.unset == ["B"])
    #expect(spec.launch.pythonOptions == ["-X", "utf8"])
    #expect(!spec.launch.binOnPath)
    #expect(!spec.launch.isolate && spec.launch.pyinstaller == .no)
    #expect(spec.launch.check == .files && spec.launch.keep == 36500)
    #expect(spec.launch.dieWithParent == .term)
    #expect(!spec.launch.reuse)
  }

  private func checkSmoke(_ spec: Spec) {
    #expect(!spec.smoke.imports && spec.smoke.timeout == 3600)
    #expect(spec.smoke.skipImports.map(\.value) == ["a.b"])
    #expect(spec.smoke.commands.map(\.arguments) == [["--help"], []])
    #expect(spec.smoke.commands.map(\.status) == [255, 0])
    #expect(spec.smoke.commands.map(\.output) == ["usage", nil])
    #expect(spec.smoke.http?.arguments == ["--port={port}"])
    #expect(spec.smoke.http?.environment.first?.value == "{port}")
    #expect(spec.smoke.http?.path == "/api" && spec.smoke.http?.status == 204)
    #expect(spec.smoke.http?.contains == "ok")
  }

  /// The defaults in the schema, and so in the document, are those of the model.
  @Test func defaults() throws {
    let spec = try directory.read(
      ReadSpecTests.head + "[smoke.http]\narguments = ['{port}']\n[[smoke.command]]\n")
    func text(_ table: String, _ key: String) -> String? {
      Schema.table(table)?.keys.first { $0.name == key }?.defaultText.filter { $0 != "`" }
    }
    let prune = spec.prune
    for (key, value) in [
      ("installers", prune.installers), ("tests", prune.tests), ("headers", prune.headers),
      ("static-libraries", prune.staticLibraries), ("idle", prune.idle),
      ("tkinter", prune.tkinter), ("debug-symbols", prune.debugSymbols),
    ] { #expect(text("prune", key) == "\(value)") }
    #expect(text("prune", "sources") == (prune.dropSources ? "drop" : "keep"))
    #expect(text("dependencies", "installer") == spec.dependencies.installer.rawValue)
    #expect(text("launch", "isolate") == "\(spec.launch.isolate)")
    #expect(text("launch", "bin-on-path") == "\(spec.launch.binOnPath)")
    #expect(text("launch", "pyinstaller") == "\(spec.launch.pyinstaller)")
    #expect(text("smoke", "imports") == "\(spec.smoke.imports)")
    #expect(text("smoke", "timeout") == "\(spec.smoke.timeout)")
    #expect(text("smoke.command", "status") == "\(spec.smoke.commands[0].status)")
    #expect(text("smoke.http", "path") == spec.smoke.http?.path)
    #expect(text("smoke.http", "status") == "\(spec.smoke.http?.status ?? 0)")
    #expect(text("output", "sidecar") == "\(spec.output.sidecar)")
    #expect(spec.app.version == "" && spec.output.file == nil && spec.archive.maxSize == nil)
    #expect(spec.data.isEmpty && spec.dependencies.requirements.isEmpty && spec.prune.keep.isEmpty)
    #expect(spec.launch.environment.isEmpty && spec.launch.arguments.isEmpty)
    #expect(spec.launch.check == nil && spec.launch.keep == nil)
    #expect(spec.launch.dieWithParent == nil)
    #expect(spec.launch.reuse)
  }

  @Test(arguments: [
    ("true", ParentDeath.kill), ("\"kill\"", .kill), ("'term'", .term), ("false", nil),
  ])
  func endingWithTheParent(_ value: String, _ expected: ParentDeath?) throws {
    let spec = try directory.read(ReadSpecTests.head + "launch.die-with-parent = \(value)\n")
    #expect(spec.launch.dieWithParent == expected)
  }

  @Test(
    arguments: [("true", .yes), ("false", .no), ("'auto'", .auto)]
      as [(String, Spec.Launch.PyInstaller)])
  func attributesOfPyInstaller(_ value: String, _ expected: Spec.Launch.PyInstaller) throws {
    let spec = try directory.read(ReadSpecTests.head + "launch.pyinstaller = \(value)\n")
    #expect(spec.launch.pyinstaller == expected)
  }

  @Test func keepingNothing() throws {
    #expect(try directory.read(ReadSpecTests.head + "launch.keep = 0\n").launch.keep == 0)
  }

  @Test func waysToLaunch() throws {
    let head = "app.name = 'n'\npython.version = '3.11'\n"
    guard case .module("a.b_c") = try launch(head + "launch.module = 'a.b_c'"),
      case .function("a.b", "c.d") = try launch(head + "launch.function = 'a.b:c.d'"),
      case .function("\u{E9}", "f") = try launch(head + "launch.function = '\u{E9}:f'")
    else {
      Issue.record("another program")
      return
    }
    guard case .executable(let path) = try launch("app.name = 'n'\nlaunch.executable = 'bin//x/'")
    else {
      Issue.record("not an executable")
      return
    }
    #expect(path.string == "bin/x")
  }

  private func launch(_ text: String) throws -> Spec.Launch.Program {
    try? directory.remove("onefold.toml")
    return try directory.read(text).launch.program.value
  }

  @Test func nothingOfPythonIsNeededForAProgramOfTheData() throws {
    #expect(try directory.read("app.name = 'n'\nlaunch.executable = 'bin/node'").python == nil)
  }

  // MARK: Places of a spec

  private static let inProject = """
    [project]
    name = "My.Server"
    version = "2.0"
    [tool.onefold.python]
    version = "3.11"
    [tool.onefold.launch]
    module = "notes"
    """

  @Test func aSpecOfItsOwnCountsFirst() throws {
    try directory.write("pyproject.toml", ReadSpecTests.inProject)
    #expect(try readSpec(directory.path).app.name.value == "My.Server")
    try directory.write("onefold.toml", ReadSpecTests.head)
    let spec = try readSpec(directory.path)
    #expect(spec.app.name.value == "notes" && spec.app.version == "2.0")
    #expect(spec.place.file == directory("onefold.toml").string)
    #expect(spec.directory.string == directory.path.string)
    #expect(try readSpec(directory("pyproject.toml")).app.name.value == "My.Server")
  }

  @Test func otherNamesAreReadAsOnefoldTomlIs() throws {
    try directory.write("small.toml", ReadSpecTests.head)
    let spec = try readSpec(directory("small.toml"))
    #expect(spec.app.name.value == "notes")
    #expect(spec.launch.program.place.description == "\(directory("small.toml").string):3")
  }

  @Test func linesInAProject() throws {
    try directory.write("pyproject.toml", "[tool.other]\nx = 1\n[tool.onefold.ap]\n")
    #expect(
      directory.problems()
        == [
          "pyproject.toml:3: 'app.name' is missing, and no pyproject.toml beside the spec has a name",
          "pyproject.toml:3: there is no table [python]: give the interpreter's 'version', 'prefix' or 'archive'",
          "pyproject.toml:3: there is no table [launch]: give the 'module', 'function', 'script' or 'executable' to "
            + "start",
          "pyproject.toml:3: unknown table 'ap'; did you mean 'app'?",
        ].sorted { $0.contains("unknown") && !$1.contains("unknown") })
  }

  @Test func directoriesWithoutASpec() throws {
    #expect(
      error(directory.path) == [
        "\(directory.path.string): there is no onefold.toml and no pyproject.toml here; 'onefold init' writes a "
          + "first spec"
      ])
    #expect(error(directory("nothing")) == ["nothing: there is no such file or directory"])
    try directory.write("pyproject.toml", "[project]\n")
    #expect(
      directory.problems() == [
        "pyproject.toml: there is no table [tool.onefold] in it; 'onefold init' writes a first spec"
      ])
    try directory.remove("pyproject.toml")
    try directory.write("pyproject.toml", "tool.onefold = 1\n")
    #expect(directory.problems() == ["pyproject.toml:1: 'tool.onefold' must be a table"])
    #expect(error(Path("/dev/null")) == ["/dev/null: this is not a file or directory"])
    try directory.makeDirectory("onefold.toml")
    #expect(directory.problems() == ["onefold.toml: this is not a file"])
  }

  @Test func filesThatCannotBeRead() throws {
    try directory.write("onefold.toml", [0xFF])
    #expect(directory.problems().first?.contains("not valid TOML") == true)
  }

  @Test func aBrokenProjectHurtsOnlyWhereItIsNeeded() throws {
    try directory.write("pyproject.toml", "[project\n")
    let text = ReadSpecTests.head + "app.version = '1'\n"
    #expect(try directory.problems(text) == [])
    let problems = try directory.problems("[python]\nversion = '3.11'\n[launch]\nmodule = 'n'\n")
    #expect(problems.count == 2)
    #expect(problems[0].hasPrefix("pyproject.toml:1: not valid TOML"))
    #expect(problems[1].hasPrefix("onefold.toml: 'app.name' is missing"))
  }

  // MARK: Versions

  private func version(_ value: String) throws -> String {
    try? directory.remove("onefold.toml")
    return try directory.read(ReadSpecTests.head + "app.version = \(value)\n").app.version
  }

  private func versionProblems(_ value: String) throws -> [String] {
    try directory.problems(ReadSpecTests.head + "app.version = \(value)\n")
  }

  @Test func versionsOfTextFilesAndProjects() throws {
    try directory.write("VERSION", " 1.2.3 \r\nmore\n")
    try directory.write("sub/pyproject.toml", "[project]\nversion = '4.5'\n")
    try directory.write("old/pyproject.toml", "[tool.poetry]\nversion = '6.7'\n")
    #expect(try version("'1.0-\u{E9}'") == "1.0-\u{E9}")
    #expect(try version("''") == "")
    #expect(try version("{ file = 'VERSION' }") == "1.2.3")
    #expect(try version("{ project = 'sub' }") == "4.5")
    #expect(try version("{ project = 'old' }") == "6.7")
    #expect(try version("'\(String(repeating: "x", count: 128))'").utf8.count == 128)
  }

  @Test func dynamicVersions() throws {
    let message =
      "'project.version' is dynamic in 'pyproject.toml': give 'app.version' as text, { file = \"VERSION\" } or "
      + "{ git = true }"
    try directory.write("pyproject.toml", "[project]\nname = 'n'\ndynamic = ['version']\n")
    #expect(try directory.problems(ReadSpecTests.head) == ["onefold.toml:1: \(message)"])
    #expect(try versionProblems("{ project = '.' }") == ["onefold.toml:4: \(message)"])
    #expect(try version("''") == "")
  }

  @Test func badVersionFiles() throws {
    try directory.write("VERSION", [0xFF, 0x0A])
    #expect(
      try versionProblems("{ file = 'VERSION' }") == [
        "onefold.toml:4: the first line of 'VERSION' is not UTF-8"
      ])
    try directory.write("__init__.py", "__version__ = '1'\n")
    #expect(
      try versionProblems("{ file = '__init__.py' }") == [
        "onefold.toml:4: the first line of '__init__.py' must be the version alone, not "
          + "'__version__ = \\x271\\x27'"
      ])
    try directory.write("sub/pyproject.toml", "[project")
    #expect(
      try versionProblems("{ project = 'sub' }").first?.hasPrefix(
        "sub/pyproject.toml:1: not valid TOML") == true)
  }

  private func git(_ arguments: String...) throws {
    let identity = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    let process = Subprocess(
      Path("git"), (identity + arguments).map { Path($0) }, directory: directory.path)
    let result = try process.run()
    #expect(result.succeeded, "\(String(decoding: result.errors, as: UTF8.self))")
  }

  @Test func versionsOfGit() throws {
    let value = "{ git = true }"
    let outside = try versionProblems(value)
    #expect(outside.count == 1)
    #expect(
      outside[0].hasPrefix("onefold.toml:4: 'git describe' found no version: fatal: not a git"))
    try git("init", "-q")
    #expect(try versionProblems(value).count == 1)
    try directory.write("file", "1")
    try git("add", "file")
    try git("commit", "-q", "-m", "m")
    #expect(try version(value).utf8.count >= 7)
    try git("tag", "v1.2.3")
    #expect(try version(value) == "1.2.3")
    try directory.remove("file")
    #expect(try version(value) == "1.2.3-dirty")
    try git("commit", "-q", "-a", "-m", "m")
    #expect(try version(value).hasPrefix("1.2.3-1-g"))
    try git("tag", "version-2")
    #expect(try version(value) == "version-2")
  }
}
