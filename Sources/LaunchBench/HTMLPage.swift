import WebPage

extension BenchReport {
  /// A single self-contained page: tables, distributions and timelines, for light and dark screens.
  ///
  /// `heading` names the program that wrote it, and the time.
  public func html(heading: String) -> String {
    let title = "Launches of " + subjects.prefix(2).map(\.name).joined(separator: " and ")
    var text = tiles
    if subjects.count > 1 { text += comparison }
    text += launches
    for subject in subjects where subject.isOnefile { text += subject.timelines }
    for subject in subjects { text += subject.tables }
    text += facts
    let style = String(decoding: PackageResources.charts_css, as: UTF8.self)
    let page = WebPage(title: title, heading: heading, style: style)
    return String(decoding: page.html(main: text), as: UTF8.self)
  }

  /// The most important figures of the first file.
  private var tiles: String {
    guard let first = subjects.first else { return "" }
    var text = "<section class=\"tiles\">\n"
    for (name, title) in [
      ("cold", "cold launch"), ("warm", "warm launch"), ("warm-overhead", "warm overhead"),
      ("cold-memory", "peak memory, cold"), ("written-bytes", "written"),
    ] {
      guard let result = first.result(name) else { continue }
      text += "<div class=\"tile\"><div class=\"quiet\">\(title)</div>"
      text += "<div class=\"figure\">\(escapedMarkup(result.medianText))</div>"
      let spread = result.summary.count > 1 && result.summary.most > result.summary.least
      text +=
        "<div class=\"quiet small\">\(spread ? escapedMarkup(result.quartileText) : "&nbsp;")</div></div>\n"
    }
    return text + "</section>\n"
  }

  /// A line for each program, as in `text(bars:)`.
  private var comparison: String {
    var text = "<section>\n<h2>Side by side</h2>\n<div class=\"wide\"><table class=\"even\">\n"
    for (number, row) in comparisonRows.enumerated() {
      let cell = number == 0 ? "th" : "td"
      text += "<tr>" + row.map { "<\(cell)>\(escapedMarkup($0))</\(cell)>" }.joined() + "</tr>\n"
    }
    return text + "</table></div>\n</section>\n"
  }

  /// Distributions: comparable metrics of all programs share an axis.
  private var launches: String {
    var text = "<section>\n<h2>Launches</h2>\n<p class=\"quiet\">"
    text +=
      untilAnswer
      ? "From just before <code>execve</code> to the first answer. "
      : "From just before <code>execve</code> to the end of the program. "
    text +=
      "A dot is a round, the box reaches from quartile to quartile, the line is the median.</p>\n"
    for (name, title) in [("cold", "Cold launch"), ("warm", "Warm launch and unpacked entry")] {
      var rows: [(label: String, result: Result, isMain: Bool)] = []
      for subject in subjects {
        if let result = subject.result(name) {
          rows.append((subject.name, result, subject.isOnefile))
        }
        if name == "warm", let result = subject.result("direct") {
          rows.append(("\(subject.name), unpacked", result, false))
        }
      }
      guard !rows.isEmpty else { continue }
      text += "<h3>\(title)</h3>\n" + distributions(rows, title)
    }
    let overhead = subjects.compactMap { subject in
      subject.result("warm-overhead").map { (label: subject.name, result: $0, isMain: true) }
    }
    if !overhead.isEmpty {
      text += "<h3>Warm overhead over the unpacked entry, round by round</h3>\n"
      text += distributions(overhead, "Warm overhead")
    }
    return text + "</section>\n"
  }

  private var facts: String {
    var text = "<section>\n<h2>Machine and method</h2>\n<dl>\n"
    for fact in machine + method {
      text += "<dt>\(escapedMarkup(fact.title))</dt><dd>\(escapedMarkup(fact.value))</dd>\n"
    }
    for subject in subjects {
      text += "<dt>\(escapedMarkup(subject.name))</dt><dd><code>"
      text += escapedMarkup(subject.command.joined(separator: " ")) + "</code>"
      for fact in subject.facts {
        text += "<br>\(escapedMarkup(fact.title)) \(escapedMarkup(fact.value))"
      }
      text += "</dd>\n"
    }
    text += "</dl>\n"
    for note in notes { text += "<p>\(escapedMarkup(note))</p>\n" }
    return text + "</section>\n"
  }
}

extension Metric.Group {
  /// The whole that the bars of its rows are parts of.
  fileprivate var whole: String {
    switch self {
    case .coldPhase, .warmPhase: "of the launch"
    case .work: "sum: of all work; wall: of the launch"
    default: ""
    }
  }
}

extension BenchReport.Subject {
  fileprivate var timelines: String {
    var text = ""
    for (trace, kind) in [(coldTrace, "cold"), (warmTrace, "warm")] {
      guard let trace else { continue }
      text += "<section>\n<h2>\(escapedMarkup(name)): a typical \(kind) launch</h2>\n"
      text +=
        "<p class=\"quiet\">\(Unit.nanoseconds.text(trace.duration)) until the entry is executed, "
      text += "in the round whose launch was nearest to the median.</p>\n"
      if trace.workers > 0 {
        text += "<p class=\"legend\">"
        for step in Metric.steps {
          text += "<span><i class=\"step-\(step)\"></i>\(step)</span>"
        }
        text += "</p>\n"
      }
      text += timeline(trace, "Timeline of a \(kind) launch") + "</section>\n"
    }
    return text
  }

  fileprivate var tables: String {
    var text = "<section>\n<h2>\(escapedMarkup(name))</h2>\n<div class=\"wide\"><table>\n"
    for group in Metric.Group.allCases {
      let rows = self.rows(group)
      if rows.isEmpty { continue }
      text +=
        "<tbody><tr><th scope=\"rowgroup\">\(group.rawValue)</th><th>median</th><th>quartiles</th>"
      text += "<th>outliers</th><th class=\"share\">\(group.whole)</th></tr>\n"
      for row in rows {
        let outliers = row.summary.outliers
        text += "<tr><td title=\"\(row.metric.name)\">\(escapedMarkup(row.metric.title))</td>"
        text += "<td>\(escapedMarkup(row.medianText))</td>"
        text +=
          "<td class=\"quiet\">\(row.summary.count > 1 ? escapedMarkup(row.quartileText) : "")</td>"
        text +=
          "<td class=\"quiet\">\(outliers == 0 ? "" : "\(outliers) of \(row.summary.count)")</td>"
        text += "<td class=\"share\">"
        if let share = share(of: row) {
          let width = fixed(max(0, min(1, share)) * 100, 1)
          text += "<div class=\"bar\"><i style=\"width:\(width)%\"></i></div>"
          text += "<span class=\"quiet\">\(fixed(share * 100, 1)) %</span>"
        }
        text += "</td></tr>\n"
      }
      text += "</tbody>\n"
    }
    return text + "</table></div>\n</section>\n"
  }
}
