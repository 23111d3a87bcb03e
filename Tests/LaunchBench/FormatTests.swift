import Posix
import TestSupport
import Testing

@testable import LaunchBench

/// The formats of reports, compared with files in Golden. ONEFOLD_RECORD rewrites them.
@Suite struct FormatTests {
  static func trace() throws -> LaunchTrace {
    let text = """
      [{"name":"read","ph":"X","cat":"phase","ts":5.000,"dur":100.000,"pid":7,"tid":7,"args":{}},
      {"name":"unpack","ph":"X","cat":"phase","ts":105.000,"dur":900.000,"pid":7,"tid":7,"args":{"bytes":500}},
      {"name":"hash","ph":"X","cat":"work","ts":110.000,"dur":300.000,"pid":7,"tid":7,"args":{"bytes":50000,"frame":0}},
      {"name":"decode","ph":"X","cat":"work","ts":300.000,"dur":600.000,"pid":7,"tid":8,"args":{"bytes":90000,"frame":1}}]
      """
    return try #require(LaunchTrace(parsing: [UInt8](text.utf8)))
  }

  /// Two programs. The name of one must be escaped in every format.
  static func report() throws -> BenchReport {
    let trace = try trace()
    let rounds: [[String: Double]] = (0..<5).map { round in
      let change = Double(round == 4 ? 40 : round) * 1e5
      var samples = trace.samples(isCold: true)
      samples.merge([
        "cold": 12e6 + change, "warm": 2e6 + change, "direct": 1.5e6, "warm-overhead": 5e5 + change,
        "warm-to-direct": 1.25, "cold-memory": 52e6, "written-bytes": 20_018_630,
        "written-files": 1203, "cold-major-faults": 0,
      ]) { $1 }
      if round == 4 { samples["cold-calls"] = 1059 }
      return samples
    }
    var first = BenchReport.Subject(
      name: "server", isOnefile: true, command: ["/opt/server", "--port", "{port}"],
      facts: [
        BenchReport.Fact("application", "application", "notes 1.2"),
        BenchReport.Fact("tree_id", "tree id", "00ff"),
      ], rounds: rounds)
    first.coldTrace = trace
    let second = BenchReport.Subject(
      name: "a,\"b\" <c>|&*", isOnefile: false, command: ["/bin/other"], facts: [],
      rounds: [["warm": 4e6, "warm-to-first": 2], ["warm": 5e6, "warm-to-first": 2.2]])
    return BenchReport(
      untilAnswer: true, rounds: 5, warmUp: 1,
      machine: [BenchReport.Fact("kernel", "kernel", "Linux <6>")],
      method: [BenchReport.Fact("page_cache", "page cache", "warm: nothing was done to it")],
      subjects: [first, second], notes: ["Cold launches of other are not measured."])
  }

  private func compare(_ text: String, _ name: String) throws {
    #expect(try text == Repository.snapshot("Tests/LaunchBench/Golden/\(name)", text))
  }

  @Test func table() throws { try compare(try FormatTests.report().text(bars: false), "table.txt") }
  @Test func bars() throws { try compare(try FormatTests.report().text(bars: true), "bars.txt") }
  @Test func csv() throws { try compare(try FormatTests.report().csv, "report.csv") }
  @Test func markdown() throws { try compare(try FormatTests.report().markdown, "report.md") }
  @Test func html() throws {
    try compare(try FormatTests.report().html(heading: "onefold bench 1"), "report.html")
  }

  @Test func thePageNeedsNothingElse() throws {
    let page = try FormatTests.report().html(heading: "x")
    for text in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
      #expect(!page.contains(text), "\(text)")
    }
  }

  @Test func thePageEscapes() throws {
    let page = try FormatTests.report().html(heading: "<h>")
    #expect(!page.contains("<c>") && page.contains("&lt;c&gt;"))
    #expect(!page.contains("<6>") && !page.contains("<h>"))
  }

  /// Every opened element is closed, in order.
  @Test func thePageIsWellFormed() throws {
    let page = try FormatTests.report().html(heading: "x")
    var open: [Substring] = []
    for tag in page.matches(of: #/<(/?)([a-z0-9]+)[^>]*?(/?)>/#) {
      let (_, closes, name, isEmpty) = tag.output
      if isEmpty == "/" || ["meta", "br"].contains(name) { continue }
      if closes == "/" { #expect(open.popLast() == name) } else { open.append(name) }
    }
    #expect(open == [])
  }

  @Test func lineSpacingDoesNotDependOnSamples() throws {
    var empty = try FormatTests.report()
    empty.subjects = []
    #expect(!empty.text(bars: true).contains("\n\n\n"))
    #expect(empty.html(heading: "").contains("</html>"))
  }

  // MARK: Names

  @Test func namesAreUniqueAndDocumented() throws {
    let document = try Repository.text("docs/bench.md")
    #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
    for metric in Metric.all {
      var name = metric.name
      for prefix in ["cold-phase-", "warm-phase-"] where name.hasPrefix(prefix) {
        #expect(document.contains("`\(name.dropFirst(prefix.count))`"), "\(name)")
        name = prefix + "NAME"
      }
      if name.hasPrefix("work-"), let last = name.split(separator: "-").last {
        name = "work-NAME-\(last)"
      }
      #expect(document.contains("`\(name)`"), "\(name)")
    }
  }

  @Test func documentedMetricsAreKnown() throws {
    let document = try Repository.text("docs/bench.md")
    let table = document.split(separator: "\n").filter { $0.hasPrefix("| `") }
    #expect(table.count > 10)
    for row in table {
      for name in row.dropFirst().prefix(while: { $0 != "|" }).matches(of: #/`([a-z-]+)`/#) {
        #expect(Metric.named(String(name.output.1)) != nil, "\(name.output.1)")
      }
    }
  }

  @Test func baselineMetricsAreDocumented() throws {
    let document = try Repository.text("docs/bench.md")
    let paragraph = try #require(
      document.split(separator: "\n\n").first { $0.hasPrefix("**A baseline**") })
    for name in Baseline.metrics { #expect(paragraph.contains("`\(name)`"), "\(name)") }
  }
}
