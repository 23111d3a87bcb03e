import PayloadFormat
import Testing

@Suite struct PathRulesTests {
  private func isName(_ bytes: [UInt8]) -> Bool { PathRules.isName(bytes.span) }
  private func isName(_ text: String) -> Bool { isName([UInt8](text.utf8)) }
  private func isPath(_ text: String) -> Bool { PathRules.isPath([UInt8](text.utf8).span) }
  private func stays(_ target: String, _ depth: Int) -> Bool {
    PathRules.staysInside([UInt8](target.utf8).span, depth: depth)
  }

  @Test(arguments: ["a", "...", ".a", "a.", "..a", "-", " ", "\n", "ü", "a\\b"])
  func names(_ text: String) { #expect(isName(text)) }

  @Test(arguments: ["", ".", "..", "/", "a/", "/a", "a/b", "a\0", "\0"])
  func noNames(_ text: String) { #expect(!isName(text)) }

  @Test func namesAreBytesOfALimitedNumber() {
    #expect(isName([0xFF, 0x80]))
    #expect(isName([UInt8](repeating: 0x61, count: 255)))
    #expect(!isName([UInt8](repeating: 0x61, count: 256)))
  }

  @Test(arguments: ["a", "a/b", "a/.../b", ".a/..b/c."])
  func paths(_ text: String) { #expect(isPath(text)) }

  @Test(arguments: ["", "/", "/a", "a/", "a//b", "a/./b", "a/../b", "..", ".", "a/b\0"])
  func noPaths(_ text: String) { #expect(!isPath(text)) }

  @Test func pathsAreLimited() {
    let long = Array(repeating: String(repeating: "n", count: 127), count: 24).joined(
      separator: "/")
    #expect(long.utf8.count == 3071)
    #expect(isPath(long + "n"))
    #expect(!isPath(long + "nn"))
  }

  @Test(
    arguments: [
      ("a", 0), (".", 0), ("./a", 0), ("a/..", 0), ("a/../b", 0), ("..", 1), ("../..", 2),
      ("../a/../../b", 2), ("a//..", 0), ("a/b/../..", 0), ("...", 0), ("..a", 0), ("../", 1),
    ] as [(String, Int)])
  func targetsInside(_ target: String, _ depth: Int) { #expect(stays(target, depth)) }

  @Test(
    arguments: [
      ("", 0), ("/", 5), ("/a", 5), ("..", 0), ("../", 0), ("./..", 0), (".//..", 0),
      ("a/../..", 0), ("../a", 0), ("../..", 1), ("../../a", 1), ("a/../../b", 0),
      ("..//..", 1), ("../../../..", 3),
    ] as [(String, Int)])
  func targetsOutside(_ target: String, _ depth: Int) { #expect(!stays(target, depth)) }
}
