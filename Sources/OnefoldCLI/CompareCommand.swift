import AppSpec
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// The number of differing entries and causes shown without `--files`.
private let mostShown = 10

let compareCommand = Command(
  name: "compare",
  summary: "show what an update from one onefile to another costs, and why",
  discussion: """
    Says whether two onefiles are the same build. If they are not, it shows which
    distributions and files differ, how many frames of the new one the old one has, and how
    many bytes an update has to fetch.
    """,
  arguments: [
    Argument("OLD", "a file made by onefold pack", .file),
    Argument("NEW", "a later build of it", .file),
  ],
  options: [
    Option(
      name: "--files", help: "list all differing entries and all causes, not just ten of each"),
    Option(
      name: "--max-update", value: "PERCENT",
      help: "fail if more of the new file has to be fetched: 0 to 100, such as 5 or 2.5%"),
    Option(name: "--json", help: "print JSON"),
  ])

func runCompare(_ arguments: Arguments) throws(Failure) {
  let limit = try arguments.value("--max-update").map { (text) throws(Failure) in
    try parseThousandths(text)
  }
  let old = try Payload.open(arguments.positional[0])
  let new = try Payload.open(arguments.positional[1])
  let comparison = try compare(old, with: new)
  let isComplete = arguments.has("--files")
  try writeData(
    arguments.has("--json")
      ? json(comparison, old, new, isComplete: isComplete).encoded
      : text(comparison, old, new, isComplete: isComplete))
  if let limit { try comparison.require(atMost: limit, of: new) }
}

/// Parses a percentage as thousandths.
private func parseThousandths(_ value: Path) throws(Failure) -> UInt64 {
  let text = String(decoding: value.bytes, as: UTF8.self)
  guard let result = thousandths(ofPercentage: text) else { throw .badPercentage(value) }
  return result
}

extension Failure {
  fileprivate static func badPercentage(_ value: Path) -> Failure {
    .usage("option '--max-update' needs 0 to 100, with at most one decimal, not \(value.quoted)")
  }
}

extension Comparison {
  fileprivate func require(atMost limit: UInt64, of new: Payload) throws(Failure) {
    guard fetchedShare > limit else { return }
    throw .failed(
      "an update to \(new.path.quoted) fetches \(percent(fetchedShare)) of it, and '--max-update' allows "
        + "\(percent(limit)): \(largestCauses)")
  }

  /// "the most is numpy (1,234 bytes), ...": the three largest causes.
  var largestCauses: String {
    let largest = causes.prefix(3).map { "\(escapedText($0.name)) (\(grouped($0.bytes)) bytes)" }
    return "the most is \(largest.joined(separator: ", "))"
  }
}

// MARK: Text

private func text(_ comparison: Comparison, _ old: Payload, _ new: Payload, isComplete: Bool)
  -> String
{
  guard !comparison.isSameBuild else {
    return "\(new.path.quoted) is the same build as \(old.path.quoted)\n"
      + (old.appendedLength == new.appendedLength ? "" : appendedText(old, new))
  }
  let shown = isComplete ? Int.max : mostShown
  var text = "\(new.path.quoted) is a different build from \(old.path.quoted)\n"
  text += titleText(old, new)
  text += distributionText(comparison.distributions)
  text += entryText(comparison, shown)
  text += """
      frames: \(comparison.reusedFrames) of \(comparison.frames) are in \(old.path.quoted)
      to fetch: \(grouped(comparison.fetchedBytes)) of \(grouped(comparison.bytes)) bytes \
    (\(percent(comparison.fetchedShare)))

    """
  for cause in comparison.causes.prefix(shown) {
    text += column(grouped(cause.bytes).string, 16) + "  \(escapedText(cause.name))\n"
  }
  let rest = comparison.causes.dropFirst(shown).count
  return text + restLine(rest, counted(rest, "more cause"), indent: 18)
}

private func appendedText(_ old: Payload, _ new: Payload) -> String {
  "  appended bytes: \(grouped(old.appendedLength)), now \(grouped(new.appendedLength))\n"
}

