import Posix

/// Typed access to a table of a spec.
///
/// Missing values are nil or empty. So are values of the wrong type, which `SchemaCheck` reports.
struct SpecTable {
  let table: TOMLTable
  let place: SpecPlace

  init(_ table: TOMLTable, _ place: SpecPlace) {
    self.table = table
    self.place = place
  }

  func has(_ key: String) -> Bool { table[key] != nil }

  /// The place of a key's value, or of the table if the key is missing.
  func place(of key: String) -> SpecPlace { table[key].map { at($0.value.line) } ?? place }

  func table(_ key: String) -> SpecTable? {
    guard let member = table[key], case .table(let content) = member.value.content else {
      return nil
    }
    return SpecTable(content, at(member.value.line))
  }

  /// The tables of `[[key]]`.
  func tables(_ key: String) -> [SpecTable] {
    items(key).compactMap { item in
      guard case .table(let content) = item.content else { return nil }
      return SpecTable(content, at(item.line))
    }
  }

  func text(_ key: String) -> Located<String>? { table[key].flatMap { text($0.value) } }

  func path(_ key: String) -> Located<Path>? { text(key).flatMap(path) }

  func boolean(_ key: String) -> Bool? {
    guard case .boolean(let value)? = table[key]?.value.content else { return nil }
    return value
  }

  func integer(_ key: String) -> Located<Int>? {
    guard let value = table[key]?.value, case .integer(let number) = value.content else {
      return nil
    }
    return Located(Int(number), at(value.line))
  }

  func texts(_ key: String) -> [Located<String>] { items(key).compactMap(text) }

  func paths(_ key: String) -> [Located<Path>] { texts(key).compactMap(path) }

  /// The members of a table of texts, in the order of the file.
  func members(_ key: String) -> [(name: String, value: Located<String>)] {
    (table.table(key)?.members ?? []).compactMap { member in
      text(member.value).map { (member.key, $0) }
    }
  }

  private func items(_ key: String) -> [TOMLValue] {
    guard case .array(let items)? = table[key]?.value.content else { return [] }
    return items
  }

  private func text(_ value: TOMLValue) -> Located<String>? {
    guard case .string(let text) = value.content, !text.utf8.contains(0) else { return nil }
    return Located(text, at(value.line))
  }

  private func path(_ text: Located<String>) -> Located<Path>? {
    text.value.isEmpty ? nil : Located(Path(text.value), text.place)
  }

  private func at(_ line: Int) -> SpecPlace { SpecPlace(file: place.file, line: line) }
}
