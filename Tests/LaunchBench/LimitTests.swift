import Testing

@testable import LaunchBench

@Suite struct LimitTests {
  private func report(_ medians: [String: Double], command: [String: Double] = [:]) -> BenchReport {
    BenchReport(
      untilAnswer: false, rounds: 1, warmUp: 0,
      machine: [BenchReport.Fact("kernel", "kernel", "Linux 6")], method: [],
      subjects: [
        BenchReport.Subject(
          name: "server", isOnefile: true, command: ["/server"], facts: [], rounds: [medians]),
        BenchReport.Subject(
          name: "other", isOnefile: false, command: ["/other"], facts: [], rounds: [command]),
      ], notes: [])
  }

  @Test(
    arguments: [
      ("warm-overhead>2ms", "warm-overhead", 2e6), ("cold > 1.5 s", "cold", 1.5e9),
      ("warm>300us", "warm", 3e5), ("direct>7ns", "direct", 7),
      ("cold-memory>64MB", "cold-memory", 64e6),
      ("cold-memory>64KB", "cold-memory", 64e3), ("written-bytes>12B", "written-bytes", 12),
      ("written-files>200", "written-files", 200), ("warm-to-direct>1.1x", "warm-to-direct", 1.1),
    ])
  func limits(_ text: String, _ metric: String, _ value: Double) throws {
    let limit = try Limit(text)
    #expect(limit.metric.name == metric)
    #expect(limit.value == value)
    #expect(limit.subject == nil)
  }

  @Test func aLimitOfOneProgram() throws {
    let limit = try Limit("my server (2): warm > 1ms")
    #expect(limit.subject == "my server (2)")
    #expect(limit.metric.name == "warm" && limit.value == 1e6)
  }

  @Test(
    arguments: [
      ("warm", "it has no '>', as in 'warm-overhead>2ms'"),
      ("wram>2ms", "there is no metric 'wram'"),
      ("warm>ms", "'ms' is not a number with a unit"),
      ("warm>-2ms", "'-2ms' is not a number with a unit"),
      ("warm>1.2.3ms", "'1.2.3ms' is not a number with a unit"),
      ("warm>2", "warm needs ns, us, ms, s"),
      ("warm>2MB", "warm needs ns, us, ms, s"),
      ("cold-memory>2ms", "cold-memory needs B, KB, MB"),
      ("written-files>2x", "written-files needs no unit"),
    ])
  func invalidLimits(_ text: String, _ message: String) {
    #expect(throws: Limit.Invalid(message: message)) { try Limit(text) }
  }

  @Test func aLimitIsExceededByMoreOnly() throws {
    let limit = try Limit("warm>2ms")
    #expect(limit.problems(in: report(["warm": 2e6])) == [])
    #expect(
      limit.problems(in: report(["warm": 2.5e6]))
        == ["warm>2ms: server: warm is 2.50 ms, 500 us over 2.00 ms"])
  }

  @Test func limitsApplyToOnefilesOrTheNamedProgram() throws {
    let slow = report(["warm": 1e6], command: ["warm": 9e6])
    #expect(try Limit("warm>2ms").problems(in: slow) == [])
    #expect(try Limit("other:warm>2ms").problems(in: slow).count == 1)
    #expect(
      try Limit("nobody:warm>2ms").problems(in: slow)
        == ["nobody:warm>2ms: there is no 'nobody' among what was measured"])
  }

  @Test func unmeasuredMetricsExceedTheirLimit() throws {
    #expect(
      try Limit("cold-calls>5").problems(in: report(["warm": 1]))
        == ["cold-calls>5: server: cold-calls was not measured"])
  }

  // MARK: Baseline

  private func baseline(_ metrics: String, until: String = "exit") throws -> Baseline {
    let text = """
      {"bench": 1, "until": "\(until)", "machine": {"kernel": "Linux 5"},
       "subjects": [{"name": "server", "metrics": {\(metrics)}}]}
      """
    return try #require(Baseline(parsing: [UInt8](text.utf8)))
  }

  @Test func aBaselineIsExceededBeyondTheTolerance() throws {
    let old = try baseline(#""cold": {"median": 1000000}, "warm": {"median": 1000}"#)
    #expect(old.problems(in: report(["cold": 1.1e6, "warm": 1100]), tolerance: 0.1) == [])
    #expect(
      old.problems(in: report(["cold": 1.2e6, "warm": 10]), tolerance: 0.1)
        == ["baseline: server: cold is 1.20 ms, was 1.00 ms (+20.0 %)"])
    #expect(old.problems(in: report(["cold": 1.2e6]), tolerance: 0.2) == [])
  }

  @Test func aBaselineThatSaysNothingFails() throws {
    let old = try baseline(#""cold": {"median": 1000000}"#)
    #expect(
      old.problems(in: report(["warm": 1]), tolerance: 0.1)
        == ["baseline: it has nothing that was measured now"])
    var renamed = report(["cold": 1])
    renamed.subjects[0].name = "new"
    #expect(old.problems(in: renamed, tolerance: 0.1) == ["baseline: it has no 'new'"])
    let answer = try baseline(#""cold": {"median": 1}"#, until: "answer")
    #expect(answer.problems(in: report(["cold": 1]), tolerance: 0.1).count == 1)
  }

  @Test func zeroMayNotGrow() throws {
    let old = try baseline(#""written-files": {"median": 0}"#)
    #expect(
      old.problems(in: report(["written-files": 3]), tolerance: 1)
        == ["baseline: server: written-files is 3, was 0"])
  }

  @Test func anotherMachineIsReported() throws {
    let old = try baseline(#""cold": {"median": 1}"#)
    #expect(old.differences(from: report([:])) == ["kernel was 'Linux 5' and is 'Linux 6'"])
  }

  @Test(arguments: [
    "", "{}", "[]", #"{"bench": 2, "subjects": [], "machine": {}}"#, "{\"bench\": 1",
  ])
  func invalidReports(_ text: String) {
    #expect(Baseline(parsing: [UInt8](text.utf8)) == nil)
  }

  @Test func theBaselinesMetricsAreThere() {
    for name in Baseline.metrics { #expect(Metric.named(name) != nil, "\(name)") }
  }
}
