import TestSupport
import Posix
import Testing

@testable import AppSpec

@Suite struct TOMLTests {
  private func parse(_ text: String) throws(SpecError) -> TOMLTable {
    try TOMLTable(parsing: [UInt8](text.utf8), file: "f")
  }

  private func error(_ bytes: [UInt8]) -> String? {
    do throws(SpecError) {
      _ = try TOMLTable(parsing: bytes, file: "f")
      return nil
    } catch { return error.description }
  }

  private func error(_ text: String) -> String? { error([UInt8](text.utf8)) }

  // MARK: Accepted documents

  @Test func valuesAndTheirLines() throws {
    let table = try parse(
      """
      # comment
      text = "a\\u00e9\\n"
      low = -9223372036854775808
      high = 9223372036854775807
      fraction = 1.5
      yes = true
      day = 1979-05-27
      moment = 1979-05-27T07:32:00Z
      list = [
        1,
        "b",
      ]
      """)
    #expect(table.members.map(\.line) == [2, 3, 4, 5, 6, 7, 8, 9])
    #expect(table.string("text") == "a\u{E9}\n")
    guard case .integer(.min)? = table["low"]?.value.content,
      case .integer(.max)? = table["high"]?.value.content,
      case .float(1.5)? = table["fraction"]?.value.content,
      case .boolean(true)? = table["yes"]?.value.content,
      case .time? = table["day"]?.value.content, case .time? = table["moment"]?.value.content,
      case .array(let items)? = table["list"]?.value.content
    else {
      Issue.record("a value has another type")
      return
    }
    #expect(items.map(\.line) == [10, 11])
    #expect(table.strings("list") == ["b"])
  }

  @Test func tablesKeepTheOrderOfTheFile() throws {
    let table = try parse(
      "z.y = 1\na = 2\nz.b = 3\n[m]\nk = { q = 1, c = 2 }\n[[d]]\n[[d]]\nx = 1\n")
    #expect(table.members.map(\.key) == ["z", "a", "m", "d"])
    #expect(table.members.map(\.line) == [1, 2, 4, 6])
    #expect(table.table("z")?.members.map(\.key) == ["y", "b"])
    #expect(table.table("m")?.table("k")?.members.map(\.key) == ["q", "c"])
    guard case .array(let items)? = table["d"]?.value.content else {
      Issue.record("not an array")
      return
    }
    #expect(items.map(\.line) == [6, 7])
  }

  @Test func emptyFiles() throws {
    #expect(try parse("").members.isEmpty)
    #expect(try parse("# nothing\r\n").members.isEmpty)
    #expect(try TOMLTable(parsing: [0xEF, 0xBB, 0xBF], file: "f").members.isEmpty)
  }

  // MARK: Refused documents

  @Test(
    arguments: [
      ("a = 1\na = 2\n", 2), ("a = 1\n[a]\n", 2), ("[a]\n[a]\n", 2), ("x = \n", 1),
      ("\n\nx = \"open\n", 3), ("x = 9223372036854775808\n", 1), ("x = 1979-13-01\n", 1),
      ("x = 1 y = 2\n", 1), ("= 1\n", 1), ("x = \"\\q\"\n", 1), ("x = { a = 1", 1),
      ("x = [1, 2", 1), ("a\u{0}b = 1\n", 1), ("x = \"\u{1}\"\n", 1), ("{}", 1), ("[", 1),
      ("[[x]", 1), ("x = 0x", 1), ("x = 1.\n", 1), ("x = +\n", 1), ("x = tru\n", 1),
    ] as [(String, Int)])
  func invalidTOML(_ text: String, _ line: Int) throws {
    let message = try #require(error(text))
    #expect(message.hasPrefix("f:\(line): not valid TOML (column "), "\(message)")
    #expect(!message.unicodeScalars.contains(where: isControl))
  }

  @Test(arguments: [
    [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
  ])
  func invalidUTF8(_ bytes: [UInt8]) throws {
    for bytes in [bytes, [UInt8]("a = \"".utf8) + bytes + [UInt8]("\"\n".utf8)] {
      #expect(try #require(error(bytes)).contains("not valid TOML"))
    }
  }

  @Test func nestingHasALimit() throws {
    #expect(error("x = " + String(repeating: "[", count: 100_000)) != nil)
    #expect(error("x = " + String(repeating: "{a=", count: 100_000)) != nil)
    let deep = String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000)
    #expect(error("x = \(deep)\n") != nil)
    let dotted = "f: the file has more than 2000 dotted keys"
    for text in [
      "a" + String(repeating: ".a", count: 2001) + " = 1\n",
      "[a" + String(repeating: ".'a'", count: 100_000) + "]\n",
      "a" + String(repeating: ".\"=\\\"#\"", count: 100_000) + " = 1\n",
      String(repeating: "a = { b.c.d.e.f = [\n", count: 2000),
      "x = { y = \"\"\"text\"\"\"\", a" + String(repeating: ".a", count: 2001) + " = 1 }\n",
    ] { #expect(error(text) == dotted) }
    #expect(error("a" + String(repeating: ".a", count: 2000) + " = 1\n") == nil)
  }

  @Test func dotsOfTextsDoNotCount() {
    let dots = String(repeating: ".", count: 5000)
    let text = """
      a = "\(dots)"  # \(dots)
      b = '\(dots)'
      c = \"\"\"
      " \\\"\"\" \(dots)
      \"\"\"
      d = '''
      ' \(dots)'''
      e = ""
      f = "\\\\"
      """
    #expect(error(text) == nil)
  }

  @Test func largeFilesAreRefused() {
    #expect(error(String(repeating: "#", count: 1 << 20)) == nil)
    #expect(error(String(repeating: "#", count: 1 << 20 + 1)) == "f: the file is larger than 1 MiB")
  }

  /// Damaged documents give an error or a table, never a trap.
  @Test func damagedDocuments() throws {
    let text = """
      [tool.onefold]
      a.b = { c = [1, "x\\u00e9", 'y', 1.5e3, 0x1F], "d e" = true }
      [[data]]
      source = \"\"\"
      many
      lines\"\"\"
      day = 1979-05-27T07:32:00.999999-07:00
      """
    let bytes = [UInt8](text.utf8)
    for length in 0...bytes.count { _ = error(Array(bytes[..<length])) }
    var random = noise(6000, seed: 7)[...]
    while let position = random.popFirst(), let value = random.popFirst() {
      var damaged = bytes
      damaged[Int(position) % bytes.count] = value
      _ = error(damaged)
    }
  }
}
