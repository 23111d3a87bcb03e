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
      }
    }
    #expect(try setting(nil) == "by the record")
    #expect(try setting("0") == "never")
    #expect(try setting("1") == "always")
    #expect(try setting("kill") == "kill")
    #expect(try setting("term") == "term")
    for value in ["2", "KILL", "SIGTERM", "00", "yes", "-1"] {
      #expect(
        refusal { () throws(Failure) in try Settings.parentDeath(Path(value)) }
          == "unknown value '\(value)' of ONEFOLD_DIE_WITH_PARENT: use 1, kill, term or 0")
    }
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
