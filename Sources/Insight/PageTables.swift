import Posix
import Reporting
import WebPage

/// A table whose headers sort it.
struct MarkupTable {
  enum Column {
    case text(String)
    case number(String)
  }

  enum Cell {
    case string(String)
    case bytes(UInt64)
    case count(UInt64)
    /// Two lines: bytes, and what they are of.
    case saving(UInt64, String)
    case none

    static func text(_ bytes: [UInt8]) -> Cell { .string(visibleText(bytes)) }
  }

  private let id: String
  private let caption: String
  private let columns: [Column]
  private let rows: [[Cell]]
  /// By row: the number of the owner of its files, -1 for several; nil for tables that the search leaves alone.
  private let owners: [Int]?

  init(
    _ id: String, _ caption: String, _ columns: [Column], _ rows: [[Cell]], owners: [Int]? = nil
  ) {
    self.id = id
    self.caption = caption
    self.columns = columns
    self.rows = rows
    self.owners = owners
  }

  var markup: String {
    var text =
      "<div class=\"wide\" role=\"region\" aria-labelledby=\"\(id)-caption\" tabindex=\"0\">"
    text +=
      "<table id=\"\(id)\" class=\"sortable\"><caption id=\"\(id)-caption\"><h3>\(caption)</h3></caption>"
    text += "\n<thead><tr>"
    for column in columns {
      switch column {
      case .text(let name):
        text += "<th scope=\"col\" class=\"text\"><button type=\"button\">\(name)</button></th>"
      case .number(let name):
        text += "<th scope=\"col\"><button type=\"button\">\(name)</button></th>"
      }
    }
    text += "</tr></thead>\n<tbody>\n"
    for (number, row) in rows.enumerated() {
      text += owners.map { "<tr data-owner=\"\($0[number])\">" } ?? "<tr>"
      for (column, cell) in row.enumerated() {
        text += column == 0 ? cell.heading : cell.markup
      }
      text += "</tr>\n"
    }
    return text + "</tbody></table></div>\n"
  }
}

extension MarkupTable.Cell {
  /// As the first cell of a row.
  fileprivate var heading: String {
    guard case .string(let value) = self else { return markup }
    return "<th scope=\"row\" class=\"text\"><bdi>\(escapedMarkup(value))</bdi></th>"
  }

  fileprivate var markup: String {
    switch self {
    case .string(let value): "<td class=\"text\">\(escapedMarkup(value))</td>"
    case .bytes(let value): "<td data-value=\"\(value)\">\(sizeText(value))</td>"
    case .count(let value): "<td data-value=\"\(value)\">\(grouped(value))</td>"
    case .saving(let value, let words):
      "<td class=\"saving\" data-value=\"\(value)\">\(sizeText(value))"
        + (words.isEmpty ? "" : "<br><span class=\"quiet small\">\(escapedMarkup(words))</span>")
        + "</td>"
    // It sorts below all numbers.
    case .none: "<td data-value=\"-1\"></td>"
    }
  }
}

extension InsightPage {
  var distributionSection: String {
    var text =
      "<section aria-labelledby=\"distributions-caption\">\n"
    if !composition.hasInventory {
      text +=
        "<p>The file holds no software bill of materials, so licences and requirements are not known.</p>\n"
    }
    let order = composition.rows.indices.sorted { a, b in
      let (a, b) = (composition.rows[a], composition.rows[b])
      return a.size.packed != b.size.packed ? a.size.packed > b.size.packed : a.title < b.title
    }
    let others = order.filter { composition.rows[$0].kind == .files }.dropFirst(Self.mostOthers)
    let hidden = Set(others)
    let shown = order.filter { !hidden.contains($0) }
    var cells = shown.map { self.cells(composition.rows[$0]) }
    if !hidden.isEmpty { cells.append(self.cells(sum(of: others))) }
    text +=
      MarkupTable(
        "distributions", "Distributions and other files",
        [
          .text("name"), .text("version"), .text("licence"), .number("in the file"),
          .number("unpacked"), .number("files"), .text("required by"),
          .number("excluding it saves"),
        ], cells, owners: hidden.isEmpty ? shown : shown + [-1]
      ).markup
    text +=
      "<p class=\"quiet small\">Savings are bytes in the file, of the distribution and of everything that only it "
      + "brings. To leave out one that the application asks for, remove the requirement; others, by "
      + "<code>dependencies.exclude</code> of the spec.</p>\n"
    return text + "</section>\n"
  }

  /// At most so many files and directories beside distributions have a row of their own.
  private static let mostOthers = 100

  private func sum(of others: ArraySlice<Int>) -> Composition.Row {
    var row = Composition.Row(
      kind: .files, name: counted(others.count, "smaller entry", plural: "smaller entries").string,
      version: "")
    for other in others.map({ composition.rows[$0] }) {
      row.size.unpacked += other.size.unpacked
      row.size.packed += other.size.packed
      row.files += other.files
    }
    return row
  }

  private func cells(_ row: Composition.Row) -> [MarkupTable.Cell] {
    let saving = row.saving.map { saving -> MarkupTable.Cell in
      var words = ""
      if saving.others > 0 {
        let more = saving.others > saving.names.count ? " and more" : ""
        words = "with \(saving.names.joined(separator: ", "))\(more)"
      }
      return .saving(saving.size.packed, words)
    }
    return [
      .string(row.name), .string(row.version), .string(row.licenses), .bytes(row.size.packed),
      .bytes(row.size.unpacked), .count(UInt64(row.files)),
      .string(list(row.requiredBy)), saving ?? .none,
    ]
  }

  var librarySection: String {
    guard !composition.libraries.isEmpty else { return "" }
    return "<section aria-labelledby=\"libraries-caption\">\n"
      + MarkupTable(
        "libraries", "Libraries of the build machine",
        [
          .text("library"), .text("package"), .text("version"), .text("licence"),
          .number("in the file"), .number("unpacked"), .text("required by"), .text("path"),
        ],
        composition.libraries.map { library in
          [
            .string(library.name), .string(library.package), .string(library.version),
            .string(library.licenses), .bytes(library.size.packed), .bytes(library.size.unpacked),
            .string(list(library.requiredBy)), .string(library.path),
          ]
        }
      ).markup + "</section>\n"
  }

  /// At most so many titles are shown in a cell.
  private static let mostTitles = 6

  private func list(_ titles: [String]) -> String {
    let rest = titles.count - Self.mostTitles
    return titles.prefix(Self.mostTitles).joined(separator: ", ")
      + (rest > 0 ? " and \(rest) more" : "")
  }
}
