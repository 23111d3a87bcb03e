import Posix

/// Compares a document with the schema, and collects the errors.
struct SchemaCheck {
  let file: String
  private(set) var problems: [SpecError.Problem] = []

  init(file: String) { self.file = file }

  mutating func report(_ line: Int, _ message: String) {
    problems.append(SpecError.Problem(SpecPlace(file: file, line: line), message))
  }

  /// Checks a table with its subtables; `path` is empty for the whole spec.
  mutating func check(_ table: TOMLTable, _ path: String, line: Int) {
    let keys = Schema.table(path)?.keys ?? []
    for member in table.members {
      let full = path.isEmpty ? member.key : "\(path).\(member.key)"
      if let key = keys.first(where: { $0.name == member.key }) {
        check(member.value, key.type, full)
      } else if let below = Schema.table(full) {
        check(member.value, below)
      } else {
        report(member.line, unknown(member, path))
      }
    }
    for key in keys where key.isNeeded && table[key.name] == nil {
      report(line, "'\(path).\(key.name)' is missing")
    }
  }

  // MARK: Tables

  private mutating func check(_ value: TOMLValue, _ table: Schema.Table) {
    switch (value.content, table.repeats) {
    case (.table(let content), false) where table.isNamed:
      for member in content.members {
        guard case .table(let named) = member.value.content else {
          report(
            member.line,
            "'\(table.path)' must hold tables, \(table.heading), not \(kind(of: member.value))")
          continue
        }
        check(named, table.path, line: member.line)
      }
    case (.table(let content), false): check(content, table.path, line: value.line)
    case (.array(let items), true):
      for item in items {
        guard case .table(let content) = item.content else {
          report(item.line, "'\(table.path)' must hold tables, not \(kind(of: item))")
          continue
        }
        check(content, table.path, line: item.line)
      }
    case (.table, true):
      report(value.line, "there may be several of '\(table.path)': write \(table.heading)")
    case (.array, false):
      report(value.line, "there is only one '\(table.path)': write \(table.heading)")
    default:
      report(
        value.line, "'\(table.path)' must be a table, \(table.heading), not \(kind(of: value))")
    }
  }

  private func unknown(_ member: TOMLTable.Member, _ path: String) -> String {
    let isTable = if case .table = member.value.content { true } else { false }
    let full = path.isEmpty ? member.key : "\(path).\(member.key)"
    let start = "unknown \(isTable ? "table" : "key") \(quoted(full))"
    let here =
      path.isEmpty ? Schema.tables.map(\.path).filter { !$0.contains(".") } : names(in: path)
    if let name = nearest(to: member.key, in: here) {
      return "\(start); did you mean '\(path.isEmpty ? name : "\(path).\(name)")'?"
    }
    // The key may be in the wrong table, or have dashes and underscores mixed up.
    for table in Schema.tables where table.path != path {
      if table.keys.contains(where: { $0.name == member.key }) {
        return "\(start); did you mean '\(table.path).\(member.key)'?"
      }
    }
    return here.isEmpty ? start : "\(start); valid are \(here.joined(separator: ", "))"
  }

  /// The keys and tables allowed in a table.
  private func names(in path: String) -> [String] {
    let tables = Schema.tables.filter { $0.path.hasPrefix("\(path).") }
      .map { String($0.path.dropFirst(path.count + 1)) }
    let keys = (Schema.table(path)?.keys ?? []).map(\.name)
    return keys + tables.filter { !keys.contains($0) }
  }

  // MARK: Values

  private mutating func check(_ value: TOMLValue, _ type: Schema.ValueType, _ path: String) {
    switch type {
    case .text, .path: checkText(value, "'\(path)'", isPath: type.isPath)
    case .choice(let choices): checkChoice(value, choices, path)
    case .booleanOrChoice(let choices):
      if case .boolean = value.content { return }
      checkChoice(value, choices, path, orBoolean: true)
    case .boolean:
      if case .boolean = value.content { return }
      wrongType(value, "'\(path)'", "true or false")
    case .integer(let range): checkInteger(value, range, path)
    case .size: checkSize(value, path)
    case .texts, .paths, .patterns: checkArray(value, path, isPath: type.isPath)
    case .textTable: checkTextTable(value, path)
    case .textOrTable:
      guard case .table(let table) = value.content else {
        return checkText(value, "'\(path)'", isPath: false, orTable: true)
      }
      check(table, path, line: value.line)
    }
  }

