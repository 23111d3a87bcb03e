import Glibc
import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import OnefoldCLI

/// The output of a run of the command line program.
private struct Output {
  var out: String
  var error: String
}

/// Written to both streams before the program runs, because the testing library writes something as well.
private let start = "\u{2}start\u{3}"

/// The whole program with its arguments, in a separate process.
@Suite struct CommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ arguments: [String], _ exitCode: Int32) async throws -> Output {
    let observed = await #expect(
      processExitsWith: .exitCode(exitCode),
      observing: [\.standardOutputContent, \.standardErrorContent]
    ) { [arguments = arguments as [String]] in
      for stream in [1, 2] as [Int32] { writeBytes([UInt8](start.utf8), to: stream) }
      exit(OnefoldCLI.run(arguments.map { Path($0) }))
    }
    let result = try #require(observed)
    return Output(
      out: try text(result.standardOutputContent), error: try text(result.standardErrorContent))
  }

  private func text(_ bytes: [UInt8]) throws -> String {
    let found = try #require(bytes.firstRange(of: [UInt8](start.utf8)))
    return String(decoding: bytes[found.upperBound...], as: UTF8.self)
  }

  // MARK: Help

  /// Compares with a file of Snapshots. Writes it first if ONEFOLD_RECORD is set.
  private func compare(_ text: String, _ name: String) throws {
    #expect(
      try text == Repository.snapshot("Tests/OnefoldCLI/Snapshots/\(name).txt", text))
  }

  @Test func overview() async throws {
    for arguments in [["--help"], ["-h"], ["help"]] {
      let output = try await run(arguments, 0)
      try compare(output.out, "onefold")
      #expect(output.error == "")
    }
    let output = try await run([], 2)
    try compare(output.error, "onefold")
    #expect(output.out == "")
  }

  @Test(arguments: commands.map { $0.command.name })
  func helpOfACommand(_ name: String) async throws {
    for arguments in [[name, "--help"], ["help", name], [name, "x", "-h"]] {
      let command = commands.first { $0.command.name == name }?.command
      if arguments[1] == "x" && command?.positional.isEmpty != false { continue }
      let output = try await run(arguments, 0)
      try compare(output.out, name)
      #expect(output.error == "")
    }
  }

  @Test func everyCommandHasASnapshotAndNoOther() throws {
    let files = try names(in: Repository.path("Tests/OnefoldCLI/Snapshots"))
    #expect(files == (commands.map { "\($0.command.name).txt" } + ["onefold.txt"]).sorted())
  }

  @Test func linesOfTheOptionsAreShort() {
    for (command, _) in commands {
      let start = command.help.split(separator: "\n").drop { !$0.hasPrefix("OPTIONS:") }
      for line in start { #expect(line.utf8.count <= 80, "\(line)") }
    }
  }

  @Test func version() async throws {
    for arguments in [["--version"], ["-V"], ["-q", "--color", "never", "--version"]] {
      let output = try await run(arguments, 0)
      #expect(output.out.hasPrefix("onefold \(OnefoldCLI.version)\n  target "))
      #expect(output.error == "")
    }
    let json = try await run(["--version", "--json"], 0)
    #expect(json.out.hasPrefix("{\n  \"onefold\": \"\(OnefoldCLI.version)\",\n  \"target\": "))
    let wrong = try await run(["--version", "--jsn"], 2)
    #expect(
      wrong.error
        == "onefold: unknown option '--jsn'; did you mean '--json'?\nhint: onefold --help\n")
  }

  // MARK: Usage errors: exit code 2, two lines on stderr

  @Test(
    arguments: [
      (
        ["inspct"],
        "onefold: unknown command 'inspct'; did you mean 'inspect'?\nhint: onefold --help\n"
      ),
      (
        ["--hepl"],
        "onefold: unknown option '--hepl'; did you mean '--help'?\nhint: onefold --help\n"
      ),
      (["--color"], "onefold: option '--color' needs a value: WHEN\nhint: onefold --help\n"),
      (
        ["--color=sometimes", "inspect", "x"],
        "onefold inspect: option '--color' needs auto, always or never, not 'sometimes'\n"
          + "hint: onefold inspect --help\n"
      ),
      (
        ["completions", "fishh"],
        "onefold completions: SHELL needs bash, zsh or fish, not 'fishh'; did you mean 'fish'?\n"
          + "hint: onefold completions --help\n"
      ),
      (
        ["inspect", "x", "--libraries", "--sizes"],
        "onefold inspect: option '--sizes' does not go with '--libraries'\n"
          + "hint: onefold inspect --help\n"
      ),
      (["help", "nothing"], "onefold: unknown command 'nothing'\nhint: onefold --help\n"),
      (["inspect"], "onefold inspect: missing argument FILE\nhint: onefold inspect --help\n"),
      (
        ["pack", "--entry", "e"],
        "onefold pack: option '--entry' goes with '--tree'; a spec has a key for it\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--no-smoke"],
        "onefold pack: option '--no-smoke' does not go with '--tree'\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t"],
        "onefold pack: option '--entry' is missing\nhint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--env", "=x"],
        "onefold pack: option '--env' needs NAME=VALUE, not '=x'\nhint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--unset-env", "A=x"],
        "onefold pack: option '--unset-env' needs the name of a variable, not 'A=x'\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--app-version", "1\n"],
        "onefold pack: option '--app-version' needs at most 128 bytes without control characters\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--name", "-x"],
        "onefold pack: the name '-x' is not valid: give 1 to 64 of A-Z a-z 0-9 . _ + - with --name, "
          + "not beginning with '.' or '-'\nhint: onefold pack --help\n"
      ),
      (
        ["pack", "--die-with-parent", "term"],
        "onefold pack: option '--die-with-parent' does not go with a spec, which has a key for it\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--package", "a", "--spec", "s"],
        "onefold pack: option '--spec' does not go with option '--package': each names what is packed\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "app.py", "--package", "a"],
        "onefold pack: option '--package' does not go with the script 'app.py': each names what is packed\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "app.py", "--tree", "t"],
        "onefold pack: option '--tree' does not go with the script 'app.py': each names what is packed\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "app.py", "--command", "c"],
        "onefold pack: option '--command' goes with '--package'\nhint: onefold pack --help\n"
      ),
      (
        ["pack", "--package", "a", "--entry", "c"],
        "onefold pack: option '--entry' goes with '--tree', not with '--package'\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--print-spec"],
        "onefold pack: option '--print-spec' goes with '--package' or a script\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--", "a"],
        "onefold pack: arguments after '--' do not go with a spec, which has launch.arguments\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--chek", "dirs"],
        "onefold pack: unknown option '--chek'; did you mean '--check'?\nhint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--check", "dir"],
        "onefold pack: option '--check' needs seal, dirs, files or full, not 'dir'; did you mean 'dirs'?\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--keep", "-1"],
        "onefold pack: option '--keep' needs a number from 0 to 36500, not '-1'\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--keep=36501"],
        "onefold pack: option '--keep' needs a number from 0 to 36500, not '36501'\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--die-with-parent=SIGKILL"],
        "onefold pack: option '--die-with-parent' needs kill or term, not 'SIGKILL'\n"
          + "hint: onefold pack --help\n"
      ),
      (
        ["bench"], "onefold bench: missing argument FILE...\nhint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--fail-over", "wram>2ms"],
        "onefold bench: option '--fail-over' does not understand 'wram>2ms': there is no metric 'wram'\n"
          + "hint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--reset", "true"],
        "onefold bench: option '--reset' goes with '--against' only\nhint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--http", "/"],
        "onefold bench: option '--http' needs '--port', or '{port}' in the arguments or in '--env', "
          + "for example --env 'PORT={port}'\nhint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--http", "/a b", "--port", "1"],
        "onefold bench: option '--http' needs a path such as /health, not '/a b'\n"
          + "hint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--json", "--csv"],
        "onefold bench: options '--json' and '--csv' exclude each other\n"
          + "hint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--against", "'a"],
        "onefold bench: option '--against' needs a command, not '\\x27a'\n"
          + "hint: onefold bench --help\n"
      ),
      (
        ["bench", "f", "--tolerance", "5"],
        "onefold bench: option '--tolerance' goes with '--baseline' only\n"
          + "hint: onefold bench --help\n"
      ),
      (
        ["pack", "--tree", "t", "--entry", "e", "--codec", "zst"],
        "onefold pack: option '--codec' needs zstd, xz or store, not 'zst'; did you mean 'zstd'?\n"
          + "hint: onefold pack --help\n"
      ),
    ] as [([String], String)])
  func usageErrors(_ arguments: [String], _ message: String) async throws {
    let output = try await run(arguments, 2)
    #expect(output.error == message)
    #expect(output.out == "")
  }

  @Test(
    arguments: [
      (["--cache", "x", "--no-cache"], "option '--cache' does not go with '--no-cache'"),
      (
        ["--remote-cache", "http://x", "--no-cache"],
        "option '--remote-cache' does not go with '--no-cache'"
      ),
      (
        ["--remote-cache", "ftp://x"],
        "option '--remote-cache' needs a URL that begins with http:// or https://, not 'ftp://x'"
      ),
      (
        ["--remote-cache-read-only"],
        "option '--remote-cache-read-only' needs a remote cache: add --remote-cache URL"
      ),
      (["--cache="], "option '--cache' needs a directory"),
    ] as [([String], String)])
  func cacheOptionsThatContradict(_ options: [String], _ message: String) async throws {
    let output = try await run(["pack", "--tree", "t", "--entry", "e"] + options, 2)
    #expect(output.error == "onefold pack: \(message)\nhint: onefold pack --help\n")
  }

  /// Also if there is no bootloader.
  @Test(
    arguments: [
      ["--codec", "gzip"], ["--level", "23"], ["--level", "0"], ["--codec", "xz", "--level", "10"],
      ["--codec", "store", "--level", "0"], ["--frame-size", "63"], ["--frame-size", "16385"],
      ["-j0"], ["--jobs", "1025"],
    ])
  func valuesOutOfRangeAreUsageErrors(_ options: [String]) async throws {
    let output = try await run(["pack", "--tree", "t", "--entry", "e"] + options, 2)
    #expect(output.error.hasSuffix("hint: onefold pack --help\n"))
    #expect(output.out == "")
  }

  // MARK: Commands

  private func sample() throws -> String {
    try directory.write("one\u{1B}file", Onefile.sample().encoded()).string
  }

  @Test func inspecting() async throws {
    let path = try sample()
    let output = try await run(["inspect", path], 0)
    #expect(
      output.out.hasPrefix("name        app\ntarget      x86_64-linux\nentry       program\n"))
    #expect(output.error == "")
  }

  @Test func inspectingPolicies() async throws {
    var onefile = Onefile.sample()
    onefile.record.check = .full
    onefile.record.keepDays = 1
    onefile.record.parentDeath = .term
    onefile.record.reuse = false
    let path = try directory.write("onefile", onefile.encoded()).string
    let text = try await run(["inspect", path], 0).out
    #expect(
      text.contains(
        """

        check       full
        keep        1 day
        parent      the program ends with it, by SIGTERM

        """))
    let json = try await run(["inspect", "--json", path], 0).out
    #expect(
      json.contains(
        "  \"check\": \"full\",\n  \"keep\": 1,\n  \"die_with_parent\": \"term\",\n"
          + "  \"reuse\": false,\n"))
    let plain = try await run(["inspect", "--json", try sample()], 0).out
    #expect(
      plain.contains(
        "  \"check\": null,\n  \"keep\": null,\n  \"die_with_parent\": null,\n"
          + "  \"reuse\": true,\n"))
  }

  @Test func inspectingFiles() async throws {
    let path = try sample()
    let output = try await run(["inspect", "--files", path], 0)
    #expect(
      output.out.hasSuffix(
        """

         755               0 ./
         600         205,300 big
         711               0 directory/
         640               0 empty
         777              10 program
           0               0 directory/again = program
         600              10 directory/inner
           0              10 directory/link -> ../program

        """))
  }

  @Test func inspectingSizes() async throws {
    let path = try sample()
    let output = try await run(["inspect", "--sizes", path], 0)
    #expect(
      output.out.hasSuffix(
        """

            unpacked      packed     files  name
              0.2 MB      0.0 MB         1  big
              0.0 MB      0.0 MB         3  3 others
              0.2 MB      0.0 MB         4  total

        """))
    let all = try await run(["inspect", "--sizes", "--all", path], 0)
    #expect(all.out.contains("  1  directory/\n"))
    let wrong = try await run(["inspect", "--all", path], 2)
    #expect(
      wrong.error
        == "onefold inspect: option '--all' goes with '--sizes' only\n"
        + "hint: onefold inspect --help\n")
  }

  @Test func inspectingSizesAsJSON() async throws {
    let path = try sample()
    let output = try await run(["inspect", "--sizes", "--json", path], 0)
    #expect(
      output.out.contains(
        """
          "sizes": [
            {
              "name": "big",
              "unpacked": 205300,
              "packed": 5300,
              "files": 1
            },

        """))
  }

  @Test func inspectingAsJSON() async throws {
    let path = try sample()
    let output = try await run(["inspect", "--files", "--json", path], 0)
    #expect(output.out.hasPrefix("{\n  \"format\": 1,\n  \"name\": \"app\",\n"))
    #expect(output.out.contains("\"path\": \"directory/link\",\n      \"type\": \"symlink\",\n"))
    #expect(output.out.hasSuffix("  ]\n}\n"))
  }

  @Test func verifying() async throws {
    let path = try sample()
    let text = try await run(["verify", path], 0)
    #expect(text.out == "")
    #expect(text.error.hasSuffix("one\\x1bfile': 4 files, 205,320 bytes\n"))
    let json = try await run(["verify", "--json", path], 0)
    #expect(json.out.hasPrefix("{\n  \"verified\": true,\n"))
    #expect(json.error == "")
  }

  @Test func extracting() async throws {
    let path = try sample()
    let output = try await run(["extract", path, directory("out").string], 0)
    #expect(output.out == "")
    #expect(output.error.hasPrefix("extracted '"))
    #expect(try directory.list("out") == ["big", "directory", "empty", "program"])
    let again = try await run(["extract", path, directory("out").string], 1)
    #expect(again.error.hasSuffix("/out' exists and is not an empty directory\n"))
  }

  @Test(arguments: ["inspect", "verify"])
  func failuresAreOneLineOnStderr(_ name: String) async throws {
    let path = try directory.write("file", [1, 2, 3]).string
    for options in [[], ["--json"]] {
      let output = try await run([name, path] + options, 1)
      #expect(
        output.error
          == "onefold \(name): '\(path)' holds no payload: it was cut short or stripped, or is not a "
          + "onefile\n")
      #expect(output.out == "")
    }
  }

  @Test func packing() async throws {
    var elf = [UInt8](repeating: 0, count: 64)
    elf.replaceSubrange(0..<6, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1])
    elf[18] = 62
    let bootloader = try directory.write("bootloader", elf).string
    try directory.write("tree/bin/app", [UInt8]("#!/bin/sh\n".utf8), mode: 0o755)
    let arguments = [
      "pack", "--tree", directory("tree").string, "--entry", "./bin/app", "-o",
      directory("out").string, "--bootloader", bootloader, "--env", "A={root}", "--unset-env", "B",
      "--app-version", "7", "--cache", directory("cache").string, "--check=seal", "--keep", "0",
      "--die-with-parent", "kill",
    ]
    let text = try await run(arguments + ["--", "-x", "{exe}"], 0)
    #expect(text.out == "")
    #expect(text.error.hasPrefix("packed '"))
    #expect(text.error.contains("\n  1 frame, 0 of them from the cache\n"))
    let shown = try await run(["inspect", directory("out").string], 0)
    #expect(
      shown.out.hasPrefix(
        """
        name        app
        version     7
        target      x86_64-linux
        entry       bin/app
        argument    -x
        argument    {exe}
        unset       B
        environment A={root}
        check       seal
        keep        0 days
        parent      the program ends with it, by SIGKILL

        """))
    let json = try await run(arguments + ["--json"], 0)
    #expect(json.out.contains("\"codec\": \"zstd\",\n  \"level\": 19,\n"))
    #expect(
      json.out.contains(
        "\"frames\": 1,\n  \"frames_from_cache\": 1,\n  \"frames_from_remote_cache\": 0,\n"))
    #expect(json.error == "")
  }

  @Test func writingAFirstSpec() async throws {
    try directory.write("main.py", [UInt8]("from flask import Flask\napp = Flask(__name__)\n".utf8))
    try directory.write("requirements.txt", [UInt8]("flask\ngunicorn\n".utf8))
    let file = directory("onefold.toml").string
    let output = try await run(["init", directory.path.string], 0)
    #expect(output.out == "")
    let schema = directory("onefold.schema.json").string
    #expect(
      output.error == "wrote '\(file)' and '\(schema)'\n  Flask: main:app\n"
        + "  tested by GET / (status 404), with --bind 127.0.0.1:{port}\n")
    let text = try readFile(directory("onefold.toml"))
    #expect(String(decoding: text, as: UTF8.self).contains("\nmodule = \"gunicorn\"\n"))
    let again = try await run(["init", directory.path.string], 1)
    #expect(again.error == "onefold init: '\(file)' exists; remove it to begin anew\n")
    #expect(try readFile(directory("onefold.toml")) == text)
  }

  @Test func writingAFirstSpecInTheWorkingDirectory() async throws {
    let path = directory.path.string
    await #expect(processExitsWith: .exitCode(0)) { [path = path as String] in
      chdir(path)
      exit(OnefoldCLI.run([Path("init")]))
    }
    #expect(try directory.list() == ["onefold.schema.json", "onefold.toml"])
  }

  @Test func aFirstSpecIsNotWrittenOverAnother() async throws {
    try directory.symlink("link/onefold.toml", to: "nowhere")
    let link = try await run(["init", directory("link").string], 1)
    #expect(link.error.hasSuffix("/link/onefold.toml' exists; remove it to begin anew\n"))
    let project = try directory.write("p/pyproject.toml", [UInt8]("[tool.onefold.app]\n".utf8))
    let output = try await run(["init", directory("p").string], 1)
    #expect(
      output.error == "onefold init: '\(project.string)' has a spec, in [tool.onefold]\n")
    let none = try await run(["init", directory("none").string], 1)
    #expect(none.error.hasPrefix("onefold init: cannot open '"))
    #expect(try directory.list() == ["link", "p"])
  }

  @Test func outputThatCannotBeWrittenIsAFailure() async throws {
    let path = try sample()
    await #expect(processExitsWith: .exitCode(1)) { [path = path as String] in
      let full = open("/dev/full", O_WRONLY)
      dup2(full, 1)
      exit(OnefoldCLI.run([Path("inspect"), Path(path)]))
    }
  }
}
