// Charts of a report as SVG elements for an HTML page. Colors are CSS variables of the page.

import Posix
import Reporting
import WebPage

/// Places values on a horizontal axis that begins at 0 or below.
private struct Axis {
  let least: Double
  let most: Double
  let left: Double
  let width: Double
  let unit: Unit

  /// `extent` covers the visible values. With `isExact` the axis ends there, otherwise at the next value with a grid
  /// line.
  init(
    _ extent: ClosedRange<Double>, left: Double, width: Double, unit: Unit, isExact: Bool = false
  ) {
    let step = Axis.step(extent.upperBound - extent.lowerBound)
    least = (extent.lowerBound / step).rounded(.down) * step
    most =
      isExact
      ? extent.upperBound : max(least + step, (extent.upperBound / step).rounded(.up) * step)
    self.left = left
    self.width = width
    self.unit = unit
  }

  /// 1, 2 or 5 times a power of ten, so that the range holds three to eight steps.
  private static func step(_ range: Double) -> Double {
    guard range > 0 else { return 1 }
    var step = 1.0
    while step * 10 <= range { step *= 10 }
    while step > range { step /= 10 }
    for factor in [0.2, 0.5, 1] where range / (step * factor) <= 8 { return step * factor }
    return step * 2
  }

  func x(_ value: Double) -> Double { left + (value - least) / (most - least) * width }

  /// Grid lines from `top` to `bottom`, with their values below.
  func drawn(top: Double, bottom: Double) -> String {
    var text = ""
    let step = Axis.step(most - least)
    var number = 0.0
    while least + number * step <= most * (1 + 1e-9) + step * 1e-9 {
      let value = least + number * step
      text += "<line class=\"grid\" x1=\"\(at(x(value)))\" x2=\"\(at(x(value)))\" "
      text += "y1=\"\(at(top))\" y2=\"\(at(bottom))\"/>"
      text += label(tick(value), x: x(value), y: bottom + 16, style: "tick")
      number += 1
    }
    return text
  }

  /// All values use the unit of the greatest, so that they can be compared.
  private func tick(_ value: Double) -> String {
    guard unit == .nanoseconds || unit == .bytes else { return unit.text(value) }
    var chosen = unit.suffixes[0]
    for suffix in unit.suffixes where max(abs(most), abs(least)) >= suffix.factor {
      chosen = suffix
    }
    let step = Axis.step(most - least) / chosen.factor
    return fixed(value / chosen.factor, step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3)
      + " " + chosen.name
  }
}

private func at(_ value: Double) -> String { fixed(value, 2) }

private func label(_ text: String, x: Double, y: Double, style: String) -> String {
  "<text class=\"\(style)\" x=\"\(at(x))\" y=\"\(at(y))\">\(escapedMarkup(text))</text>"
}

private func box(
  x: Double, y: Double, width: Double, height: Double, style: String, title: String
) -> String {
  let inner = "<title>\(escapedMarkup(title))</title>"
  return "<rect class=\"\(style)\" x=\"\(at(x))\" y=\"\(at(y))\" width=\"\(at(max(width, 0.4)))\" "
    + "height=\"\(at(height))\">\(inner)</rect>"
}

private func svg(_ height: Double, _ name: String, _ content: String) -> String {
  "<div class=\"picture\"><svg viewBox=\"0 0 960 \(at(height))\" role=\"img\" "
    + "aria-label=\"\(escapedMarkup(name))\">\(content)</svg></div>\n"
}

/// The width of the longest label. A picture is 960 units wide.
private func labelWidth(_ labels: [String]) -> Double {
  min(300, Double(labels.map(\.count).max() ?? 0) * 7.2 + 18)
}

private func shortened(_ text: String, _ count: Int = 39) -> String {
  text.count <= count ? text : String(text.prefix(count - 1)) + "…"
}

