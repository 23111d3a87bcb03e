public import Licenses

/// An item of `policy.deny-licenses`: the licences that it names.
///
/// An item is an identifier of the SPDX list, a pattern of identifiers such as "GPL-*", either of them with an exception
/// ("GPL-* WITH *"), or the word "unknown". Letter case does not matter.
public struct LicensePattern: Equatable, Sendable {
  /// As in the spec, without surrounding white space.
  public let text: String
  private let identifier: [UInt8]
  private let exception: [UInt8]?

  /// Whether it stands for components whose licence is not known.
  public var isUnknown: Bool { exception == nil && identifier == [UInt8]("unknown".utf8) }

  /// - Throws: the reason why the text names no licence, to be read after the text.
  public init(_ text: String) throws(Problem) {
    self.text = trimmed(text)
    let words = text.split(whereSeparator: \.isWhitespace).map { $0.lowercased() }
    guard let first = words.first else { throw Problem("names no licence") }
    if words.contains("or") || words.contains("and") || text.contains("(") {
      throw Problem("is an expression: give each licence as an item")
    }
    guard words.count == 1 || words.count == 3 && words[1] == "with",
      words.allSatisfy({ $0.utf8.allSatisfy(Self.isAllowed) })
    else {
      throw Problem(
        "is no licence of the SPDX list: write an identifier such as GPL-3.0-only, or a pattern such as GPL-*"
      )
    }
    identifier = [UInt8](first.utf8)
    exception = words.count == 3 ? [UInt8](words[2].utf8) : nil
    if isUnknown { return }
    try checkIdentifier(first)
    if words.count == 3 { try checkException(words[2]) }
  }

  /// The rest of a message about an item.
  public struct Problem: Error {
    public let text: String
    init(_ text: String) { self.text = text }
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    isLetterOrDigit(byte) || ".+-*".utf8.contains(byte)
  }

  private func checkIdentifier(_ name: String) throws(Problem) {
    if let known = SPDXLicenses.identifier(name), let new = SPDXLicenses.replacement(of: known) {
      let base = new.identifier.split(separator: "-").prefix(2).joined(separator: "-")
      throw Problem(
        new.exception != nil
          ? "is an old name: write \(new)"
          : "is an old name: write \(base)-only, \(base)-or-later or, for both, \(base)-*")
    }
    // Nobody knows the names of other licences.
    let isReference = name.hasPrefix("licenseref-") && !name.hasSuffix("-")
    let isKnown = SPDXLicenses.current.contains { matches($0) }
    guard !isReference, !isKnown else { return }
    throw Problem("is no licence of the SPDX list" + Self.hint(name))
  }

  /// Suggests the licences that the text names in another way, a similar identifier, or a family.
  private static func hint(_ name: String) -> String {
    let meant = LicenseExpression(named: name)?.unavoidable { _ in true }.map(\.description) ?? []
    if !meant.isEmpty, meant.count < 3 {
      return "; did you mean \(alternatives(meant.map { "'\($0)'" }))?"
    }
    let similar = hint(name, SPDXLicenses.current)
    let family = name.prefix { $0 != "-" && $0 != "*" } + "-"
    let member = SPDXLicenses.current.first { $0.lowercased().hasPrefix(family) }
    guard similar.isEmpty || !meant.isEmpty, let member else { return similar }
    return "; did you mean '\(member.prefix { $0 != "-" })-*'?"
  }

  private func checkException(_ name: String) throws(Problem) {
    let all = SPDXLicenses.allExceptions
    let pattern = [UInt8](name.utf8)[...]
    if all.contains(where: { matchesGlob(pattern, [UInt8]($0.lowercased().utf8)[...]) }) { return }
    throw Problem("has no exception of the SPDX list after WITH" + Self.hint(name, all))
  }

  private static func hint(_ name: String, _ names: [String]) -> String {
    let found = nearest(to: name, in: names.map { $0.lowercased() })
    return names.first { $0.lowercased() == found }.map { "; did you mean '\($0)'?" } ?? ""
  }

  /// Whether the item names a licence. An item without an exception names only licences without one.
  public func matches(_ term: LicenseTerm) -> Bool {
    switch (exception, term.exception) {
    case (nil, nil): break
    case (let pattern?, let name?):
      guard matchesGlob(pattern[...], [UInt8](name.lowercased().utf8)[...]) else { return false }
    default: return false
    }
    // "Apache-2.0+" offers Apache-2.0 as well.
    return matches(term.identifier)
      || term.identifier.hasSuffix("+") && matches(String(term.identifier.dropLast()))
  }

  private func matches(_ name: String) -> Bool {
    matchesGlob(identifier[...], [UInt8](name.lowercased().utf8)[...])
  }
}
