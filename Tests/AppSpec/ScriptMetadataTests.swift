import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import AppSpec

/// Inline metadata of scripts: accepted blocks, and refused ones with the script's line.
@Suite struct ScriptMetadataTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func find(_ text: String) throws -> ScriptMetadata? {
    try? directory.remove("app.py")
    try directory.write("app.py", text)
    return try ScriptMetadata.find(in: directory.path.appending("app.py"), shown: "app.py")
  }

  private func problem(_ text: String) throws -> String {
    try? directory.remove("app.py")
    try directory.write("app.py", text)
    do throws(SpecError) {
      _ = try ScriptMetadata(of: directory.path.appending("app.py"), shown: "app.py")
      return ""
    } catch { return error.description }
  }

  private static let block = """
    #!/usr/bin/env -S uv run --script
    # /// script
    # requires-python = ">=3.11"
    # dependencies = [
    #   "requests<3",
    #
    #   "rich",
    # ]
    #
    # [tool.uv]
    # exclude-newer = "2024-01-01T00:00:00Z"
    # ///
    print(1)

    """

  @Test(arguments: ["", "\u{feff}"], ["\n", "\r\n"])
  func aBlock(_ mark: String, _ newline: String) throws {
    let text = mark + Self.block.replacing("\n", with: newline)
    let found = try #require(try find(text))
    #expect(found.requiredPython?.value == ">=3.11")
    #expect(found.requiredPython?.place.description == "app.py:3")
    #expect(found.dependencies.map(\.value) == ["requests<3", "rich"])
    #expect(found.dependencies.map(\.place.line) == [5, 7])
  }

  @Test func anEmptyBlock() throws {
    let found = try #require(try find("# /// script\n# ///\n"))
    #expect(found.requiredPython == nil)
    #expect(found.dependencies.isEmpty)
  }

  /// The standard's own example: blocks of other types are ignored, and a block can contain a line that ends one.
  @Test func otherBlocksBesideIt() throws {
    let text = "# /// future\n# x = 1\n# ///\n\n# /// script\n# dependencies = ['a']\n# ///\n"
    #expect(try find(text)?.dependencies.map(\.value) == ["a"])
    let embedded = "# /// script\n# dependencies = ['''\n# ///\n# ''']\n# ///\n"
    #expect(try find(embedded)?.dependencies.map(\.value) == ["///\n"])
  }

  @Test func noBlock() throws {
    #expect(try find("import os\n# // script\n") == nil)
    #expect(
      try problem("import os\n")
        == "app.py: there is no inline metadata in it: begin it with the lines '# /// script', "
        + "'# dependencies = []' and '# ///', or write a spec with 'onefold init'")
  }

  @Test(
    arguments: [
      (
        "\n# /// script\n# dependencies = []\n\n# ///\n",
        "app.py:2: the block '# /// script' has no end: close it with the line '# ///', and begin each line "
          + "between with '# '"
      ),
      (
        "# /// script\n# ///\n\n# /// script\n# ///\n",
        "app.py:4: this is the second block '# /// script', after that in line 1: only one is allowed"
      ),
      (
        "# /// script\n# ///\n# /// script\n# ///\n",
        "app.py:3: this is the second block '# /// script', after that in line 1: only one is allowed"
      ),
      (
        "import x\n# /// scripts\n# ///\n",
        "app.py:2: a block of the type 'scripts' is unknown: inline metadata of a script begins "
          + "with '# /// script'"
      ),
      (
        "x\n#/// script\n# ///\n",
        "app.py:2: this does not begin inline metadata: write '# /// script', without other spaces"
      ),
      (
        "x\n# /// script \n# ///\n",
        "app.py:2: this does not begin inline metadata: write '# /// script', without other spaces"
      ),
      (
        "# /// script\n# requires-python = 3.11\n# ///\n",
        "app.py:2: 'requires-python' must be a text such as \">=3.11\""
      ),
      (
        "# /// script\n#\n# dependencies = 'requests'\n# ///\n",
        "app.py:3: 'dependencies' must be an array of texts such as [\"requests<3\"]"
      ),
      (
        "# /// script\n# dependencies = [\n#  'a',\n#  1,\n# ]\n# ///\n",
        "app.py:4: 'dependencies' must hold texts such as \"requests<3\""
      ),
      (
        "# /// script\n# dependancies = []\n# ///\n",
        "app.py:2: unknown key 'dependancies'; did you mean 'dependencies'?"
      ),
    ])
  func malformed(_ text: String, _ message: String) throws {
    #expect(try problem(text) == message)
  }

  @Test func invalidTOMLHasTheLineOfTheScript() throws {
    let message = try problem(
      "#!/usr/bin/python3\n# /// script\n# dependencies = [\n# ///\nx = 1\n")
    #expect(message.hasPrefix("app.py:3: not valid TOML"), "\(message)")
  }

  // MARK: Specs

  @Test func aSpecNamesAScript() throws {
    try directory.write("app.py", "# /// script\n# dependencies = 1\n# ///\n")
    let spec = """
      app.name = "a"
      python.version = "3.11"
      launch.script = "app.py"
      [dependencies]
      script = "app.py"
      packages = ["httpie[socks]>=3; python_version > '3'", "./core", "-r x", "a\\nb", "x @ https://h/x.whl"]

      """
    #expect(
      try directory.problems(spec) == [
        "onefold.toml:6: 'dependencies.packages' holds requirements such as datasette==0.65.1, not './core': give a "
          + "file in 'dependencies.requirements', a directory or wheel in 'dependencies.project'",
        "onefold.toml:6: 'dependencies.packages' holds requirements such as datasette==0.65.1, not '-r x': give a "
          + "file in 'dependencies.requirements', a directory or wheel in 'dependencies.project'",
        "onefold.toml:6: 'dependencies.packages' holds requirements such as datasette==0.65.1, not 'a\\x0ab': give a "
          + "file in 'dependencies.requirements', a directory or wheel in 'dependencies.project'",
        "app.py:2: 'dependencies' must be an array of texts such as [\"requests<3\"]",
      ])
  }

  @Test func aFirstSpecNamesTheMetadataOfItsScript() throws {
    try directory.write("app.py", Self.block.replacing(">=3.11", with: ">=3.12"))
    let first = try FirstSpec(for: directory.path, interpreter: "3.11")
    #expect(first.missing == [] && first.advice == [])
    let spec = try directory.read(first.text)
    #expect(spec.dependencies.script?.value.string == "app.py")
    #expect(spec.python?.version?.value == "3.12")
    guard case .script(let script) = spec.launch.program.value else {
      Issue.record("no script is launched")
      return
    }
    #expect(script.string == "app.py")
  }

  // MARK: Generated specs

  private var given: GivenSpec {
    var given = GivenSpec(name: "a", python: .version("3.11"))
    given.heading = ["what it stands for"]
    given.version = "1.0"
    given.packages = ["a==1.0", "b"]
    given.program = ("function", "a.b:c")
    given.launch.arguments = ["--title", "\"x\\y\""]
    given.launch.environment = [("A", "{root}"), ("B-c", "")]
    given.launch.unset = ["D"]
    given.launch.keep = 3
    given.launch.check = .full
    given.launch.dieWithParent = .term
    given.maxGlibc = "2.31"
    given.smokeCommand = ["--help"]
    given.archive.level = 3
    given.output.sidecar = true
    return given
  }

  /// A spec that is printed, saved and read again equals the one read without a file.
  @Test func aGivenSpecIsTheOneThatItsTextSays() throws {
    let text = given.text
    let spec = try readSpec(text: text, shown: "option '--package'", directory: directory.path)
    let saved = try directory.read(text)
    #expect(spec.app.name.value == "a" && spec.app.version == "1.0")
    #expect(spec.dependencies.packages.map(\.value) == ["a==1.0", "b"])
    #expect(spec.launch.arguments == ["--title", "\"x\\y\""])
    #expect(spec.launch.environment.map(\.name) == ["A", "B-c"])
    #expect(spec.smoke.commands.map(\.arguments) == [["--help"]])
    #expect(spec.place.description == "option '--package'")
    #expect(spec.app.name.place.description == "option '--package'")
    #expect(spec.dependencies.packages[1].place.description == "option '--package'")
    #expect(saved.dependencies.packages[1].place.line == 12)
    func described(_ spec: Spec) -> String {
      let places = #/(place: )?AppSpec\.SpecPlace\([^)]*\)/#
      let parts = [spec.launch, spec.archive, spec.output, spec.smoke] as [any Sendable]
      return "\(parts)".replacing(places, with: "")
    }
    #expect(described(spec) == described(saved))
  }

  @Test func errorsNameTheOption() throws {
    var given = given
    given.maxGlibc = "new"
    let text = given.text
    let error = #expect(throws: SpecError.self) {
      try readSpec(text: text, shown: "option '--package'", directory: directory.path)
    }
    #expect(
      error?.description
        == "option '--package': 'python.max-glibc' must be such as 2.31, not 'new'")
  }
}
