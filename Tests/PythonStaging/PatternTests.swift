import Testing

@testable import PythonStaging

struct PatternTests {
  @Test(arguments: [
    ("a.txt", "a.txt"), ("*.txt", "a.txt"), ("*.txt", ".txt"), ("?.txt", "a.txt"),
    ("a/*/c", "a/b/c"), ("a/**/c", "a/c"), ("a/**/c", "a/b/b/c"), ("**/c", "c"), ("**/c", "a/b/c"),
    ("**", "a/b"), ("a/**", "a/b/c"), ("**/*.py", "a.py"), ("**/*.py", "a/b.py"),
    ("*a*b*c*", "xaxbxcx"), ("a*a", "aaa"), ("./a", "a"), ("a//b/", "a/b"),
    ("**/a/**/b", "x/a/b"), ("**/**/a", "a"), ("[a]", "[a]"), ("", "a"), ("a**b", "axb"),
  ])
  func matches(_ pattern: String, _ path: String) {
    #expect(Pattern(pattern).matches(path.utf8))
  }

  @Test(arguments: [
    ("a.txt", "b.txt"), ("*.txt", "a/b.txt"), ("?.txt", ".txt"), ("?.txt", "ab.txt"),
    ("a/*/c", "a/c"), ("a/*/c", "a/b/b/c"), ("a/**/c", "a/b/d"), ("**/c", "a/cc"), ("a/**", "a"),
    ("**/*.py", "a.pyc"), ("*a*b*c*", "xcxbxa"), ("a*a", "a"), ("a*b", "a/b"), ("[a]", "a"),
    ("lib/python*", "usr/lib/python3"), ("a/b", "a"),
  ])
  func doesNotMatch(_ pattern: String, _ path: String) {
    #expect(!Pattern(pattern).matches(path.utf8))
  }

  @Test(arguments: ["tests", "a/tests", "*/tests", "**/tests"])
  func matchesWhatIsBelow(_ pattern: String) {
    let path = pattern == "tests" ? "tests/deep/x.py" : "a/tests/deep/x.py"
    #expect(Pattern(pattern).matches(path.utf8))
  }

  @Test func componentsMayBeAnyBytes() {
    #expect(Pattern("*.bin").matches([0xFF, 0x2E, 0x62, 0x69, 0x6E]))
    #expect(Pattern("?").matches([0xFF]))
  }

  @Test func manyStarsTakeNoTime() {
    let path = String(repeating: "a", count: 2000)
    #expect(!Pattern("*a*a*a*a*a*a*a*a*a*b").matches(path.utf8))
  }
}
