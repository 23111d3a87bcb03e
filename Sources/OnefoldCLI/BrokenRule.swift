import AppSpec
import Reporting

/// A rule of `[policy]` that a build breaks.
struct BrokenRule: Sendable {
  /// The key: "deny-licenses".
  var rule: String
  var place: SpecPlace
  /// What breaks it, such as "urllib3 1.26.5"; empty for the whole file.
  var component = ""
  /// Titles from the application to the component; empty if unknown.
  var chain: [String] = []
  /// What is wrong and what to do, without the place.
  var message: String

  /// In the order of the spec.
  static func ordered(_ broken: [BrokenRule]) -> [BrokenRule] {
    broken.enumerated().sorted {
      ($0.element.place.line, $0.offset) < ($1.element.place.line, $1.offset)
    }.map(\.element)
  }

  /// The document that `pack --json` prints if rules are broken.
  static func json(_ broken: [BrokenRule]) -> JSON {
    .object([("broken_rules", .array(broken.map(\.json)))])
  }

  private var json: JSON {
    .object([
      ("rule", .string(rule)), ("place", .string(place.description)),
      ("component", component.isEmpty ? .null : .string(component)),
      ("chain", .array(chain.map { .string($0) })), ("message", .string(message)),
    ])
  }
}
