import Posix
import TestSupport
import Testing

@Suite struct PathTests {
  @Test(arguments: [
    ("NAME=value", "NAME", true), ("NAME=", "NAME", true), ("NAME=a=b", "NAME", true),
    ("NAME", "NAME", true), ("NAMES=value", "NAME", false), ("NAM=E", "NAME", false),
    ("NAM", "NAME", false), ("name=value", "NAME", false), ("=value", "", true),
    ("", "", true), ("NAME=value", "", false), ("NAME=value", "NAM", false),
  ])
  func variables(_ entry: String, _ name: String, _ isIts: Bool) {
    // A slice need not begin at 0.
    let padded = [0x3D] + [UInt8](name.utf8)
    #expect(Path(entry).isVariable(named: padded.dropFirst()) == isIts)
  }

  @Test(
    arguments: [
      ("", "."), ("a", "."), ("a/", "."), ("/", "/"), ("//", "/"), ("/a", "/"), ("/a/", "/"),
      ("/a/b", "/a"), ("a/b", "a"), ("a//b", "a"), ("a/b//", "a"), ("//a", "/"), ("./a", "."),
      ("..", "."), ("../a", ".."),
    ] as [(String, String)])
  func parent(_ path: String, _ expected: String) {
    #expect(Path(path).parent.string == expected)
  }

  @Test(
    arguments: [
      ("", ""), ("/", ""), ("//", ""), ("a", "a"), ("a/", "a"), ("/a", "a"), ("a/b", "b"),
      ("a//b///", "b"), ("..", ".."),
    ] as [(String, String)])
  func lastComponent(_ path: String, _ expected: String) {
    #expect(String(decoding: Path(path).lastComponent, as: UTF8.self) == expected)
  }

  @Test(
    arguments: [
      ("", "a", "a"), ("a", "b", "a/b"), ("a/", "b", "a/b"), ("/", "b", "/b"),
      ("a", "b/c", "a/b/c"),
      ("a", "", "a/"),
    ] as [(String, String, String)])
  func appending(_ path: String, _ name: String, _ expected: String) {
    #expect(Path(path).appending(name.utf8).string == expected)
  }

  @Test func absolute() {
    #expect(Path("/").isAbsolute)
    #expect(!Path("a/").isAbsolute)
    #expect(!Path().isAbsolute)
  }

  @Test func changes() {
    var path = Path("abc")
    path.append(byte: 0x64)
    path.append(contentsOf: [0x65, 0x66])
    #expect(path.string == "abcdef")
    path.truncate(to: 2)
    #expect(path.string == "ab")
    path.truncate(to: 0)
    #expect(path.isEmpty && path.count == 0)
    path.replace(with: [0x78, 0x79][...])
    #expect(path.elementsEqual(Path("xy")))
    #expect(!path.elementsEqual(Path("xyz")))
  }

  @Test func cStringsEndWithNUL() {
    let path = Path("a/b")
    #expect(path.withCString { Path(cString: $0) }.elementsEqual(path))
    #expect(path.withCString { $0[3] } == 0)
    #expect(Path().withCString { $0[0] } == 0)
  }

  // MARK: Quoting

  private func quoted(_ bytes: [UInt8]) -> String { Path(bytes).quoted.string }

  @Test(arguments: ["a b", "ü", "名前", "😀", "\u{A0}", "\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}"])
  func textStays(_ text: String) {
    #expect(quoted([UInt8](text.utf8)) == "'\(text)'")
  }

  @Test(
    arguments: [
      ([0x0A], "\\x0a"), ([0x1B, 0x5B], "\\x1b["), ([0x7F], "\\x7f"), ([0x27], "\\x27"),
      ([0x5C], "\\x5c"), ([0x09, 0x0D], "\\x09\\x0d"),
      // C1 control characters: U+0080 and U+009B, which terminals treat as CSI.
      ([0xC2, 0x80], "\\xc2\\x80"), ([0xC2, 0x9B, 0x33], "\\xc2\\x9b3"),
      ([0xC2, 0x9F], "\\xc2\\x9f"),
      // Not UTF-8: alone, truncated, overlong, surrogates, above U+10FFFF.
      ([0xFF], "\\xff"), ([0x80], "\\x80"), ([0xC3], "\\xc3"), ([0xC3, 0x28], "\\xc3("),
      ([0xC0, 0xAF], "\\xc0\\xaf"), ([0xC1, 0x81], "\\xc1\\x81"),
      ([0xE0, 0x80, 0xAF], "\\xe0\\x80\\xaf"),
      ([0xE2, 0x82], "\\xe2\\x82"), ([0xE2, 0x82, 0x41], "\\xe2\\x82A"),
      ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80"), ([0xF0, 0x8F, 0xBF, 0xBF], "\\xf0\\x8f\\xbf\\xbf"),
      ([0xF4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"), ([0xF5, 0x80], "\\xf5\\x80"),
      ([0xF0, 0x9F, 0x98], "\\xf0\\x9f\\x98"),
    ] as [([UInt8], String)])
  func everythingElseIsEscaped(_ bytes: [UInt8], _ expected: String) {
    #expect(quoted(bytes) == "'\(expected)'")
  }

  @Test func bytesCannotForgeOutput() {
    for seed in 0..<200 as Range<UInt64> {
      let text = escapedText(noise(64, seed: seed)).string
      #expect(!text.unicodeScalars.contains { $0.properties.generalCategory == .control })
      #expect(!text.contains("\u{FFFD}"))
    }
  }

  @Test func hexadecimal() {
    #expect(hexText([0x00, 0x0A, 0xA0, 0xFF]).string == "000aa0ff")
    #expect(hexText([]).isEmpty)
  }
}
