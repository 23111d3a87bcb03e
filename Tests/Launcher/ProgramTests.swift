import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import Launcher

/// The arguments and environment of the program.
@Suite struct ProgramTests {
  private func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

  private func record(
    arguments: [String] = [], sets: [String] = [], removes: [String] = []
  ) -> LaunchRecord {
    var record = LaunchRecord(name: bytes("app"), entry: bytes("bin/run"), target: bytes("t"))
    record.version = bytes("1.2")
    record.arguments = arguments.map(bytes)
    record.variables = sets.map(bytes)
    record.removedVariables = removes.map(bytes)
    return record
  }

  private func program(
    _ record: LaunchRecord, _ given: [String] = [], environment: [String] = []
  ) -> Program {
    Program(
      record, root: Path("/cache/tree"), executable: Path("/opt/app file"),
      [Path("./app")] + given.map { Path($0) }, environment: environment.map { Path($0) })
  }

  /// The variables that every program gets, after everything else.
  private let told = [
    "ONEFOLD_EXE=/opt/app file", "ONEFOLD_ROOT=/cache/tree", "ONEFOLD_APP_NAME=app",
    "ONEFOLD_APP_VERSION=1.2", "ONEFOLD_ARGV0=./app",
  ]

  private func environment(_ record: LaunchRecord, _ given: [String]) -> [String] {
    program(record, environment: given).environment.map(\.string)
  }

  // MARK: Arguments

  @Test func theEntryIsTheFirstArgument() {
    let made = program(record(arguments: ["-m", "app"]), ["--x", "", "a b"])
    #expect(made.entry.string == "/cache/tree/bin/run")
    #expect(
      made.arguments.map(\.string) == ["/cache/tree/bin/run", "-m", "app", "--x", "", "a b"])
  }

  @Test func placeholdersAreThoseOfTheRecordAlone() {
    let made = program(
      record(arguments: ["{root}/lib:{exe}", "{{root}}", "{other}", "{"]), ["{root}", "{exe}"])
    #expect(
      made.arguments.dropFirst().map(\.string)
        == ["/cache/tree/lib:/opt/app file", "{root}", "{other}", "{", "{root}", "{exe}"])
  }

  @Test func placeholdersOfAnAddressNeedOne() {
    let record = record(arguments: ["{address}:{port}", "{fd}", "{{fd}}"])
    #expect(
      program(record).arguments.dropFirst().map(\.string) == ["{address}:{port}", "{fd}", "{{fd}}"])
    let listening = Program(
      record, root: Path("/r"), executable: Path("/e"), [],
      listener: (address: bytes("::1"), port: bytes("80")), environment: [])
    #expect(listening.arguments.dropFirst().map(\.string) == ["::1:80", "3", "{fd}"])
  }

  @Test func aCommandReplacesEntryAndArguments() {
    let command = LaunchRecord.Command(
      name: bytes("migrate"), entry: bytes("bin/other"), arguments: [bytes("{root}")])
    let made = Program(
      record(arguments: ["-m", "app"]), root: Path("/r"), executable: Path("/e"),
      [Path("migrate"), Path("--all")], command: command, environment: [])
    #expect(made.entry.string == "/r/bin/other")
    #expect(made.arguments.map(\.string) == ["/r/bin/other", "/r", "--all"])
    #expect(made.environment.last?.string == "ONEFOLD_ARGV0=migrate")
  }

  @Test func argumentsAreBytes() {
    let made = Program(
      record(), root: Path("/r"), executable: Path("/e"), [Path("./app"), Path([0xFF, 0x0A])],
      environment: [])
    #expect(Array(made.arguments[1].bytes) == [0xFF, 0x0A])
  }

  // MARK: Environment

  @Test func theEnvironmentIsThatOfTheLaunch() {
    #expect(environment(record(), ["A=1", "B=", "=C", "D"]) == ["A=1", "B=", "=C", "D"] + told)
  }

  @Test func settingsOfOneLaunchAreNotPassedOn() {
    let given = [
      "ONEFOLD=help", "ONEFOLD_PROGRESS=json", "ONEFOLD_TRACE=t", "ONEFOLD_DIE_WITH_PARENT=1",
      "ONEFOLD_CACHE=/c", "ONEFOLD_CHECK=full", "ONEFOLDER=x",
    ]
    #expect(
      environment(record(), given) == ["ONEFOLD_CACHE=/c", "ONEFOLD_CHECK=full", "ONEFOLDER=x"]
        + told)
  }

  @Test func theRecordRemovesAndSets() {
    let record = record(
      sets: ["PATH={root}/bin:{env:PATH}", "HOME=/h"], removes: ["PYTHONPATH", "HOME"])
    #expect(
      environment(record, ["PYTHONPATH=/x", "PATH=/usr/bin", "HOME=/old", "PYTHONPATHS=/y"])
        == ["PYTHONPATHS=/y", "PATH=/cache/tree/bin:/usr/bin", "HOME=/h"] + told)
  }

  @Test func theLastOfSeveralSettingsCounts() {
    let record = record(sets: ["A={env:A}:x", "B=1", "B=2"])
    #expect(environment(record, ["A=1", "B=0", "A=2"]) == ["A=2:x", "B=2"] + told)
  }

  @Test func variablesForTheProgramCannotBeForged() {
    let record = record(sets: ["ONEFOLD_ROOT=/false"])
    #expect(environment(record, ["ONEFOLD_EXE=/false", "ONEFOLD_APP_NAME=x"]) == told)
  }

  // MARK: Failures

  @Test func exitCodesAreThoseOfEnv() {
    #expect(Failure.notExecutable("x").exitCode == 126)
    #expect(Failure.noEntry("x").exitCode == 127)
    for failure in [
      Failure("open", Path("/x"), .noSuchFile), .refused("x"), .interrupted(signal: 15),
    ] { #expect(failure.exitCode == 125) }
  }

  @Test func aProgramThatCannotBeExecutedSaysWhy() throws {
    let directory = try TemporaryDirectory()
    var record = record()
    func failure(of entry: String) -> Failure? {
      record.entry = bytes(entry)
      let made = Program(
        record, root: directory.path, executable: Path("/e"), [], environment: [])
      do throws(Failure) { try made.execute() } catch { return error }
      return nil
    }
    #expect(
      failure(of: "missing")
        == .noEntry("cannot execute \(directory("missing").quoted): No such file or directory"))
    try directory.write("plain", [], mode: 0o644)
    #expect(
      failure(of: "plain")
        == .notExecutable("cannot execute \(directory("plain").quoted): Permission denied"))
    try directory.write("script", bytes("#!/nowhere/sh\n"), mode: 0o755)
    #expect(
      failure(of: "script")
        == .notExecutable(
          "cannot execute \(directory("script").quoted): the interpreter or loader that it names is not on this system"
        ))
  }
}
