import TestSupport
import Testing

@testable import AppSpec

@Suite struct WordsTests {
  @Test(arguments: [
    ("Friendly-Bard", "friendly-bard"), ("FRIENDLY.bard", "friendly-bard"),
    ("friendly_--.bard", "friendly-bard"), ("x", "x"), ("zope.interface", "zope-interface"),
  ])
  func distributionsHaveOneName(_ name: String, _ normalized: String) {
    #expect(normalizedName(name) == normalized)
  }

  @Test(
    arguments: [
      ("1", 1), ("400 MB", 400_000_000), ("400MB", 400_000_000), ("1.5 GiB", 3 << 29),
      ("2kb", 2000),
      ("2 KiB", 2048), ("1 TB", 1_000_000_000_000), ("0.5 kB", 500), ("1.000001 MB", 1_000_001),
      ("0.1 KiB", 102), ("16777215 TiB", 16_777_215 << 40), ("7 b", 7), ("1.5", 1),
      ("0", nil), ("0.1", nil), ("", nil), ("MB", nil), ("1.", nil), (".5 MB", nil),
      ("1.2.3 MB", nil),
      ("-1 MB", nil), ("1e3 MB", nil), ("1 XB", nil), ("1.0000001 MB", nil), ("16777216 TiB", nil),
      ("99999999999999999999", nil), ("\u{663} MB", nil), ("1 MB x", nil),
    ] as [(String, UInt64?)])
  func sizes(_ text: String, _ expected: UInt64?) { #expect(byteCount(text) == expected) }

  @Test(
    arguments: [
      ("Torch", "torch"), ("a.b_c--d", "a-b-c-d"), ("x", "x"), ("A1", "a1"), ("", nil), ("-a", nil),
      ("a-", nil), ("a b", nil), ("a==1", nil), ("\u{E9}", nil), ("a[b]", nil),
    ] as [(String, String?)])
  func distributions(_ text: String, _ expected: String?) {
    #expect(normalizedDistributionName(text) == expected)
  }

  @Test(arguments: ["3.11", "3.11.7", "3.8.0", "3.10.13"])
  func versionsOfPython(_ text: String) { #expect(isPythonVersion(text)) }

  @Test(arguments: [
    "", "3", "3.", "3.11.", "2.7", "3.x", "3.11.7.1", "3.011", "3.11 ", "v3.11", "3.1111",
  ])
  func otherVersions(_ text: String) { #expect(!isPythonVersion(text)) }

  @Test(
    arguments: [
      ("a", "a"), ("./a/", "a"), ("a//b", "a/b"), (".", ""), ("", ""), ("a/./b", "a/b"),
      ("/a", nil),
      ("..", nil), ("a/../b", nil), ("..a", "..a"),
    ] as [(String, String?)])
  func treePaths(_ text: String, _ expected: String?) {
    #expect(normalizedTreePath(text) == expected)
  }
}

@Suite struct OutputNameTests {
  private func expand(_ pattern: String, version: String = "1.2") -> String {
    do throws(SpecError) {
      return try expandOutputName(pattern, name: "notes", version: version, target: "x86_64-linux")
    } catch { return error.description }
  }

  @Test(
    arguments: [
      ("{name}", "notes"), ("{name}-{version}-{target}", "notes-1.2-x86_64-linux"),
      ("dist/{version}/{name}", "dist/1.2/notes"), ("plain", "plain"),
      ("/abs/{name}", "/abs/notes"),
      ("{name}{name}", "notesnotes"),
      ("", "the file name '' names no file"), ("dist/", "the file name 'dist/' names no file"),
      ("a/..", "the file name 'a/..' names no file"),
      (
        "{Name}",
        "the file name '{Name}' has the unknown placeholder '{Name}'; valid are {name}, {version} and {target}"
      ),
      (
        "{}",
        "the file name '{}' has the unknown placeholder '{}'; valid are {name}, {version} and {target}"
      ),
      ("{name", "the file name '{name' has a brace that belongs to no placeholder"),
      ("name}", "the file name 'name}' has a brace that belongs to no placeholder"),
      ("{{name}}", "the file name '{{name}}' has a brace that belongs to no placeholder"),
    ] as [(String, String)])
  func patterns(_ pattern: String, _ expected: String) { #expect(expand(pattern) == expected) }

  @Test func versions() {
    #expect(
      expand("{name}-{version}", version: "feature/login-3-gabc") == "notes-feature-login-3-gabc")
    #expect(expand("{version}", version: "{name}") == "{name}")
    #expect(expand("{name}", version: "") == "notes")
    #expect(
      expand("{version}", version: "")
        == "the file name '{version}' needs a version: give 'app.version'")
    #expect(expand("{version}", version: "..") == "the file name '{version}' names no file")
  }

  @Test func placesAreNamed() {
    #expect(throws: SpecError.self) {
      try expandOutputName(
        "{", name: "n", version: "", target: "t", at: SpecPlace(file: "f", line: 3))
    }
    do throws(SpecError) {
      _ = try expandOutputName(
        "{", name: "n", version: "", target: "t", at: SpecPlace(file: "f", line: 3))
    } catch {
      #expect(
        error.description == "f:3: the file name '{' has a brace that belongs to no placeholder")
    }
  }
}
