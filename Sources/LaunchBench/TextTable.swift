extension BenchReport.Subject {
  /// The rows of a group in tables, without metrics that were zero in every round.
  func rows(_ group: Metric.Group) -> [BenchReport.Result] {
    results.filter { $0.metric.group == group && ($0.summary.most != 0 || $0.summary.least != 0) }
  }
}

extension BenchReport.Result {
  var medianText: String { metric.unit.text(summary.median) }
  /// "12.1 ms .. 12.9 ms"
  var quartileText: String {
    "\(metric.unit.text(summary.lowerQuartile)) .. \(metric.unit.text(summary.upperQuartile))"
  }
}

extension BenchReport {
  /// The report as aligned lines. With `bars`, each phase has a bar, for a terminal.
  public func text(bars: Bool) -> String {
    var text = ""
    let facts = machine + method
    let width = (facts.map(\.title.count).max() ?? 0) + 2
    for fact in facts { text += padded(fact.title, width) + fact.value + "\n" }
    if subjects.count > 1 { text += "\n" + aligned(comparisonRows) }
    for subject in subjects { text += "\n" + subject.text(bars: bars) }
    for note in notes { text += "\nnote: \(note)\n" }
    return text
  }

  /// A row of headings, and a row for each program with its medians and the ratios to the first file.
  var comparisonRows: [[String]] {
    let names = ["cold", "cold-to-first", "warm", "warm-to-first", "direct", "cold-memory"]
    return [["", "cold", "to first", "warm", "to first", "unpacked", "peak memory"]]
      + subjects.map { subject in
        [subject.name] + names.map { subject.result($0)?.medianText ?? "-" }
      }
  }
}

extension BenchReport.Subject {
  fileprivate func text(bars: Bool) -> String {
    var text = name
    for fact in facts where fact.name != "tree_id" { text += " · \(fact.title) \(fact.value)" }
    text += "\n"
    // One table for all groups, so that columns are aligned. The groups' names are rows between.
    var rows = [["", "median", "quartiles", "outliers"]]
    var heads: [Int: String] = [:]
    var shown: [BenchReport.Result?] = [nil]
    for group in Metric.Group.allCases {
      let results = self.rows(group)
      if results.isEmpty { continue }
      heads[rows.count] = group.rawValue
      for result in results {
        let outliers = result.summary.outliers
        rows.append([
          "  " + result.metric.title, result.medianText,
          result.summary.count > 1 ? result.quartileText : "",
          outliers == 0 ? "" : "\(outliers) of \(result.summary.count)",
        ])
        shown.append(result)
      }
    }
    let lines = aligned(rows).split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.isEmpty {
      if let head = heads[index] { text += head + "\n" }
      text += bars ? padded(String(line), lines[0].count) : String(line)
      if bars, index < shown.count, let result = shown[index], let share = share(of: result) {
        text += "  " + bar(share)
      }
      text = String(text.reversed().drop { $0 == " " }.reversed()) + "\n"
    }
    return text
  }

  /// The share of a phase in the launch, or of a step in all work; nil if the metric is not a part.
  func share(of result: BenchReport.Result) -> Double? {
    switch result.metric.group {
    case .coldPhase, .warmPhase:
      let whole = result.metric.group == .coldPhase ? "cold-launch" : "warm-launch"
      guard let all = median(whole), all > 0 else { return nil }
      return result.metric.name == whole ? nil : result.summary.median / all
    case .work where result.metric.name.hasSuffix("-sum"):
      let all = Metric.steps.reduce(0) { $0 + (median("work-\($1)-sum") ?? 0) }
      return all > 0 ? result.summary.median / all : nil
    case .work:
      guard let all = median("cold-launch"), all > 0 else { return nil }
      return result.summary.median / all
    default: return nil
    }
  }
}

/// A bar for a share. 24 columns stand for the whole.
private func bar(_ share: Double) -> String {
  let eighths = Int((max(0, min(1, share)) * 24 * 8).rounded())
  let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
  return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
}

func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(1, width - text.count))
}

/// Aligns columns with two spaces between: the first to the left, the others to the right.
private func aligned(_ rows: [[String]]) -> String {
  let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  var text = ""
  for row in rows {
    for (column, cell) in row.enumerated() {
      let space = String(repeating: " ", count: widths[column] - cell.count)
      text += column == 0 ? cell + space : "  " + space + cell
    }
    text += "\n"
  }
  return text
}
