extension BenchReport {
  /// A line for each metric of each program (RFC 4180, with bare line feeds).
  ///
  /// Values are in the metric's unit. Spaces separate the samples.
  public var csv: String {
    var text = "program,metric,unit,samples,median,lower_quartile,upper_quartile,"
    text += "median_deviation,least,most,outliers,values\n"
    for subject in subjects {
      for result in subject.results {
        let unit = result.metric.unit
        let summary = result.summary
        let numbers = [
          summary.median, summary.lowerQuartile, summary.upperQuartile, summary.medianDeviation,
          summary.least, summary.most,
        ].map { plain($0, unit) }
        var cells = [subject.name, result.metric.name, unit.rawValue, "\(summary.count)"] + numbers
        cells += [
          "\(summary.outliers)", result.samples.map { plain($0, unit) }.joined(separator: " "),
        ]
        text += cells.map(quotedCell).joined(separator: ",") + "\n"
      }
    }
    return text
  }

  /// Tables in GitHub's Markdown, for a page or a comment.
  public var markdown: String {
    var text = ""
    if subjects.count > 1 {
      for (number, row) in comparisonRows.enumerated() {
        text += "| \(row.map(markdownText).joined(separator: " | ")) |\n"
        if number == 0 { text += "|---" + String(repeating: "|---:", count: row.count - 1) + "|\n" }
      }
      text += "\n"
    }
    for subject in subjects {
      text += "### \(markdownText(subject.name))\n"
      for group in Metric.Group.allCases {
        let rows = subject.rows(group)
        if rows.isEmpty { continue }
        text += "\n| \(group.rawValue) | median | quartiles | outliers |\n|---|---:|---:|---:|\n"
        for row in rows {
          let outliers = row.summary.outliers
          text += "| \(row.metric.title) | \(row.medianText) | "
          text += row.summary.count > 1 ? row.quartileText : ""
          text += " | \(outliers == 0 ? "" : "\(outliers) of \(row.summary.count)") |\n"
        }
      }
      text += "\n"
    }
    text += "<details><summary>Machine and method</summary>\n\n"
    for fact in machine + method { text += "- \(fact.title): \(markdownText(fact.value))\n" }
    for note in notes { text += "- \(markdownText(note))\n" }
    return text + "\n</details>\n"
  }
}

/// Whole numbers, except for ratios.
func plain(_ value: Double, _ unit: Unit) -> String { fixed(value, unit == .ratio ? 4 : 0) }

private func quotedCell(_ text: String) -> String {
  guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
  return "\"" + text.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
}

private func markdownText(_ text: String) -> String {
  text.map { "\\`*_[]<>|#&".contains($0) ? "\\\($0)" : String($0) }.joined()
}
