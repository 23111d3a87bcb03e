import Glibc
import PayloadFormat
import Posix
import Reporting
import TestSupport
import Testing

@testable import Launcher

/// The reports of a launch. Each test has its own process, because settings belong to the process.
@Suite struct ReportTests {
  /// Drops the text that the test runner writes to the same descriptor before the lines of JSON.
  private func lines(_ content: [UInt8], from start: String = "{\"event\":") -> [String] {
    let text = String(decoding: content, as: UTF8.self)
    guard let first = text.firstRange(of: start) else { return [] }
    return text[first.lowerBound...].split(separator: "\n").map(String.init)
  }

  @Test func progressOfALaunchThatUnpacks() async throws {
    let result = await #expect(
      processExitsWith: .exitCode(0), observing: [\.standardOutputContent]
    ) {
      setenv("ONEFOLD_PROGRESS", "json:1", 1)
      let report = Report()
      try report.configure(always: false)
      var record = LaunchRecord(name: [0x61, 0x22], entry: [0x62], target: [0x63])
      record.version = [0x31, 0xFF]
      report.start(record)
      report.waiting("waiting")
      report.waiting("waiting")
      report.show(.unpacking, "unpacking", done: 0, total: 10)
      report.show(.unpacking, "unpacking", done: 10, total: 10)
      report.finish()
      report.ready(unpacked: true)
      guard report.timeline == nil else { exit(1) }
      exit(0)
    }
    #expect(
      lines(try #require(result).standardOutputContent) == [
        #"{"event":"start","name":"a\"","version":"1\\xff"}"#,
        #"{"event":"waiting"}"#,
        #"{"event":"unpacking","done":0,"total":10}"#,
        #"{"event":"unpacking","done":10,"total":10}"#,
        #"{"event":"ready","unpacked":true}"#,
      ])
  }

  @Test func aFailureIsTheLastLine() async throws {
    for signal in [nil, SIGTERM] as [Int32?] {
      let result = await #expect(
        processExitsWith: .exitCode(0), observing: [\.standardOutputContent]
      ) { [signal = signal as Int32?] in
        setenv("ONEFOLD_PROGRESS", "json:1", 1)
        let report = Report()
        try report.configure(always: false)
        if let signal {
          report.failed(.interrupted(signal: signal))
        } else {
          report.failed(.noEntry("there is none"))
        }
        exit(0)
      }
      let line =
        signal == nil
        ? #"{"event":"failed","code":127,"message":"there is none"}"#
        : #"{"event":"failed","signal":15,"message":"interrupted by a signal"}"#
      #expect(lines(try #require(result).standardOutputContent) == [line])
    }
  }

  @Test func notesAreLinesOnStderr() async throws {
    let result = await #expect(
      processExitsWith: .exitCode(0), observing: [\.standardErrorContent]
    ) {
      let report = Report()
      try report.configure(always: false)
      report.note("something")
      // A line would mix with the JSON lines there.
      setenv("ONEFOLD_PROGRESS", "json", 1)
      try report.configure(always: false)
      report.note("not this")
      exit(0)
    }
    #expect(
      lines(try #require(result).standardErrorContent, from: "onefold: ") == ["onefold: something"])
  }

  @Test func theTraceIsWritten() async throws {
    let directory = try TemporaryDirectory()
    await #expect(processExitsWith: .exitCode(0)) { [path = directory("trace").string as String] in
      setenv("ONEFOLD_TRACE", path, 1)
      let report = Report()
      try report.configure(always: false)
      report.timeline.begin(.find)
      report.writeTrace()
      exit(report.timeline == nil ? 1 : 0)
    }
    let text = String(decoding: try readFile(directory("trace")), as: UTF8.self)
    #expect(text.hasPrefix("[\n") && text.hasSuffix("\n]\n"))
    for name in ["read", "find"] { #expect(text.contains("{\"name\":\"\(name)\",\"ph\":\"X\"")) }
    #expect(try directory.status("trace").mode & 0o777 == 0o600)
  }

  @Test func aTraceThatCannotBeWrittenIsRefused() async throws {
    await #expect(processExitsWith: .exitCode(0)) {
      setenv("ONEFOLD_TRACE", "/nowhere/trace", 1)
      do throws(Failure) {
        try Report().configure(always: false)
        exit(1)
      } catch {
        exit(
          error.message.string
            == "cannot open '/nowhere/trace': No such file or directory; set ONEFOLD_TRACE to a file that can be written"
            ? 0 : 2)
      }
    }
  }
}
