extension BenchReport {
  /// A single self-contained page: tables, distributions and timelines, for light and dark screens.
  ///
  /// `heading` names the program that wrote it, and the time.
  public func html(heading: String) -> String {
    let title = "Launches of " + subjects.prefix(2).map(\.name).joined(separator: " and ")
    var text = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(escaped(title))</title>
      <style>
      \(style)</style>
      </head>
      <body>
      <header>
      <h1>\(escaped(title))</h1>
      <p class="quiet">\(escaped(heading))</p>
      </header>
      <main>

      """
    text += tiles
    if subjects.count > 1 { text += comparison }
    text += launches
    for subject in subjects where subject.isOnefile { text += subject.timelines }
    for subject in subjects { text += subject.tables }
    text += facts
    return text + "</main>\n</body>\n</html>\n"
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
      text += "<div class=\"figure\">\(escaped(result.medianText))</div>"
      let spread = result.summary.count > 1 && result.summary.most > result.summary.least
      text +=
        "<div class=\"quiet small\">\(spread ? escaped(result.quartileText) : "&nbsp;")</div></div>\n"
    }
    return text + "</section>\n"
  }

  /// A line for each program, as in `text(bars:)`.
  private var comparison: String {
    var text = "<section>\n<h2>Side by side</h2>\n<div class=\"wide\"><table class=\"even\">\n"
    for (number, row) in comparisonRows.enumerated() {
      let cell = number == 0 ? "th" : "td"
      text += "<tr>" + row.map { "<\(cell)>\(escaped($0))</\(cell)>" }.joined() + "</tr>\n"
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
      text += "<dt>\(escaped(fact.title))</dt><dd>\(escaped(fact.value))</dd>\n"
    }
    for subject in subjects {
      text += "<dt>\(escaped(subject.name))</dt><dd><code>"
      text += escaped(subject.command.joined(separator: " ")) + "</code>"
      for fact in subject.facts { text += "<br>\(escaped(fact.title)) \(escaped(fact.value))" }
      text += "</dd>\n"
    }
    text += "</dl>\n"
    for note in notes { text += "<p>\(escaped(note))</p>\n" }
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
      text += "<section>\n<h2>\(escaped(name)): a typical \(kind) launch</h2>\n"
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
    var text = "<section>\n<h2>\(escaped(name))</h2>\n<div class=\"wide\"><table>\n"
    for group in Metric.Group.allCases {
      let rows = self.rows(group)
      if rows.isEmpty { continue }
      text +=
        "<tbody><tr><th scope=\"rowgroup\">\(group.rawValue)</th><th>median</th><th>quartiles</th>"
      text += "<th>outliers</th><th class=\"share\">\(group.whole)</th></tr>\n"
      for row in rows {
        let outliers = row.summary.outliers
        text += "<tr><td title=\"\(row.metric.name)\">\(escaped(row.metric.title))</td>"
        text += "<td>\(escaped(row.medianText))</td>"
        text += "<td class=\"quiet\">\(row.summary.count > 1 ? escaped(row.quartileText) : "")</td>"
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

private let style = """
  :root {
    --page: #f7f7f5; --card: #ffffff; --ink: #1b1b1a; --quiet: #62615d; --line: #e3e2de;
    --main: #2a78d6; --other: #85847f; --even: #cfcec9; --odd: #e2e1dc; --unpack: #b9d3f2;
    --prepare: #b3548a; --read: #85847f; --hash: #eda100; --decode: #2a78d6; --write: #1baf7a;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --page: #121211; --card: #1c1c1b; --ink: #f2f1ee; --quiet: #a9a8a2; --line: #353431;
      --main: #4b93e8; --other: #8b8a85; --even: #4a4945; --odd: #3a3936; --unpack: #274e7d;
      --prepare: #c0679a; --read: #8b8a85; --hash: #c98500; --decode: #3987e5; --write: #199e70;
    }
  }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 1060px; padding: 28px 20px 60px; background: var(--page);
    color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
  h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
  h2 { font-size: 18px; margin: 0 0 4px; overflow-wrap: anywhere; }
  h3 { font-size: 14px; margin: 20px 0 6px; }
  p { margin: 0 0 10px; }
  code { font: 13px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
  .quiet { color: var(--quiet); }
  .small { font-size: 12px; }
  section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
    padding: 20px 22px; margin-top: 18px; }
  .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px;
    background: none; border: 0; padding: 0; }
  .tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
    padding: 12px 16px; }
  .figure { font-size: 25px; font-weight: 600; line-height: 1.3; }
  .picture { overflow-x: auto; }
  svg { display: block; width: 100%; min-width: 680px; height: auto; }
  svg text { font: 12.5px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }
  svg .name, svg .value { text-anchor: end; }
  svg .value { font-weight: 600; }
  svg .tick { text-anchor: middle; fill: var(--quiet); font-size: 11.5px; }
  svg .inside { text-anchor: middle; }
  .grid { stroke: var(--line); stroke-width: 1; }
  .box { fill-opacity: .22; } .dot { fill-opacity: .75; } .median { stroke-width: 2.5; }
  .box.main, .dot.main { fill: var(--main); } .median.main { stroke: var(--main); }
  .box.other, .dot.other { fill: var(--other); } .median.other { stroke: var(--other); }
  .phase.even { fill: var(--even); } .phase.odd { fill: var(--odd); }
  .phase.unpack { fill: var(--unpack); }
  .step-prepare { fill: var(--prepare); background: var(--prepare); }
  .step-read { fill: var(--read); background: var(--read); }
  .step-hash { fill: var(--hash); background: var(--hash); }
  .step-decode { fill: var(--decode); background: var(--decode); }
  .step-write { fill: var(--write); background: var(--write); }
  .legend span { margin-right: 18px; }
  .legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
    margin-right: 6px; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th { font-weight: 600; text-align: right; padding: 16px 10px 5px; color: var(--quiet);
    border-bottom: 1px solid var(--line); white-space: nowrap; font-size: 13px; }
  th:first-child { color: var(--ink); } .even th { padding-top: 6px; }
  td { text-align: right; padding: 3px 10px; white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; padding-left: 0; }
  td.share { width: 30%; min-width: 170px; } .share { text-align: left; }
  td.share span { font-size: 12px; }
  .bar { display: inline-block; width: calc(100% - 62px); height: 9px; border-radius: 3px;
    background: var(--line); margin-right: 8px; overflow: hidden; }
  .bar i { display: block; height: 100%; background: var(--main); }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 20px; margin: 10px 0; }
  dt { color: var(--quiet); max-width: 260px; overflow-wrap: anywhere; } dd { margin: 0; }
  @media print { body { background: none; } section { break-inside: avoid; } }

  """