private func titleText(_ old: Payload, _ new: Payload) -> String {
  let before = applicationTitle(old.record.name, old.record.version)
  let after = applicationTitle(new.record.name, new.record.version)
  return before == after ? "  \(after)\n" : "  \(before) -> \(after)\n"
}

private func distributionText(_ changes: [Comparison.DistributionChange]) -> String {
  var text = ""
  for change in changes {
    let name = escapedText(change.name).string
    let (old, new) = (escapedText(change.oldVersion).string, escapedText(change.newVersion).string)
    if old.isEmpty {
      text += "    added \(name) \(new)\n"
    } else if new.isEmpty {
      text += "    removed \(name) \(old)\n"
    } else {
      text += "    \(name) \(old) -> \(new)\n"
    }
  }
  return text.isEmpty ? "" : "  distributions that differ: \(changes.count)\n" + text
}

private func entryText(_ comparison: Comparison, _ shown: Int) -> String {
  let counts = Comparison.Difference.allCases.map { ($0, comparison.count($0)) }
    .filter { $0.1 > 0 }.map { "\(grouped(UInt64($0.1))) \($0.0.words)" }
  let same = "\(grouped(UInt64(comparison.sameEntries))) the same"
  var text = "  entries: \((counts + [same]).joined(separator: ", "))\n"
  for entry in comparison.entries.prefix(shown) {
    let path = entry.path.isEmpty ? "." : escapedText(entry.path).string
    text += "    \(entry.difference.words): \(path)\n"
  }
  let rest = comparison.entries.dropFirst(shown).count
  return text + restLine(rest, counted(rest, "more entry", plural: "more entries"), indent: 4)
}

/// The line for `count` entries that are not shown, which `what` describes; empty if there are none.
private func restLine(_ count: Int, _ what: Text, indent: Int) -> String {
  count == 0 ? "" : String(repeating: " ", count: indent) + "\(what): see --files\n"
}

extension Comparison.Difference {
  var words: String {
    switch self {
    case .added: "added"
    case .removed: "removed"
    case .type: "of another type"
    case .content: "of other content"
    case .target: "of another target"
    case .mode: "of another mode"
    case .time: "of another time"
    }
  }
}

// MARK: JSON

private func json(_ comparison: Comparison, _ old: Payload, _ new: Payload, isComplete: Bool)
  -> JSON
{
  let shown = isComplete ? Int.max : mostShown
  let counts = Comparison.Difference.allCases.map {
    ($0.rawValue, JSON.number(UInt64(comparison.count($0))))
  }
  return .object([
    ("same_build", .bool(comparison.isSameBuild)),
    ("old", json(old)),
    ("new", json(new)),
    ("distributions", .array(comparison.distributions.map(json))),
    ("entries", .object(counts + [("same", .number(UInt64(comparison.sameEntries)))])),
    ("differences", .array(comparison.entries.prefix(shown).map(json))),
    ("frames", .number(UInt64(comparison.frames))),
    ("reused_frames", .number(UInt64(comparison.reusedFrames))),
    ("bytes", .number(comparison.bytes)),
    ("fetched_bytes", .number(comparison.fetchedBytes)),
    ("tree_bytes", .number(comparison.treeBytes)),
    ("shared_bytes", .number(comparison.sharedBytes)),
    ("causes", .array(comparison.causes.prefix(shown).map(json))),
  ])
}

private func json(_ payload: Payload) -> JSON {
  .object([
    ("name", .text(payload.record.name)), ("version", .text(payload.record.version)),
    ("tree_id", .string(hexText(payload.treeID.bytes).string)),
  ])
}

private func json(_ change: Comparison.DistributionChange) -> JSON {
  func version(_ bytes: [UInt8]) -> JSON { bytes.isEmpty ? .null : .text(bytes) }
  return .object([
    ("name", .text(change.name)), ("old", version(change.oldVersion)),
    ("new", version(change.newVersion)),
  ])
}

private func json(_ change: Comparison.EntryChange) -> JSON {
  .object(
    JSON.members(path: change.path) + [("difference", .string(change.difference.rawValue))])
}

private func json(_ cause: Comparison.Cause) -> JSON {
  .object([("name", .text(cause.name)), ("bytes", .number(cause.bytes))])
}
