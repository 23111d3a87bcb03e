/// The versions of a distribution that an item of `policy.deny` names, such as "urllib3<2.1".
public struct DeniedVersions: Equatable, Sendable {
  /// As in the spec, without surrounding white space.
  public let text: String
  /// Normalized (PEP 503).
  public let name: String
  /// A specifier of PEP 440, such as "<2.1,!=2.0.7"; empty for every version.
  public let specifier: String

  /// Nil if the text is not a name with a specifier. Extras, markers and URLs have no meaning here.
  init?(_ text: String) {
    self.text = trimmed(text)
    let name = self.text.prefix {
      $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0))
    }
    guard let normalized = normalizedDistributionName(String(name)) else { return nil }
    self.name = normalized
    specifier = trimmed(self.text.dropFirst(name.count))
    guard specifier.isEmpty || isVersionSpecifier(specifier) else { return nil }
  }
}

/// Whether a text is a version specifier as PEP 440 defines it: clauses such as ">=2" with commas between them.
func isVersionSpecifier(_ text: String) -> Bool {
  text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { isClause(trimmed($0)) }
}

private func isClause(_ text: String) -> Bool {
  let operators = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"]
  guard let found = operators.first(where: text.hasPrefix) else { return false }
  let version = trimmed(text.dropFirst(found.count))
  switch found {
  case "===": return !version.isEmpty && !version.contains(where: \.isWhitespace)
  case "==", "!=":
    if version.hasSuffix(".*") { return Version(String(version.dropLast(2)))?.isRelease == true }
    return Version(version) != nil
  case "~=": return (Version(version)?.numbers ?? 0) > 1
  default: return Version(version) != nil
  }
}

/// The form of a version (PEP 440, appendix B).
private struct Version {
  private var rest: Substring
  /// Of the release: 3 for "1.2.3".
  private(set) var numbers = 1
  /// Whether it has no local part and no part of a pre-release, post-release or development release.
  private(set) var isRelease = true

  /// Nil if the text is not a version.
  init?(_ text: String) {
    rest = text.lowercased()[...]
    skip("v")
    guard digits() else { return nil }
    if skip("!") { guard digits() else { return nil } }
    while rest.first == ".", rest.dropFirst().first?.isNumber == true {
      rest.removeFirst()
      guard digits() else { return nil }
      numbers += 1
    }
    isRelease = rest.isEmpty
    suffix(["alpha", "beta", "preview", "pre", "a", "b", "c", "rc"])
    if rest.first == "-", rest.dropFirst().first?.isNumber == true {
      rest.removeFirst()
      digits()
    } else {
      suffix(["post", "rev", "r"])
    }
    suffix(["dev"])
    if skip("+") { guard local() else { return nil } }
    guard rest.isEmpty else { return nil }
  }

  @discardableResult
  private mutating func skip(_ text: String) -> Bool {
    guard rest.hasPrefix(text) else { return false }
    rest = rest.dropFirst(text.count)
    return true
  }

  /// Skips digits. Returns whether there is one.
  @discardableResult
  private mutating func digits() -> Bool {
    let found = rest.prefix { $0.isASCII && $0.isNumber }
    rest = rest[found.endIndex...]
    return !found.isEmpty
  }

  /// Skips one of these words, with a separator before and after it, and a number.
  private mutating func suffix(_ words: [String]) {
    let start = rest
    separator()
    guard let word = words.first(where: rest.hasPrefix) else {
      rest = start
      return
    }
    skip(word)
    let end = rest
    separator()
    if !digits() { rest = end }
  }

  private mutating func separator() {
    if let first = rest.first, "-_.".contains(first) { rest.removeFirst() }
  }

  /// Skips letters and digits with separators between them.
  private mutating func local() -> Bool {
    let parts = rest.split(omittingEmptySubsequences: false) { "-_.".contains($0) }
    rest = rest[rest.endIndex...]
    return parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isLetterOrDigit) }
  }
}
