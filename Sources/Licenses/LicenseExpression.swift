/// One licence of an expression, perhaps with an exception.
public struct LicenseTerm: Hashable, Sendable, CustomStringConvertible {
  /// As the SPDX list writes it, perhaps with a "+" for later versions; or "LicenseRef-" and a name.
  public var identifier: String
  /// The exception after WITH; nil for none.
  public var exception: String?

  public init(_ identifier: String, exception: String? = nil) {
    self.identifier = identifier
    self.exception = exception
  }

  public var description: String { exception.map { "\(identifier) WITH \($0)" } ?? identifier }
}

/// The structure of an SPDX licence expression. AND binds stronger than OR.
///
/// Identifiers that the list no longer recommends stand as those that replace them: "GPL-3.0" as "GPL-3.0-only".
public indirect enum LicenseExpression: Equatable, Sendable {
  case term(LicenseTerm)
  /// All of these licences apply at once.
  case all([LicenseExpression])
  /// The user chooses one of these.
  case any([LicenseExpression])

  /// Parses an expression (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions); nil if it is not one.
  public init?(_ text: String) {
    guard let parsed = LicenseExpressionParser.parse(text) else { return nil }
    self = parsed.tree
  }

  /// The denied terms that no choice avoids; empty if a user can choose licences that are not denied.
  public func unavoidable(_ isDenied: (LicenseTerm) -> Bool) -> [LicenseTerm] {
    switch self {
    case .term(let term): return isDenied(term) ? [term] : []
    case .all(let parts): return parts.flatMap { $0.unavoidable(isDenied) }
    case .any(let choices):
      let denied = choices.map { $0.unavoidable(isDenied) }
      return denied.contains(where: \.isEmpty) ? [] : denied.flatMap(\.self)
    }
  }
}

/// Parses the words of an expression.
struct LicenseExpressionParser {
  private var tokens: ArraySlice<Substring>
  private var result: [String] = []
  private var depth = 0

  /// The structure, and the text with identifiers as the list writes them; nil if the text is not an expression.
  static func parse(_ text: String) -> (tree: LicenseExpression, text: String)? {
    var parser = LicenseExpressionParser(tokens: tokens(of: text)[...])
    guard let tree = parser.parseChoices(), parser.tokens.isEmpty else { return nil }
    let words = parser.result.joined(separator: " ")
    return (tree, words.replacingAll("( ", "(").replacingAll(" )", ")"))
  }

  /// Words and parentheses.
  static func tokens(of text: String) -> [Substring] {
    var found: [Substring] = []
    for word in text.split(whereSeparator: \.isWhitespace) {
      var rest = word
      while let index = rest.firstIndex(where: { $0 == "(" || $0 == ")" }) {
        if index > rest.startIndex { found.append(rest[..<index]) }
        found.append(rest[index...index])
        rest = rest[rest.index(after: index)...]
      }
      if !rest.isEmpty { found.append(rest) }
    }
    return found
  }

  private init(tokens: ArraySlice<Substring>) { self.tokens = tokens }

  /// Parses operands with OR between them.
  private mutating func parseChoices() -> LicenseExpression? {
    guard depth < 64 else { return nil }
    depth += 1
    defer { depth -= 1 }
    guard let parts = parseOperands("OR", { $0.parseParts() }) else { return nil }
    return parts.count == 1 ? parts[0] : .any(parts)
  }

  /// Parses operands with AND between them.
  private mutating func parseParts() -> LicenseExpression? {
    guard let parts = parseOperands("AND", { $0.parseOperand() }) else { return nil }
    return parts.count == 1 ? parts[0] : .all(parts)
  }

  private mutating func parseOperands(
    _ word: String, _ parse: (inout Self) -> LicenseExpression?
  ) -> [LicenseExpression]? {
    var parts: [LicenseExpression] = []
    repeat {
      if !parts.isEmpty {
        tokens.removeFirst()
        result.append(word)
      }
      guard let part = parse(&self) else { return nil }
      parts.append(part)
    } while tokens.first?.uppercased() == word
    return parts
  }

  private mutating func parseOperand() -> LicenseExpression? {
    guard let token = tokens.popFirst() else { return nil }
    if token == "(" {
      result.append("(")
      guard let inside = parseChoices(), tokens.popFirst() == ")" else { return nil }
      result.append(")")
      return inside
    }
    guard let name = license(token) else { return nil }
    result.append(name)
    var term = SPDXLicenses.replacement(of: name) ?? LicenseTerm(name)
    guard tokens.first?.uppercased() == "WITH" else { return .term(term) }
    tokens.removeFirst()
    guard let exception = tokens.popFirst(),
      let known = SPDXLicenses.exception(String(exception))
    else { return nil }
    result += ["WITH", known]
    term.exception = known
    return .term(term)
  }

  private func license(_ token: Substring) -> String? {
    if SPDXLicenses.isReference(token) { return String(token) }
    if let known = SPDXLicenses.identifier(String(token)) { return known }
    guard token.hasSuffix("+"), let known = SPDXLicenses.identifier(String(token.dropLast())) else {
      return nil
    }
    return known + "+"
  }
}

extension String {
  fileprivate func replacingAll(_ old: String, _ new: String) -> String {
    split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
  }
}
