import LaunchBench
import Reporting

/// A report of `onefold bench`, which `--baseline` reads again.
func json(_ report: BenchReport, seconds: Int64) -> JSON {
  .object([
    ("bench", .number(1)),
    ("onefold", .string(version)),
    ("time", .signed(seconds)),
    ("until", .string(report.untilAnswer ? "answer" : "exit")),
    ("rounds", .number(UInt64(report.rounds))),
    ("warm_up", .number(UInt64(report.warmUp))),
    ("machine", json(report.machine)),
    ("method", json(report.method)),
    ("subjects", .array(report.subjects.map(json))),
    ("notes", .array(report.notes.map { .string($0) })),
  ])
}

private func json(_ facts: [BenchReport.Fact]) -> JSON {
  .object(facts.map { ($0.name, .string($0.value)) })
}

private func json(_ subject: BenchReport.Subject) -> JSON {
  .object([
    ("name", .string(subject.name)),
    ("onefile", .bool(subject.isOnefile)),
    ("command", .array(subject.command.map { .string($0) })),
    ("facts", json(subject.facts)),
    ("metrics", .object(subject.results.map { ($0.metric.name, json($0)) })),
  ])
}

private func json(_ result: BenchReport.Result) -> JSON {
  let unit = result.metric.unit
  let summary = result.summary
  return .object([
    ("unit", .string(unit.rawValue)),
    ("median", json(summary.median, unit)),
    ("lower_quartile", json(summary.lowerQuartile, unit)),
    ("upper_quartile", json(summary.upperQuartile, unit)),
    ("median_deviation", json(summary.medianDeviation, unit)),
    ("least", json(summary.least, unit)),
    ("most", json(summary.most, unit)),
    ("outliers", .number(UInt64(summary.outliers))),
    ("samples", .array(result.samples.map { json($0, unit) })),
  ])
}

/// Durations are whole nanoseconds, sizes and counts are whole numbers, and ratios are thousandths.
private func json(_ value: Double, _ unit: Unit) -> JSON {
  unit == .ratio
    ? .thousandths(UInt64(max(0, (value * 1000).rounded()))) : .signed(Int64(value.rounded()))
}
