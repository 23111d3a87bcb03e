import Testing

@testable import Licenses

/// Expressions of SPDX, and what is denied in them.
@Suite struct ExpressionTests {
  @Test(arguments: [
    ("mit", "MIT"),
    ("mit or (apache-2.0 and BSD-3-Clause)", "MIT OR (Apache-2.0 AND BSD-3-Clause)"),
    ("gpl-2.0 with classpath-exception-2.0", "GPL-2.0 WITH Classpath-exception-2.0"),
    ("Apache-2.0+", "Apache-2.0+"), ("LicenseRef-x.y-1", "LicenseRef-x.y-1"),
  ])
  func theTextIsThatOfTheList(_ text: String, _ expected: String) {
    #expect(SPDXLicenses.expression(text) == expected)
  }

  @Test(arguments: [
    "", "MIT OR", "AND MIT", "MIT Apache-2.0", "(MIT", "MIT)", "MIT WITH", "MIT WITH nothing",
    "no-such-licence", "LicenseRef-", "LicenseRef-a_b", "MIT OR OR MIT", "()",
  ])
  func noExpression(_ text: String) {
    #expect(LicenseExpression(text) == nil)
  }

  @Test func andBindsStronger() {
    func term(_ name: String) -> LicenseExpression { .term(LicenseTerm(name)) }
    #expect(
      LicenseExpression("MIT OR ISC AND Zlib")
        == .any([term("MIT"), .all([term("ISC"), term("Zlib")])]))
    #expect(
      LicenseExpression("(MIT OR ISC) AND Zlib")
        == .all([.any([term("MIT"), term("ISC")]), term("Zlib")]))
  }

  @Test func oldNamesStandForNewOnes() {
    #expect(LicenseExpression("GPL-3.0") == LicenseExpression("GPL-3.0-only"))
    #expect(LicenseExpression("LGPL-2.1+") == LicenseExpression("LGPL-2.1-or-later"))
    #expect(
      LicenseExpression("GPL-2.0-with-classpath-exception")
        == LicenseExpression("GPL-2.0-only WITH Classpath-exception-2.0"))
    #expect(SPDXLicenses.replacement(of: "Apache-2.0") == nil)
    #expect(!SPDXLicenses.current.contains("GPL-3.0") && SPDXLicenses.current.contains("MIT"))
  }

  @Test(arguments: [
    ("MIT", []), ("GPL-3.0-only", ["GPL-3.0-only"]), ("MIT OR GPL-3.0-only", []),
    ("MIT AND GPL-3.0-only", ["GPL-3.0-only"]),
    ("GPL-3.0-only OR GPL-2.0-only", ["GPL-3.0-only", "GPL-2.0-only"]),
    ("MIT AND (ISC OR GPL-3.0-only)", []),
    ("ISC OR MIT AND GPL-3.0-only", []),
    ("(ISC OR MIT) AND GPL-3.0-only", ["GPL-3.0-only"]),
    ("(GPL-3.0-only OR MIT AND GPL-2.0-only) AND ISC", ["GPL-3.0-only", "GPL-2.0-only"]),
    ("GPL-2.0-only WITH Classpath-exception-2.0 OR MIT", []),
    ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only WITH Classpath-exception-2.0"]),
  ])
  func whatNoChoiceAvoids(_ text: String, _ expected: [String]) throws {
    let expression = try #require(LicenseExpression(text))
    let denied = expression.unavoidable { $0.identifier.hasPrefix("GPL-") }
    #expect(denied.map(\.description) == expected)
  }
}

/// What names of licences stand for.
@Suite struct NameTests {
  private func terms(_ expression: LicenseExpression?) -> [String] {
    switch expression {
    case nil: ["nothing"]
    case .term(let term): [term.description]
    case .all(let parts), .any(let parts): parts.flatMap { terms($0) }
    }
  }

  @Test(arguments: [
    ("MIT", ["MIT"]), ("MIT License", ["MIT"]), ("The MIT License (MIT)", ["MIT"]),
    ("Expat license", ["MIT"]), ("MIT/X11", ["MIT"]),
    ("Apache 2.0", ["Apache-2.0"]), ("Apache License, Version 2.0", ["Apache-2.0"]),
    ("Apache Software License", ["Apache-2.0"]), ("Apache License 2.0", ["Apache-2.0"]),
    ("BSD", ["BSD-2-Clause", "BSD-3-Clause"]), ("BSD License", ["BSD-2-Clause", "BSD-3-Clause"]),
    ("BSD-3-Clause License", ["BSD-3-Clause"]), ("3-Clause BSD License", ["BSD-3-Clause"]),
    ("New BSD License", ["BSD-3-Clause"]), ("Simplified BSD", ["BSD-2-Clause"]),
    ("Mozilla Public License 2.0", ["MPL-2.0"]), ("MPL v2.0", ["MPL-2.0"]),
    ("Python Software Foundation License", ["PSF-2.0"]),
    ("MIT OR Apache-2.0", ["MIT", "Apache-2.0"]),
    ("GPLv3", ["GPL-3.0-only", "GPL-3.0-or-later"]), ("GPLv3+", ["GPL-3.0-or-later"]),
    ("GPL v2 only", ["GPL-2.0-only"]),
    ("GNU General Public License v2 or later (GPLv2+)", ["GPL-2.0-or-later"]),
    ("GNU LGPL 2.1", ["LGPL-2.1-only", "LGPL-2.1-or-later"]),
    ("GNU Lesser General Public License v3 or later", ["LGPL-3.0-or-later"]),
    ("GNU Affero General Public License v3", ["AGPL-3.0-only", "AGPL-3.0-or-later"]),
    (
      "GNU General Public License (GPL)",
      [
        "GPL-1.0-only", "GPL-1.0-or-later", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only",
        "GPL-3.0-or-later",
      ]
    ),
    (
      "GNU Library or Lesser General Public License (LGPL)",
      [
        "LGPL-2.0-only", "LGPL-2.0-or-later", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only",
        "LGPL-3.0-or-later",
      ]
    ),
    ("Public Domain", ["LicenseRef-Public-Domain"]),
    ("Other/Proprietary License", ["nothing"]), ("see LICENSE", ["nothing"]), ("", ["nothing"]),
    ("Copyright 2020 by nobody", ["nothing"]),
  ])
  func names(_ name: String, _ expected: [String]) {
    #expect(terms(LicenseExpression(named: name)) == expected)
  }
}
