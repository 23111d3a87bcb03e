import Posix
import Reporting
import Testing

@Suite struct JSONTests {
  @Test func numbersAndWords() {
    let cases: [(JSON, String)] = [
      (.number(0), "0"), (.number(UInt64.max), "18446744073709551615"), (.signed(-5), "-5"),
      (.signed(Int64.min), "-9223372036854775808"), (.thousandths(1234), "1.234"),
      (.thousandths(0), "0.000"), (.thousandths(7), "0.007"), (.thousandths(70), "0.070"),
      (.thousandths(15_042_958), "15042.958"), (.bool(true), "true"), (.bool(false), "false"),
      (.null, "null"),
    ]
    for (value, text) in cases { #expect(value.encoded == text + "\n") }
  }

  @Test(
    arguments: [
      ("", "\"\""), ("a\"b\\c/", "\"a\\\"b\\\\c/\""),
      ("\n\t\u{0}\u{1F}", "\"\\u000a\\u0009\\u0000\\u001f\""),
      ("\u{7F}", "\"\\u007f\""), ("é名😀", "\"é名😀\""), ("\u{2028}", "\"\u{2028}\""),
      ("\r\n", "\"\\u000d\\u000a\""),
    ] as [(String, String)])
  func strings(_ value: String, _ expected: String) {
    #expect(JSON.string(value).encoded == expected + "\n")
  }

  @Test func listsAreIndented() {
    let value = JSON.object([
      ("a", .array([.number(1), .object([("b", .null)])])), ("empty", .array([])),
      ("none", .object([])), ("a", .bool(true)),
    ])
    #expect(
      value.encoded == """
        {
          "a": [
            1,
            {
              "b": null
            }
          ],
          "empty": [],
          "none": {},
          "a": true
        }

        """)
  }

  @Test func invalidUTF8IsEscaped() {
    #expect(JSON.text([0x61, 0xFF]).encoded == "\"a\\\\xff\"\n")
    #expect(JSON.text([UInt8]("é".utf8)).encoded == "\"é\"\n")
    #expect(
      JSON.object(JSON.members(path: [0x61, 0xFF])).encoded
        == "{\n  \"path\": \"a\\\\xff\",\n  \"path_hex\": \"61ff\"\n}\n")
    #expect(
      JSON.object(JSON.members(path: [0x61], name: "target")).encoded
        == "{\n  \"target\": \"a\"\n}\n")
  }

  @Test func jsonTextIsEscaped() {
    let bytes = [UInt8]("a\"\\\n\u{7F}\u{80}\u{9F}'é😀".utf8) + [0xFF, 0xC3]
    #expect(
      jsonText(bytes).string == #""a\"\\\u000a\u007f\u0080\u009f'é😀\\xff\\xc3""#)
  }
}
