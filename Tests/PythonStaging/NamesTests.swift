import BuildTools
import PayloadFormat
import Testing

@testable import PythonStaging

struct NamesTests {
  @Test func versionsAreParsed() throws {
    let version = try #require(PythonVersion("3.11.7"))
    #expect((version.major, version.minor, version.patch) == (3, 11, 7))
    #expect((version.short, version.description) == ("3.11", "3.11.7"))
    #expect(PythonVersion("3.11")?.description == "3.11")
  }

  @Test(arguments: [
    "", "3", "3.", ".11", "3.11.", "3.x", "3.11.7.1", "3..7", "a.b", "3.11rc1", " 3.11",
  ])
  func otherTextsAreNotVersions(_ text: String) { #expect(PythonVersion(text) == nil) }

  @Test(arguments: [
    ("3.11", "3.11.7", true), ("3.11.7", "3.11.7", true), ("3.11.8", "3.11.7", false),
    ("3.1", "3.11.7", false), ("3.12", "3.11.7", false), ("2.11", "3.11.7", false),
  ])
  func aVersionAccepts(_ wanted: String, _ found: String, _ accepts: Bool) throws {
    #expect(try #require(PythonVersion(wanted)).accepts(#require(PythonVersion(found))) == accepts)
  }

  @Test func versionsAreOrderedByNumber() {
    let texts = ["3.8.18", "3.9", "3.9.2", "3.10.0", "3.10.13", "4.0"]
    let versions = texts.compactMap { PythonVersion($0) }
    #expect(versions.reversed().sorted().map(\.description) == texts)
  }

  @Test(arguments: [
    ("lib/python3.11/site-packages/../../../bin/tool", "bin/tool"), ("a/./b", "a/b"),
    ("a//b/", "a/b"),
    ("../../a", "a"), ("", ""),
  ])
  func pathsAreNormalized(_ path: String, _ normalized: String) {
    #expect(normalizedPath(path) == normalized)
  }

  @Test(arguments: [
    ("{port}", "80"), ("--port={port}/{port}", "--port=80/80"), ("{", "{"), ("}{port", "}{port"),
    ("{ports}", "{ports}"), ("{{port}}", "{80}"), ("{\"a\": {port}}", "{\"a\": 80}"), ("", ""),
    ("{root}", "{root}"),
  ])
  func placeholdersAreFilled(_ text: String, _ result: String) {
    let placeholders = Placeholders([("port", [UInt8]("80".utf8))], doubled: .stay)
    #expect(placeholders.filled(text) == result)
  }

  @Test(arguments: [
    ("{data}", "{root}/s"), ("a{data}/b{data}", "a{root}/s/b{root}/s"), ("{{data}}", "{data}"),
    ("{{{data}}}", "{{data}}"), ("{{data}", "{{root}/s"), ("{data", "{data"), ("", ""),
    ("{root}{{root}}é", "{root}{{root}}é"),
  ])
  func dataRootIsReplaced(_ text: String, _ result: String) {
    let placeholders = Placeholders([("data", [UInt8]("{root}/s".utf8))], doubled: .areLiteral)
    #expect(placeholders.filled(text) == result)
  }

  @Test func lastLinesAreReadable() {
    let text = "first\n\nsecond: 'ü' \"x\" \\\tend\u{1B}[31m\u{7F}\r\nthird \u{FFFD}\n"
    #expect(
      lastLines([UInt8](text.utf8), count: 2)
        == "  second: 'ü' \"x\" \\\tend\\x1b[31m\\x7f\\x0d\n  third \u{FFFD}")
    #expect(lastLines([0x61, 0xFF, 0x62]) == "  a\u{FFFD}b")
    #expect(lastLines([]) == "")
  }

  @Test(arguments: [
    ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
    ("???>>>", "Pz8_Pj4-"),
  ])
  func hashesAreInURLSafeBase64(_ text: String, _ encoded: String) {
    #expect(base64(text.utf8) == encoded)
  }
}
