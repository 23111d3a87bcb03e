/// The SPDX licence list (https://spdx.org/licenses), and expressions of it.
public enum SPDXLicenses {
  private static let identifiers = lines(PackageResources.spdx_licenses_txt)
  private static let exceptions = lines(PackageResources.spdx_exceptions_txt)

  private static func lines(_ bytes: [UInt8]) -> [String: String] {
    let ids = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    return Dictionary(ids.map { ($0.lowercased(), $0) }) { first, _ in first }
  }

  /// The identifiers of the list that are not replaced by others, sorted. Those of exceptions are apart.
  public static let current: [String] = identifiers.values.filter { replacement(of: $0) == nil }
    .sorted()

  /// The identifiers of exceptions, sorted.
  public static let allExceptions: [String] = exceptions.values.sorted()

  /// The identifier as the list writes it; nil if it is not in the list. Letter case does not matter.
  public static func identifier(_ text: String) -> String? { identifiers[text.lowercased()] }

  /// The identifier of an exception as the list writes it; nil if it is not in the list. Letter case does not matter.
  public static func exception(_ text: String) -> String? { exceptions[text.lowercased()] }

  /// The expression with identifiers as the list writes them; nil if it is not a valid one.
  ///
  /// Accepts `LicenseRef-` names. Parentheses may be nested 64 deep.
  public static func expression(_ text: String) -> String? {
    LicenseExpressionParser.parse(text)?.text
  }

  /// The names that an expression is made of, without operators and exceptions.
  public static func names(in expression: String) -> [String] {
    var names: [String] = []
    var isException = false
    for token in LicenseExpressionParser.tokens(of: expression) {
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

  /// Whether a text is a licence that no list has: "LicenseRef-" and letters, digits, "-" and ".".
  static func isReference(_ text: Substring) -> Bool {
    guard text.hasPrefix("LicenseRef-") else { return false }
    let name = text.dropFirst("LicenseRef-".count)
    return !name.isEmpty
      && name.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
          || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
          || $0 == UInt8(ascii: ".")
      }
  }

  // MARK: Identifiers that others replace

  /// The term that stands for an identifier that the list no longer recommends; nil for all others.
  ///
  /// "GPL-2.0" is "GPL-2.0-only", "GPL-2.0+" is "GPL-2.0-or-later". "GPL-2.0-with-classpath-exception" is "GPL-2.0-only
  /// WITH Classpath-exception-2.0".
  public static func replacement(of identifier: String) -> LicenseTerm? {
    let plus = identifier.hasSuffix("+")
    let base = plus ? String(identifier.dropLast()) : identifier
    if identifiers["\(base.lowercased())-only"] != nil,
      let known = identifiers["\(base.lowercased())-\(plus ? "or-later" : "only")"]
    {
      return LicenseTerm(known)
    }
    guard let with = identifier.lowercased().firstRange(of: "-with-"),
      let exception = oldExceptions[identifier.lowercased()],
      let license = identifiers["\(identifier.lowercased()[..<with.lowerBound])-only"]
    else { return nil }
    return LicenseTerm(license, exception: exception)
  }

  private static let oldExceptions = [
    "gpl-2.0-with-autoconf-exception": "Autoconf-exception-2.0",
    "gpl-2.0-with-bison-exception": "Bison-exception-2.2",
    "gpl-2.0-with-classpath-exception": "Classpath-exception-2.0",
    "gpl-2.0-with-font-exception": "Font-exception-2.0",
    "gpl-2.0-with-gcc-exception": "GCC-exception-2.0",
    "gpl-3.0-with-autoconf-exception": "Autoconf-exception-3.0",
    "gpl-3.0-with-gcc-exception": "GCC-exception-3.1",
  ]
}
