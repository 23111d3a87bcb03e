internal import Reporting

/// A limit for a metric's median: "warm-overhead>2ms" fails if the median is above 2 ms.
public struct Limit: Equatable, Sendable {
  /// The name of a subject; nil for every onefile.
  public var subject: String?
  public var metric: Metric
  /// In the metric's unit.
  public var value: Double
  /// The text as given.
  public var text: String

  /// The text is not a limit.
  public struct Invalid: Error, Equatable {
    public let message: String
  }

  /// - Throws: `Invalid` with the reason.
  public init(_ text: String) throws(Invalid) {
    self.text = text
    guard let sign = text.lastIndex(of: ">") else {
      throw Invalid(message: "it has no '>', as in 'warm-overhead>2ms'")
    }
    var name = String(text[..<sign]).trimmingSpaces
    if let colon = name.lastIndex(of: ":") {
      subject = String(name[..<colon]).trimmingSpaces
      name = String(name[name.index(after: colon)...]).trimmingSpaces
    }
    guard let metric = Metric.named(name) else {
      throw Invalid(message: "there is no metric '\(name)'")
    }
    self.metric = metric
    let right = String(text[text.index(after: sign)...]).trimmingSpaces
    let digits = right.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let suffix = String(right.dropFirst(digits.count)).trimmingSpaces
    guard let number = Double(digits), number.isFinite else {
      throw Invalid(message: "'\(right)' is not a number with a unit")
    }
    guard let unit = metric.unit.suffixes.first(where: { $0.name == suffix }) else {
      let names = metric.unit.suffixes.map { $0.name.isEmpty ? "no unit" : $0.name }
      throw Invalid(message: "\(name) needs \(names.joined(separator: ", "))")
    }
    value = number * unit.factor
  }

  /// A line for each subject that exceeds the limit.
  ///
  /// An unmeasured metric is a problem too: without a value, the limit cannot be confirmed.
  public func problems(in report: BenchReport) -> [String] {
    let chosen = report.subjects.filter { subject == nil ? $0.isOnefile : $0.name == subject }
    if chosen.isEmpty { return ["\(text): there is no '\(subject ?? "")' among what was measured"] }
    return chosen.compactMap { found in
      guard let median = found.median(metric.name) else {
        return "\(text): \(found.name): \(metric.name) was not measured"
      }
      guard median > value else { return nil }
      let unit = metric.unit
      return "\(text): \(found.name): \(metric.name) is \(unit.text(median)), "
        + "\(unit.text(median - value)) over \(unit.text(value))"
    }
  }
}

/// An earlier report for comparison.
public struct Baseline: Sendable {
  /// The compared metrics: those that reflect changes of the program or of Onefold, and suffer least from other load.
  public static let metrics = [
    "cold", "warm", "cold-launch", "warm-launch", "cold-memory", "warm-memory", "written-bytes",
    "written-files", "cold-launch-calls", "warm-launch-calls",
  ]

  /// Medians by subject and metric.
  private var medians: [String: [String: Double]] = [:]
  private var machine: [String: String] = [:]
  private var untilAnswer = false

  /// Nil if the bytes are not a report of `onefold bench --json`.
  public init?(parsing bytes: [UInt8]) {
    guard let root = JSONValue(parsing: bytes), root["bench"]?.number == 1,
      let subjects = root["subjects"]?.items, case .object(let facts)? = root["machine"]
    else { return nil }
    for subject in subjects {
      guard let name = subject["name"]?.text, case .object(let metrics)? = subject["metrics"]
      else { return nil }
      medians[name] = metrics.compactMapValues { $0["median"]?.number }
    }
    machine = facts.compactMapValues { $0.text }
    untilAnswer = root["until"]?.text == "answer"
  }

  /// Differences that make times hard to compare, one per line.
  public func differences(from report: BenchReport) -> [String] {
    report.machine.compactMap { fact in
      guard ["processors", "memory", "kernel", "file_system"].contains(fact.name),
        let before = machine[fact.name], before != fact.value
      else { return nil }
      return "\(fact.title) was '\(before)' and is '\(fact.value)'"
    }
  }

  /// A line for each metric of a onefile that exceeds the baseline by more than `tolerance` (0.1 is a tenth).
  public func problems(in report: BenchReport, tolerance: Double) -> [String] {
    guard untilAnswer == report.untilAnswer else {
      return ["baseline: one of both was timed until an answer (--http), the other was not"]
    }
    var problems: [String] = []
    var compared = 0
    for subject in report.subjects where subject.isOnefile {
      guard let before = medians[subject.name] else {
        problems.append("baseline: it has no '\(subject.name)'")
        continue
      }
      for result in subject.results where Baseline.metrics.contains(result.metric.name) {
        guard let old = before[result.metric.name] else { continue }
        compared += 1
        let new = result.summary.median
        guard new > old * (1 + tolerance) else { continue }
        let unit = result.metric.unit
        let change = old > 0 ? " (+\(fixed((new / old - 1) * 100, 1)) %)" : ""
        problems.append(
          "baseline: \(subject.name): \(result.metric.name) is \(unit.text(new)), was "
            + "\(unit.text(old))\(change)")
      }
    }
    if compared == 0 && problems.isEmpty {
      problems.append("baseline: it has nothing that was measured now")
    }
    return problems
  }
}

extension String {
  var trimmingSpaces: String {
    let start = drop { $0 == " " }
    return String(start.reversed().drop { $0 == " " }.reversed())
  }
}