  private mutating func checkText(
    _ value: TOMLValue, _ name: String, isPath: Bool, orTable: Bool = false
  ) {
    guard case .string(let text) = value.content else {
      return wrongType(value, name, orTable ? "text or a table" : "text")
    }
    if text.utf8.contains(0) {
      report(value.line, "\(name) holds a NUL character")
    } else if isPath && text.isEmpty {
      report(value.line, "\(name) is empty")
    }
  }

  private mutating func checkChoice(
    _ value: TOMLValue, _ choices: [String], _ path: String, orBoolean: Bool = false
  ) {
    let booleans = orBoolean ? ["true", "false"] : []
    let valid = alternatives(booleans + choices.map { "'\($0)'" })
    guard case .string(let text) = value.content else {
      return wrongType(value, "'\(path)'", valid)
    }
    guard !choices.contains(text) else { return }
    var hint = nearest(to: text, in: choices).map { "; did you mean '\($0)'?" } ?? ""
    if booleans.contains(text) { hint = "; leave out the quotes" }
    report(value.line, "'\(path)' must be \(valid), not \(quoted(text))\(hint)")
  }

  private mutating func checkInteger(
    _ value: TOMLValue, _ range: ClosedRange<Int>, _ path: String
  ) {
    guard case .integer(let number) = value.content else {
      return wrongType(value, "'\(path)'", "a whole number")
    }
    if !range.contains(Int(number)) {
      report(
        value.line,
        "'\(path)' must be \(range.lowerBound) to \(range.upperBound), not \(number)")
    }
  }

  private mutating func checkSize(_ value: TOMLValue, _ path: String) {
    let wanted = "'\(path)' must be bytes, 1 at least, or a text such as \"400 MB\" or \"1.5 GiB\""
    switch value.content {
    case .integer(let number):
      if number < 1 { report(value.line, "\(wanted), not \(number)") }
    case .string(let text):
      if byteCount(text) == nil { report(value.line, "\(wanted), not \(quoted(text))") }
    default: wrongType(value, "'\(path)'", "a whole number or text")
    }
  }

  private mutating func checkArray(_ value: TOMLValue, _ path: String, isPath: Bool) {
    guard case .array(let items) = value.content else {
      return wrongType(value, "'\(path)'", "an array of texts")
    }
    for (index, item) in items.enumerated() {
      checkText(item, "item \(index + 1) of '\(path)'", isPath: isPath)
    }
  }

  private mutating func checkTextTable(_ value: TOMLValue, _ path: String) {
    guard case .table(let table) = value.content else {
      return wrongType(value, "'\(path)'", "a table of texts")
    }
    for member in table.members {
      checkText(member.value, quoted("\(path).\(member.key)"), isPath: false)
    }
  }

  // MARK: Messages

  private mutating func wrongType(_ value: TOMLValue, _ name: String, _ wanted: String) {
    report(value.line, "\(name) must be \(wanted), not \(kind(of: value))\(remedy(value, wanted))")
  }

  private func kind(of value: TOMLValue) -> String {
    switch value.content {
    case .string: "text"
    case .integer: "a whole number"
    case .float: "a fraction"
    case .boolean: "true or false"
    case .time: "a date or time"
    case .array: "an array"
    case .table: "a table"
    }
  }

  /// Suggests a remedy for the usual mistake.
  private func remedy(_ value: TOMLValue, _ wanted: String) -> String {
    switch (value.content, wanted) {
    case (.string, "an array of texts"): "; put it in square brackets"
    case (.string(let text), "true or false") where ["true", "false"].contains(text),
      (.string(let text), "a whole number") where Int(text) != nil:
      "; leave out the quotes"
    case (.integer, "text"), (.float, "text"), (.boolean, "text"), (.time, "text"),
      (.float, "text or a table"), (.integer, "text or a table"), (.time, "text or a table"):
      "; put it in quotes"
    default: ""
    }
  }
}

extension Schema.ValueType {
  /// Whether an empty text is useless.
  public var isPath: Bool {
    switch self {
    case .path, .paths, .patterns: true
    default: false
    }
  }
}
