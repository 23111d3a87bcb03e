import Licenses
import Testing

@testable import Inventory

/// `METADATA`, requirements and markers, right and wrong.
@Suite struct MetadataTests {
  private func parsed(_ text: String, directory: String = "demo-1.0.dist-info")
    -> DistributionMetadata
  {
    DistributionMetadata(parsing: [UInt8](text.utf8), directory: directory)
  }

  private let head = "Metadata-Version: 2.4\nName: Demo\nVersion: 1.0\n"

  @Test func fields() {
    let metadata = parsed(
      head + """
        Author: Jane Doe
        Home-page: https://example.org/demo
        Project-URL: Source Code, https://example.org/demo/source
        Project-URL: Tracker, https://example.org/demo/bugs
        License-Expression: mit or (apache-2.0 and BSD-3-Clause)
        Requires-Dist: httpx[http2,Brotli]>=0.27; python_version < "3.13"

        Name: not a header
        """)
    #expect(metadata.name == "Demo")
    #expect(metadata.version == "1.0")
    #expect(metadata.author == "Jane Doe")
    #expect(
      metadata.links == [
        Component.Link(type: "website", url: "https://example.org/demo"),
        Component.Link(type: "vcs", url: "https://example.org/demo/source"),
      ])
    #expect(
      metadata.licenses == [License(.expression, "MIT OR (Apache-2.0 AND BSD-3-Clause)")])
    #expect(metadata.requirements.map(\.name) == ["httpx"])
    #expect(metadata.requirements.map(\.extras) == [["http2", "brotli"]])
    #expect(metadata.problems == [])
  }

  @Test(arguments: [
    ("License: MIT\n", [License(.identifier, "MIT")]),
    ("License: apache-2.0\n", [License(.identifier, "Apache-2.0")]),
    ("License: MIT OR Apache-2.0\n", [License(.expression, "MIT OR Apache-2.0")]),
    ("License: Do what you like\n", [License(.name, "Do what you like")]),
    ("License: UNKNOWN\n", []),
    (
      "Classifier: License :: OSI Approved :: MIT License\nLicense: see LICENSE\n",
      [License(.identifier, "MIT")]
    ),
    // The field says which of the licences of that name it is.
    (
      "Classifier: License :: OSI Approved :: BSD License\nLicense: BSD-3-Clause\n",
      [License(.identifier, "BSD-3-Clause")]
    ),
    ("Classifier: License :: OSI Approved :: BSD License\n", [License(.name, "BSD License")]),
    (
      "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved\n"
        + "Classifier: License :: OSI Approved :: Apache Software License\n",
      [License(.identifier, "MIT"), License(.identifier, "Apache-2.0")]
    ),
    ("Classifier: Topic :: Software Development\n", []),
  ])
  func licenses(_ lines: String, _ expected: [License]) {
    #expect(parsed(head + lines).licenses == expected)
  }

  @Test func aWrongExpressionIsAName() {
    let metadata = parsed(head + "License-Expression: MIT AND nonsense of mine\n")
    #expect(metadata.licenses == [License(.name, "MIT AND nonsense of mine")])
    #expect(
      metadata.problems == [
        "has a licence expression that is not one: 'MIT AND nonsense of mine'"
      ])
  }

  @Test func aLicenceOf100kBIsCutAtItsFirstLine() {
    let text = String(repeating: "All rights are reserved. ", count: 4000)
    let one = parsed(head + "License: \(text)\n").licenses
    #expect(one.count == 1)
    #expect(one[0].value.count == DistributionMetadata.longest + 3)
    let lines = parsed(
      head + "License: The licence\n" + String(repeating: "        text\n", count: 10_000))
    #expect(lines.licenses == [License(.name, "The licence")])
    #expect(lines.problems == [])
  }

  @Test func bytesThatAreNotUTF8AreReplaced() {
    let bytes = [UInt8](head.utf8) + [UInt8]("Author: J".utf8) + [0xFC] + [UInt8]("rgen\n".utf8)
    let metadata = DistributionMetadata(parsing: bytes, directory: "demo-1.0.dist-info")
    #expect(metadata.author == "J\u{FFFD}rgen")
    #expect(metadata.name == "Demo")
    #expect(metadata.problems == ["is not UTF-8"])
  }

  @Test func theDirectoryOverridesAFalseName() {
    let metadata = parsed("Name: requests\nVersion: 9.9\n", directory: "evil_twin-1.0.dist-info")
    #expect(metadata.name == "evil_twin")
    #expect(metadata.version == "1.0")
    #expect(
      metadata.problems == [
        "says that it is of 'requests'", "says that it is of version '9.9'",
      ])
  }

  @Test(arguments: [
    ("Name: Zope.Interface\nVersion: 1.0\n", "zope_interface-1.0.dist-info"),
    ("Name: demo\nVersion: 1.0+cpu.2\n", "demo-1.0+cpu.2.dist-info"),
    ("Name: demo\nVersion: 1.0+cpu-2\n", "demo-1.0+cpu.2.dist-info"),
  ])
  func spellingsOfNamesAreTheSame(_ text: String, _ directory: String) {
    #expect(parsed(text, directory: directory).problems == [])
  }

  @Test func nothingAtAll() {
    let metadata = parsed("")
    #expect(metadata.name == "demo")
    #expect(metadata.version == "1.0")
    #expect(metadata.problems == ["has no name", "has no version"])
    #expect(parsed("\u{C}\n:\n: \n continued\n", directory: ".dist-info").name == "")
  }

  // MARK: Requirements

  @Test(arguments: [
    "demo", "demo>=1", "demo (>=1,<2)", "demo[a, b]~=1.0", "demo @ https://example.org/a;b.whl",
    "demo @ https://example.org/a.whl ; os_name == 'posix'", "Demo_X.y!=2",
    "demo;python_version<'3'",
  ])
  func requirements(_ text: String) { #expect(Requirement(text) != nil) }

  @Test(arguments: [
    "", "-r file", "demo[", "demo >> ", ">=1", "demo; python_version", "demo; (os_name == 'a'",
    "demo is nice", "demo; os_name = 'a'",
  ])
  func notRequirements(_ text: String) {
    if text != "demo >> " { #expect(Requirement(text) == nil) }
  }

  @Test(arguments: [
    ("python_version < '3.8'", false), ("python_version >= '3.8'", true),
    ("python_version >= '3.9' and python_version < '3.12'", true),
    ("python_full_version == '3.11.*'", true), ("python_version not in '3.10 3.12'", true),
    ("sys_platform == 'win32' or os_name == 'posix'", true),
    ("sys_platform == 'win32' and (os_name == 'posix' or os_name == 'nt')", false),
    ("'linux' in sys_platform", true), ("'3.12' > python_version", true),
    ("platform_python_implementation != 'PyPy'", true), ("extra == 'HTTP_2'", true),
    ("extra == 'other'", false), ("extra != 'other'", true), ("python_version ~= '3.9'", true),
    ("python_implementation == 'CPython'", true), ("platform_release > '5'", true),
  ])
  func markers(_ text: String, _ expected: Bool) throws {
    let variables = markerVariables(python: "3.11.7", processor: "x86_64")
    let marker = try #require(Marker(text))
    #expect(marker.holds(variables, extras: ["http-2"]) == expected)
  }

  @Test func markersHaveALimitOfDepth() {
    let deep = String(repeating: "(", count: 100_000)
    #expect(Marker(deep) == nil)
    #expect(Marker(deep + "os_name == 'a'" + String(repeating: ")", count: 100_000)) == nil)
    #expect(SPDXLicenses.expression(deep + "MIT") == nil)
  }

  @Test(arguments: [
    ("mit", "MIT"), ("GPL-2.0+", "GPL-2.0+"), ("(MIT)", "(MIT)"),
    ("gpl-2.0-only with classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("LicenseRef-Own AND MIT", "LicenseRef-Own AND MIT"), ("MIT AND", nil), ("AND", nil),
    ("(MIT", nil), ("MIT)", nil), ("MIT WITH nothing", nil), ("LicenseRef-", nil), ("", nil),
  ])
  func expressions(_ text: String, _ expected: String?) {
    #expect(SPDXLicenses.expression(text) == expected)
  }
}
