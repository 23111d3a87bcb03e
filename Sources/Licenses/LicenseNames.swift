extension LicenseExpression {
  /// The licences that a name may stand for, such as "BSD License", "GPLv3+" or "Apache License, Version 2.0"; nil if the
  /// name is not known.
  ///
  /// Names are those of trove classifiers, and those that projects write into the field `License`. A name that stands for
  /// several licences gives all of them at once: whoever denies one of them denies the name.
  public init?(named name: String) {
    if let expression = LicenseExpression(name) {
      self = expression
      return
    }
    let words = plainWords(name)
    let identifiers = licensesOfNames[words.joined(separator: " ")] ?? gnuLicenses(words)
    guard !identifiers.isEmpty else { return nil }
    let terms = identifiers.map { LicenseExpression.term(LicenseTerm($0)) }
    self = terms.count == 1 ? terms[0] : .all(terms)
  }
}

/// The words of a name in lower case, without those that say nothing: "mit" for "The MIT License (MIT)".
private func plainWords(_ name: String) -> [String] {
  let text = name.lowercased().map { character in
    character.isASCII && (character.isLetter || character.isNumber || ".+".contains(character))
      ? character : " "
  }
  var words: [String] = []
  for word in String(text).split(separator: " ") {
    var word = String(word)
    while word.hasSuffix(".") { word.removeLast() }
    // "v2.0"
    if word.hasPrefix("v"), word.dropFirst().first?.isNumber == true { word.removeFirst() }
    if emptyWords.contains(word) || word.isEmpty || words.last == word { continue }
    words.append(word)
  }
  // "MIT License (MIT)", "Apache License 2.0 (Apache-2.0)"
  let half = words.count / 2
  let isTwice = words.count > 1 && words.count.isMultiple(of: 2) && words[..<half] == words[half...]
  return isTwice ? Array(words[..<half]) : words
}

private let emptyWords: Set<String> = [
  "the", "a", "license", "licence", "licenses", "licensed", "under", "version", "v", "software",
  "terms", "of", "style", "like", "osi", "approved",
]

/// By words as `plainWords` leaves them.
private let licensesOfNames: [String: [String]] = {
  let names: [(String, [String])] = [
    ("MIT", ["mit", "expat", "mit expat", "mit x11", "x11 mit"]),
    ("MIT-0", ["mit no attribution"]),
    (
      "Apache-2.0",
      [
        "apache 2.0", "apache 2", "apache2", "apache2.0", "apache", "asl 2.0", "asl 2", "al2",
      ]
    ),
    (
      "BSD-2-Clause",
      [
        "bsd 2 clause", "2 clause bsd", "simplified bsd", "bsd 2 clause simplified", "freebsd",
      ]
    ),
    (
      "BSD-3-Clause",
      [
        "bsd 3 clause", "3 clause bsd", "new bsd", "modified bsd", "revised bsd",
        "bsd 3 clause new or revised", "bsd 3", "bsd 3 clause revised",
      ]
    ),
    ("0BSD", ["zero clause bsd"]),
    ("ISC", ["isc iscl", "iscl"]),
    ("MPL-1.0", ["mozilla public 1.0 mpl", "mpl 1.0"]),
    ("MPL-1.1", ["mpl 1.1", "mozilla public 1.1"]),
    ("MPL-2.0", ["mpl 2.0", "mpl2.0", "mpl 2", "mpl2", "mozilla public 2.0", "mozilla public 2"]),
    ("PSF-2.0", ["psf", "psfl", "python foundation", "python"]),
    ("Unlicense", ["unlicense", "public domain unlicense"]),
    ("Zlib", ["zlib", "zlib libpng"]),
    ("BSL-1.0", ["boost", "boost 1.0"]),
    ("ZPL-2.1", ["zpl 2.1", "zope public 2.1", "zope public"]),
    ("CC0-1.0", ["cc0", "cc0 1.0", "cc0 1.0 universal"]),
    ("WTFPL", ["wtfpl"]),
    ("CDDL-1.0", ["common development and distribution 1.0 cddl 1.0", "cddl 1.0", "cddl"]),
    ("EPL-1.0", ["epl 1.0", "eclipse public 1.0"]),
    ("EPL-2.0", ["epl 2.0", "eclipse public 2.0"]),
    ("LicenseRef-Public-Domain", ["public domain"]),
  ]
  var result: [String: [String]] = [:]
  for (identifier, texts) in names { for text in texts { result[text] = [identifier] } }
  result["bsd"] = ["BSD-2-Clause", "BSD-3-Clause"]
  result["mpl"] = ["MPL-1.0", "MPL-1.1", "MPL-2.0"]
  result["artistic"] = ["Artistic-1.0", "Artistic-2.0"]
  result["academic free afl"] = ["AFL-1.1", "AFL-1.2", "AFL-2.0", "AFL-2.1", "AFL-3.0"]
  result["eclipse public"] = ["EPL-1.0", "EPL-2.0"]
  return result
}()

/// The licences of the GNU project that a name may stand for: of all versions that it does not exclude.
private func gnuLicenses(_ words: [String]) -> [String] {
  var text = " \(words.joined(separator: " ")) "
  for (phrase, family) in [
    ("affero general public", "agpl"), ("affero gpl", "agpl"),
    ("library or lesser general public", "lgpl"), ("lesser general public", "lgpl"),
    ("library general public", "lgpl"), ("lesser gpl", "lgpl"), ("general public", "gpl"),
    ("free documentation", "gfdl"),
  ] {
    text = text.split(separator: " \(phrase) ", omittingEmptySubsequences: false)
      .joined(separator: " \(family) ")
  }
  let families = ["agpl", "lgpl", "gpl", "gfdl"].filter { family in
    text.split(separator: " ").contains { $0.hasPrefix(family) || $0.hasPrefix("gnu\(family)") }
  }
  let isLater =
    text.contains("+") || text.firstRange(of: " or later") != nil
    || text.firstRange(of: " or any later") != nil || text.firstRange(of: " or newer") != nil
  let isOnly = text.firstRange(of: " only ") != nil
  return families.flatMap { family in
    let version = firstVersion(text)
    return SPDXLicenses.current.filter { identifier in
      let parts = identifier.lowercased().split(separator: "-", maxSplits: 2).map(String.init)
      guard parts.count == 3, parts[0] == family, ["only", "or-later"].contains(parts[2]) else {
        return false
      }
      return (version.map { parts[1] == $0 } ?? true)
        && (!isLater || parts[2] == "or-later") && (!isOnly || parts[2] == "only")
    }
  }
}

/// The first version in a text, as the SPDX list writes it: "3.0" for "gplv3".
private func firstVersion(_ text: String) -> String? {
  guard let first = text.firstIndex(where: { ("1"..."3").contains($0) }) else { return nil }
  let after = text[text.index(after: first)...]
  if after.first == ".", let digit = after.dropFirst().first, digit.isNumber {
    return "\(text[first]).\(digit)"
  }
  return "\(text[first]).0"
}
