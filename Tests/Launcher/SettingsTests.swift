import Glibc
import PayloadFormat
import Posix
import Reporting
import TestSupport
import Testing

@testable import Launcher

/// The environment's settings for one launch.
@Suite struct SettingsTests {
  private func refusal<Value>(_ body: () throws(Failure) -> Value) -> String? {
    do throws(Failure) {
      _ = try body()
      return nil
    } catch {
      #expect(error.kind == .refused && error.exitCode == 125)
      return error.message.string
    }
  }

  // MARK: Progress

  @Test func progressGoesToStderrOrADescriptor() throws {
    #expect(try Settings.progress(nil) == nil)
    #expect(try Settings.progress(Path("json"))?.descriptor == 2)
    #expect(try Settings.progress(Path("json:1"))?.descriptor == 1)
    #expect(try Settings.progress(Path("json:000000002"))?.descriptor == 2)
  }

  @Test(
    arguments: [
      "JSON", "json:", "json:x", "json:-1", "json:1 ", "json:1x", "json:0x1", "jsonl", "text",
      " json",
      // More digits than a descriptor can have.
      "json:9999999999",
    ])
  func anotherProgressIsRefused(_ value: String) {
    #expect(
      refusal { () throws(Failure) in try Settings.progress(Path(value)) }
        == "unknown progress '\(value)' in ONEFOLD_PROGRESS: use json or json:FD")
  }

  @Test func aDescriptorMustBeOpenForWriting() throws {
    let file = try FileDescriptor.open(Path("/dev/null"), .read)
    for descriptor in [file.rawValue, 999_999_999] {
      #expect(
        refusal { () throws(Failure) in try Settings.progress(Path("json:\(descriptor)")) }
          == "descriptor \(descriptor) is not open for writing, which ONEFOLD_PROGRESS names: open it first"
      )
    }
  }

  // MARK: Parent death

  @Test func reuse() throws {
    #expect(try Settings.reuse(nil) == nil)
    #expect(try Settings.reuse(Path("0")) == false)
    #expect(try Settings.reuse(Path("1")) == true)
    for value in ["2", "no", "true", "00", "-1"] {
      #expect(
        refusal { () throws(Failure) in try Settings.reuse(Path(value)) }
          == "unknown value '\(value)' of ONEFOLD_REUSE: use 1 or 0")
    }
  }

  @Test func deathWithTheParent() throws {
    func setting(_ value: String?) throws -> String {
      switch try Settings.parentDeath(value.map { Path($0) }) {
      case .byRecord: "by the record"
      case .never: "never"
      case .always(signal: nil): "always"
      case .always(signal: .kill): "kill"
      case .always(signal: .term): "term"
      case .descriptor(let number, let signal): "\(number) \(signal.map { "\($0.name)" } ?? "-")"
      }
    }
    #expect(try setting(nil) == "by the record")
    #expect(try setting("0") == "never")
    #expect(try setting("1") == "always")
    #expect(try setting("kill") == "kill")
    #expect(try setting("term") == "term")
    #expect(try setting("fd:0") == "0 -")
    #expect(try setting("fd:17:kill") == "17 kill")
    #expect(try setting("fd:17:term") == "17 term")
    for value in [
      "2", "KILL", "SIGTERM", "00", "yes", "-1", "fd", "fd:", "fd:x", "fd:-1", "fd:3:", "fd:3:9",
      "fd:3:kill:", "fd:4294967296", "fd:2147483648", "fd:3 ", "FD:3",
    ] {
      #expect(
        refusal { () throws(Failure) in try Settings.parentDeath(Path(value)) }
          == "unknown value '\(value)' of ONEFOLD_DIE_WITH_PARENT: "
          + "use 1, kill, term, fd:N, fd:N:kill, fd:N:term or 0")
    }
  }

  // MARK: Address and command

  @Test func theAddressIsThatOfTheVariableOrTheRecord() {
    var record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
    #expect(Settings.listen(record, nil) == nil)
    #expect(Settings.listen(record, Path("80"))?.string == "80")
    record.listen = [UInt8]("127.0.0.1:0".utf8)
    #expect(Settings.listen(record, nil)?.string == "127.0.0.1:0")
    #expect(Settings.listen(record, Path("80"))?.string == "80")
    record.listen = [UInt8]("unix:/a{env:NO_SUCH_VARIABLE}/x{{env:Y}}".utf8)
    #expect(Settings.listen(record, nil)?.string == "unix:/a/x{env:Y}")
  }

  @Test func theCommandIsThatOfTheVariableOrTheName() throws {
    var record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
    func chosen(_ name: String?, _ variable: String?) throws -> String? {
      try Settings.command(
        record, startedAs: name.map { Path($0) }, variable.map { Path($0) }
      )
      .map { String(decoding: $0.name, as: UTF8.self) }
    }
    #expect(try chosen("migrate", nil) == nil)
    record.commands = ["migrate", "shell"].map {
      LaunchRecord.Command(name: [UInt8]($0.utf8), entry: [0x62], arguments: [])
    }
    #expect(try chosen(nil, nil) == nil)
    #expect(try chosen("app", nil) == nil)
    #expect(try chosen("./bin/migrate", nil) == "migrate")
    #expect(try chosen("/usr/bin/shell", "migrate") == "migrate")
    #expect(
      refusal { () throws(Failure) in try Settings.command(record, startedAs: nil, Path("x")) }
        == "unknown command 'x' in ONEFOLD_COMMAND: ONEFOLD=help lists them")
  }

  // MARK: Check

  @Test func theCheckIsThatOfTheVariableOrTheRecord() throws {
    var record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
    #expect(try Settings.check(record, nil) == .dirs)
    record.check = .full
    #expect(try Settings.check(record, nil) == .full)
    let names: [(String, CheckPolicy)] = [
      ("seal", .seal), ("dirs", .dirs), ("files", .files), ("full", .full),
    ]
    for (name, policy) in names { #expect(try Settings.check(record, Path(name)) == policy) }
    #expect(
      refusal { () throws(Failure) in try Settings.check(record, Path("none")) }
        == "unknown check 'none' in ONEFOLD_CHECK: use seal, dirs, files or full")
  }

  // MARK: From the environment

  @Test func anEmptyVariableIsNone() async {
    await #expect(processExitsWith: .exitCode(0)) {
      for name in [
        "ONEFOLD_TRACE", "ONEFOLD_PROGRESS", "ONEFOLD_DIE_WITH_PARENT", "ONEFOLD_CHECK",
      ] { setenv(name, "", 1) }
      let record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
      guard Settings.trace == nil, try Settings.progress() == nil,
        case .byRecord = try Settings.parentDeath(), try Settings.check(record) == .dirs
      else { exit(1) }
      setenv("ONEFOLD_TRACE", "file", 1)
      setenv("ONEFOLD_PROGRESS", "json", 1)
      setenv("ONEFOLD_DIE_WITH_PARENT", "0", 1)
      setenv("ONEFOLD_CHECK", "seal", 1)
      guard Settings.trace?.string == "file", try Settings.progress() != nil,
        case .never = try Settings.parentDeath(), try Settings.check(record) == .seal
      else { exit(2) }
      exit(0)
    }
  }
}
