import Licenses
import Posix
import TestSupport
import Testing

@testable import AppSpec

/// The table [policy], and the forms of its values.
@Suite struct PolicyTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private let head = "app.name = 'n'\npython.version = '3.11'\nlaunch.module = 'n'\n"

  @Test func everyRule() throws {
    let spec = try directory.read(
      head + """
        [policy]
        deny-licenses = [
          "AGPL-3.0-*",
          " gpl-* with * ",
          "Unknown",
        ]
        license-exceptions = ["Lib_Z.so"]
        deny = ["Urllib3 <2.1, !=2.0.7", "telnetlib3"]
        require-hashes = true
        max-size = "150 MB"
        max-glibc = "2.31"
        max-update = "2.5 %"
        """)
    let policy = spec.policy
    #expect(policy.denyLicenses.map(\.value.text) == ["AGPL-3.0-*", "gpl-* with *", "Unknown"])
    #expect(policy.denyLicenses.map(\.place.line) == [6, 7, 8])
    #expect(policy.denyLicenses.map(\.value.isUnknown) == [false, false, true])
    #expect(policy.licenseExceptions.map(\.value) == ["lib-z-so"])
    #expect(policy.deny.map(\.value.name) == ["urllib3", "telnetlib3"])
    #expect(policy.deny.map(\.value.specifier) == ["<2.1, !=2.0.7", ""])
    #expect(policy.requireHashes?.line == 12)
    #expect(policy.maxSize?.value == 150_000_000 && policy.maxUpdate?.value == 25)
    #expect(spec.sizeLimit?.key == "policy.max-size" && spec.sizeLimit?.limit.place.line == 13)
    #expect(spec.glibcLimit?.value == "2.31" && spec.glibcLimit?.place.line == 14)
  }

  @Test func withoutRules() throws {
    let spec = try directory.read(head + "archive.max-size = 5\npolicy.require-hashes = false\n")
    #expect(spec.policy.denyLicenses.isEmpty && spec.policy.deny.isEmpty)
    #expect(spec.policy.requireHashes == nil && spec.policy.maxUpdate == nil)
    #expect(spec.glibcLimit == nil)
    #expect(spec.sizeLimit?.key == "archive.max-size" && spec.sizeLimit?.limit.value == 5)
  }

  private func matches(_ pattern: String, _ text: String) throws -> Bool {
    guard case .term(let term)? = LicenseExpression(text) else {
      Issue.record("'\(text)' is no term")
      return false
    }
    return try LicensePattern(pattern).matches(term)
  }

  @Test(arguments: [
    ("MIT", "MIT", true), ("mit", "MIT", true), ("MIT", "MIT-0", false), ("MIT*", "MIT-0", true),
    ("GPL-*", "GPL-3.0-only", true), ("GPL-*", "LGPL-3.0-only", false),
    ("*GPL-*", "LGPL-3.0-only", true), ("GPL-3.0-only", "GPL-3.0", true),
    ("GPL-3.0-only", "GPL-3.0-or-later", false), ("GPL-3.0-*", "GPL-3.0+", true),
    ("Apache-2.0", "Apache-2.0+", true),
    ("GPL-*", "GPL-3.0-or-later WITH GCC-exception-3.1", false),
    ("GPL-* WITH *", "GPL-3.0-or-later WITH GCC-exception-3.1", true),
    ("GPL-* WITH GCC-*", "GPL-2.0-only WITH Classpath-exception-2.0", false),
    ("GPL-* WITH *", "GPL-3.0-or-later", false),
    ("LicenseRef-Acme-*", "LicenseRef-Acme-2", true), ("unknown", "MIT", false),
  ])
  func patterns(_ pattern: String, _ license: String, _ expected: Bool) throws {
    #expect(try matches(pattern, license) == expected)
  }

  @Test(arguments: [
    "a", "a<1", "a ==1.*", "a~=1.0", "a>=1!2.0.post1.dev3+abc.1", "a!=v1.0-rc1", "a===any", "A.b_c",
    "a<1,>0.5a1", "a >= 1.0-1", "a==1.0_r2",
  ])
  func versions(_ text: String) {
    #expect(DeniedVersions(text) != nil)
    #expect(isMatch(text, .deniedVersions))
  }

  @Test(arguments: [
    "", "<1", "a[x]<1", "a<1; python_version>'3'", "a @ https://example.org/a.whl", "a<", "a=1",
    "a~=1", "a<1.*", "a==1.0.dev1.*", "a<one", "a<1,", "a<1 >2", "-a", "./a", "a===", "a<1+",
    "a=>1",
  ])
  func noVersions(_ text: String) {
    #expect(DeniedVersions(text) == nil)
  }

  /// Whether the JSON Schema accepts a text.
  private func isMatch(_ text: String, _ form: Schema.Form) -> Bool {
    (try? Regex(form.pattern).wholeMatch(in: text)) != nil
  }

  @Test(arguments: [
    ("0%", 0), ("5", 50), ("5%", 50), ("2.5 %", 25), ("100%", 1000), ("100.0%", 1000),
    ("99.9", 999),
  ])
  func percentages(_ text: String, _ expected: UInt64) {
    #expect(thousandths(ofPercentage: text) == expected)
    #expect(isMatch(text, .percentage))
  }

  @Test(arguments: [
    "", "%", "101%", "100.1%", "-1%", "1.25%", "5 percent", "5  %", ".5", "5.", "1e1",
  ])
  func noPercentages(_ text: String) { #expect(thousandths(ofPercentage: text) == nil) }
}
