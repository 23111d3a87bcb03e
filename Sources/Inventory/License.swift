/// A licence of a component, as its maker states it.
public struct License: Equatable, Sendable {
  public enum Kind: Sendable {
    /// An expression of SPDX (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions), such as "MIT OR Apache-2.0".
    case expression
    /// An identifier of the SPDX licence list.
    case identifier
    /// Any other name.
    case name
  }

  public var kind: Kind
  public var value: String
  /// The text, if the document holds it.
  public var text: String?

  public init(_ kind: Kind, _ value: String, text: String? = nil) {
    self.kind = kind
    self.value = value
    self.text = text
  }
}

/// The SPDX licence list, and expressions of it.
public enum SPDXLicenses {
  private static let identifiers = lines(PackageResources.spdx_licenses_txt)
  private static let exceptions = lines(PackageResources.spdx_exceptions_txt)

  private static func lines(_ bytes: [UInt8]) -> [String: String] {
    let ids = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    return Dictionary(ids.map { ($0.lowercased(), $0) }) { first, _ in first }
  }

  /// The identifier as the list writes it; nil if it is not in the list. Letter case does not matter.
  public static func identifier(_ text: String) -> String? { identifiers[text.lowercased()] }

  /// The expression with identifiers as the list writes them; nil if it is not a valid one.
  ///
  /// Accepts `LicenseRef-` names. Parentheses may be nested 64 deep.
  public static func expression(_ text: String) -> String? {
    var parser = Expression(text)
    guard parser.parse(), parser.tokens.isEmpty else { return nil }
    return parser.result.joined(separator: " ")
      .split(separator: "( ", omittingEmptySubsequences: false).joined(separator: "(")
      .split(separator: " )", omittingEmptySubsequences: false).joined(separator: ")")
  }

  /// The names that an expression is made of, without operators and exceptions.
  public static func names(in expression: String) -> [String] {
    var names: [String] = []
    var isException = false
    for token in Expression(expression).tokens {
      switch token.uppercased() {
      case "(", ")", "AND", "OR": break
      case "WITH":
        isException = true
        continue
      default: if !isException { names.append(String(token)) }
      }
      isException = false
    }
    return names
  }

  private struct Expression {
    var tokens: ArraySlice<Substring>
    var result: [String] = []
    private var depth = 0

    init(_ text: String) {
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
      tokens = found[...]
    }

    /// Parses operands with AND and OR between them. Their precedence does not matter here.
    mutating func parse() -> Bool {
      guard depth < 64 else { return false }
      depth += 1
      defer { depth -= 1 }
      guard parseOperand() else { return false }
      while let word = tokens.first?.uppercased(), word == "AND" || word == "OR" {
        tokens.removeFirst()
        result.append(word)
        guard parseOperand() else { return false }
      }
      return true
    }

    private mutating func parseOperand() -> Bool {
      guard let token = tokens.popFirst() else { return false }
      if token == "(" {
        result.append("(")
        guard parse(), tokens.popFirst() == ")" else { return false }
        result.append(")")
        return true
      }
      guard let name = license(token) else { return false }
      result.append(name)
      guard tokens.first?.uppercased() == "WITH" else { return true }
      tokens.removeFirst()
      guard let exception = tokens.popFirst(),
        let known = exceptions[exception.lowercased()]
      else { return false }
      result += ["WITH", known]
      return true
    }

    private func license(_ token: Substring) -> String? {
      if token.hasPrefix("LicenseRef-") {
        let name = token.dropFirst("LicenseRef-".count)
        let isName = name.utf8.allSatisfy {
          (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            || $0 == UInt8(ascii: ".")
        }
        return isName && !name.isEmpty ? String(token) : nil
      }
      if let known = identifiers[token.lowercased()] { return known }
      guard token.hasSuffix("+"), let known = identifiers[token.dropLast().lowercased()] else {
        return nil
      }
      return known + "+"
    }
  }
}

/// The SPDX identifiers of the licence classifiers that name exactly one licence.
///
/// Others, such as "BSD License", stand for several.
private let licensesOfClassifiers: [String: String] = [
  "OSI Approved :: MIT License": "MIT",
  "OSI Approved :: MIT No Attribution License (MIT-0)": "MIT-0",
  "OSI Approved :: Apache Software License": "Apache-2.0",
  "OSI Approved :: ISC License (ISCL)": "ISC",
  "OSI Approved :: Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
  "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
  "OSI Approved :: GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
  "OSI Approved :: GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
  "OSI Approved :: GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
  "OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
  "OSI Approved :: GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
  "OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
  "OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
  "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
  "OSI Approved :: GNU Affero General Public License v3": "AGPL-3.0-only",
  "OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
  "OSI Approved :: Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
  "OSI Approved :: Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
  "OSI Approved :: European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
  "OSI Approved :: Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
  "OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
  "OSI Approved :: Universal Permissive License (UPL)": "UPL-1.0",
  "OSI Approved :: Zero-Clause BSD (0BSD)": "0BSD",
  "OSI Approved :: zlib/libpng License": "Zlib",
  "OSI Approved :: Zope Public License": "ZPL-2.1",
  "OSI Approved :: Python Software Foundation License": "PSF-2.0",
  "OSI Approved :: Historical Permission Notice and Disclaimer (HPND)": "HPND",
  "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
]

extension License {
  /// The licence that a classifier states; nil if the classifier is about something else.
  init?(classifier: String) {
    let prefix = "License :: "
    guard classifier.hasPrefix(prefix), classifier != "License :: OSI Approved" else { return nil }
    let name = String(classifier.dropFirst(prefix.count))
    if let id = licensesOfClassifiers[name] {
      self.init(.identifier, id)
    } else {
      self.init(.name, name.split(separator: " :: ").last.map(String.init) ?? name)
    }
  }
}