/// A row for each result: a dot per sample, a box between the quartiles, and a line at the median.
///
/// The median's value is on the right.
func distributions(
  _ rows: [(label: String, result: BenchReport.Result, isMain: Bool)], _ name: String
)
  -> String
{
  guard let unit = rows.first?.result.metric.unit else { return "" }
  let lowest = min(0, rows.map(\.result.summary.least).min() ?? 0)
  let highest = max(0, rows.map(\.result.summary.most).max() ?? 0)
  let left = labelWidth(rows.map { shortened($0.label) })
  let axis = Axis(lowest...highest, left: left, width: 960 - left - 112, unit: unit)
  let rowHeight = 40.0
  let bottom = rowHeight * Double(rows.count) + 6
  var text = axis.drawn(top: 4, bottom: bottom)
  for (number, row) in rows.enumerated() {
    let summary = row.result.summary
    let middle = rowHeight * Double(number) + rowHeight / 2 + 4
    let style = row.isMain ? "main" : "other"
    text += label(shortened(row.label), x: left - 12, y: middle + 4, style: "name")
    let start = axis.x(summary.lowerQuartile)
    let title =
      "\(row.label): median \(row.result.medianText), quartiles \(row.result.quartileText), "
      + "\(counted(summary.count, "round")), \(counted(summary.outliers, "outlier"))"
    text += box(
      x: start, y: middle - 11, width: max(axis.x(summary.upperQuartile) - start, 1), height: 22,
      style: "box \(style)", title: title)
    for (round, sample) in row.result.samples.enumerated() {
      // Equal samples are placed side by side, in the same way each time the page is written.
      let offset = Double(round * 5 % 9) - 4
      text +=
        "<circle class=\"dot \(style)\" cx=\"\(at(axis.x(sample)))\" cy=\"\(at(middle + offset))\" "
      text +=
        "r=\"2.6\"><title>round \(round + 1): \(escapedMarkup(unit.text(sample)))</title></circle>"
    }
    let median = axis.x(summary.median)
    text += "<line class=\"median \(style)\" x1=\"\(at(median))\" x2=\"\(at(median))\" "
    text += "y1=\"\(at(middle - 14))\" y2=\"\(at(middle + 14))\"/>"
    text += label(row.result.medianText, x: 952, y: middle + 4, style: "value")
  }
  return svg(bottom + 24, name, text)
}

/// The phases of a launch, with the work of each worker below them.
func timeline(_ trace: LaunchTrace, _ name: String) -> String {
  let labels = ["phases"] + (0..<trace.workers).map { $0 == 0 ? "main thread" : "worker \($0)" }
  let left = labelWidth(labels)
  let axis = Axis(
    0...max(trace.duration, 1), left: left, width: 960 - left - 30, unit: .nanoseconds,
    isExact: true)
  let bottom = 36 + 30 * Double(trace.workers) + 8
  var text = axis.drawn(top: 4, bottom: bottom)
  text += label(labels[0], x: left - 12, y: 23, style: "name")
  for (number, phase) in trace.phases.enumerated() {
    let start = axis.x(phase.start)
    let width = axis.x(phase.end) - start
    let kind = phase.name == "unpack" ? "unpack" : number % 2 == 0 ? "even" : "odd"
    text += box(
      x: start, y: 6, width: width, height: 26, style: "phase \(kind)", title: title(phase))
    if width > Double(phase.name.count) * 7.2 + 8 {
      text += label(phase.name, x: start + width / 2, y: 23, style: "inside")
    }
  }
  for worker in 0..<trace.workers {
    let top = 40 + 30 * Double(worker)
    text += label(labels[worker + 1], x: left - 12, y: top + 16, style: "name")
    for event in trace.work where event.worker == worker {
      let start = axis.x(event.start)
      text += box(
        x: start, y: top, width: axis.x(event.end) - start, height: 22,
        style: "step-\(event.name)", title: title(event))
    }
  }
  return svg(bottom + 24, name, text)
}

private func title(_ event: LaunchTrace.Event) -> String {
  var text = event.name
  if event.frame >= 0 { text += ", frame \(event.frame)" }
  text += ": \(Unit.nanoseconds.text(event.duration)) at \(Unit.nanoseconds.text(event.start))"
  if event.bytes > 0 {
    text += ", \(Unit.bytes.text(event.bytes))"
    if event.duration > 0 { text += ", \(fixed(event.bytes / event.duration * 1000, 0)) MB/s" }
  }
  return text
}
