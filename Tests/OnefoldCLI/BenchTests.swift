import LaunchBench
import Reporting
import Testing

@testable import OnefoldCLI

@Suite struct BenchTests {
  private func report(cold: Double) -> BenchReport {
    BenchReport(
      untilAnswer: false, rounds: 2, warmUp: 1,
      machine: [BenchReport.Fact("kernel", "kernel", "Linux 6")], method: [],
      subjects: [
        BenchReport.Subject(
          name: "a \"b\"", isOnefile: true, command: ["/a"], facts: [],
          rounds: [
            ["cold": cold, "warm-to-direct": 1.5], ["cold": cold + 3, "warm-overhead": -5],
          ])
      ], notes: ["a note"])
  }

  @Test func theReportAsJSON() throws {
    let text = json(report(cold: 1000), seconds: 5).encoded
    let value = try #require(JSONValue(parsing: [UInt8](text.utf8)))
    #expect(value["bench"]?.number == 1)
    #expect(value["time"]?.number == 5)
    #expect(value["until"]?.text == "exit")
    #expect(value["machine"]?["kernel"]?.text == "Linux 6")
    let subject = try #require(value["subjects"]?.items?.first)
    #expect(subject["name"]?.text == "a \"b\"")
    let cold = try #require(subject["metrics"]?["cold"])
    #expect(cold["unit"]?.text == "ns")
    #expect(cold["median"]?.number == 1002)
    #expect(cold["samples"]?.items == [.number(1000), .number(1003)])
    #expect(subject["metrics"]?["warm-to-direct"]?["median"]?.number == 1.5)
    #expect(subject["metrics"]?["warm-overhead"]?["median"]?.number == -5)
  }

  @Test func theJSONIsABaseline() throws {
    let text = json(report(cold: 1_000_000), seconds: 5).encoded
    let baseline = try #require(Baseline(parsing: [UInt8](text.utf8)))
    #expect(baseline.problems(in: report(cold: 1_050_000), tolerance: 0.1) == [])
    #expect(baseline.problems(in: report(cold: 1_200_000), tolerance: 0.1).count == 1)
    #expect(baseline.differences(from: report(cold: 1)) == [])
  }

  @Test(
    arguments: [
      (0, "1970-01-01 00:00 UTC"), (951_782_399, "2000-02-28 23:59 UTC"),
      (951_782_400, "2000-02-29 00:00 UTC"), (951_868_800, "2000-03-01 00:00 UTC"),
      (1_704_067_199, "2023-12-31 23:59 UTC"), (4_107_542_400, "2100-03-01 00:00 UTC"),
    ] as [(Int64, String)])
  func dates(_ seconds: Int64, _ text: String) { #expect(utcText(seconds) == text) }
}
