import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import AppSpec

/// docs/spec.md has exactly the tables of the schema.
@Suite struct SchemaTests {
  private struct Row: Equatable, CustomStringConvertible {
    var table: String
    var key: String
    var type: String
    var defaultText: String

    var description: String { "\(table) \(key): \(type), \(defaultText)" }
  }

  /// The rows of the tables after headings such as "## `[app]`".
  private func documented() throws -> [Row] {
    var rows: [Row] = []
    var table = ""
    for line in try Repository.text("docs/spec.md").split(separator: "\n") {
      if line.hasPrefix("#") {
        table = line.hasSuffix("]`") ? String(line.drop { $0 != "[" }.dropLast()) : ""
      }
      guard !table.isEmpty, line.hasPrefix("| `") else { continue }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
        trimmed($0)
      }
      #expect(cells.count == 6, "\(line)")
      #expect(cells[4] != "", "\(line)")
      let key = cells[1].filter { $0 != "`" }
      rows.append(Row(table: table, key: key, type: cells[2], defaultText: cells[3]))
    }
    return rows
  }

  @Test func everyKeyIsDocumentedAndNoOther() throws {
    let known = Schema.tables.flatMap { table in
      table.keys.map {
        Row(
          table: table.heading, key: $0.name, type: $0.type.name, defaultText: $0.defaultText)
      }
    }
    let documented = try documented()
    for row in known { #expect(documented.contains(row), "docs/spec.md lacks \(row)") }
    for row in documented { #expect(known.contains(row), "the schema lacks \(row)") }
    #expect(documented.count == known.count)
  }

  @Test func everyTableHasAHeading() throws {
    let headings = try Repository.text("docs/spec.md").split(separator: "\n")
      .filter { $0.hasPrefix("#") && $0.hasSuffix("]`") }
      .map { String($0.drop { $0 != "[" }.dropLast()) }
    #expect(headings.sorted() == Schema.tables.map(\.heading).sorted())
  }

  /// A nested table is only found if the schema has its parent.
  @Test func tablesAreBelowTables() {
    for table in Schema.tables {
      let parts = table.path.split(separator: ".")
      if parts.count > 1 { #expect(Schema.table(parts.dropLast().joined(separator: ".")) != nil) }
      #expect(Set(table.keys.map(\.name)).count == table.keys.count)
    }
  }

  @Test func rangesAreDocumented() throws {
    let text = try Repository.text("docs/spec.md")
    for key in Schema.tables.flatMap(\.keys) {
      guard case .integer(let range) = key.type, key.name != "level" else { continue }
      #expect(text.contains("\(range.lowerBound) to \(range.upperBound)"), "\(key.name)")
    }
    for codec in [Codec.zstd, .xz] {
      let range = try #require(codec.levels)
      #expect(text.contains("\(range.lowerBound) to \(range.upperBound) for `\(codec.name)`"))
    }
  }

  /// The example at the top of the document is a valid spec.
  @Test func theExampleIsRight() throws {
    let directory = try TemporaryDirectory()
    let text = try Repository.text("docs/spec.md")
    let start = try #require(text.firstRange(of: "```toml\n"))
    let example = text[start.upperBound...].split(separator: "```")[0]
    try directory.write("VERSION", "1.2.3\n")
    try directory.write("requirements.txt", "")
    try directory.write("static/x", "")
    try directory.write("server.py", "")
    #expect(try directory.problems(String(example)) == [])
  }
}
