internal import CToml
import Posix

/// A value of a TOML document (https://toml.io/en/v1.0.0).
struct TOMLValue: Sendable {
  enum Content: Sendable {
    case string(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// A date, a time, or both. No key of a spec uses one.
    case time
    case array([TOMLValue])
    case table(TOMLTable)
  }

  var content: Content
  /// From 1; 0 if the document is in no file.
  var line: Int

  fileprivate var withoutLines: TOMLValue {
    let content: Content =
      switch self.content {
      case .array(let items): .array(items.map(\.withoutLines))
      case .table(let table): .table(table.withoutLines)
      default: self.content
      }
    return TOMLValue(content: content, line: 0)
  }
}

/// A table of a TOML document, in the order of the file.
struct TOMLTable: Sendable {
  struct Member: Sendable {
    var key: String
    /// The line of the key, from 1.
    var line: Int
    var value: TOMLValue
  }

  var members: [Member] = []

  subscript(key: String) -> Member? { members.first { $0.key == key } }

  func table(_ key: String) -> TOMLTable? {
    guard case .table(let table)? = self[key]?.value.content else { return nil }
    return table
  }

  func string(_ key: String) -> String? {
    guard case .string(let text)? = self[key]?.value.content else { return nil }
    return text
  }

  /// The texts of an array. Other items are left out.
  func strings(_ key: String) -> [String] {
    guard case .array(let items)? = self[key]?.value.content else { return [] }
    return items.compactMap {
      guard case .string(let text) = $0.content else { return nil }
      return text
    }
  }
}

extension TOMLTable {
  /// The same table, with 0 for every line.
  var withoutLines: TOMLTable {
    TOMLTable(
      members: members.map { Member(key: $0.key, line: 0, value: $0.value.withoutLines) })
  }

  /// The maximum size of a file in bytes.
  static let sizeLimit = 1 << 20
  /// The maximum number of dots outside of strings and comments.
  ///
  /// Each dot can nest a table in another. Code that walks nested tables, including the parser, uses the stack.
  static let dotLimit = 2000

  /// Parses the content of a file. `file` is its name in messages.
  init(parsing bytes: [UInt8], file: String) throws(SpecError) {
    let place = SpecPlace(file: file, line: 0)
    guard bytes.count <= TOMLTable.sizeLimit else {
      throw SpecError(place, "the file is larger than \(TOMLTable.sizeLimit >> 20) MiB")
    }
    guard TOMLTable.countDots(bytes) <= TOMLTable.dotLimit else {
      throw SpecError(place, "the file has more than \(TOMLTable.dotLimit) dotted keys")
    }
    let document = try TOMLDocument(bytes, place)
    try document.check(file: file)
    self = document.root
  }

  /// Counts the dots that can belong to keys.
  private static func countDots(_ bytes: [UInt8]) -> Int {
    var count = 0
    var index = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "."):
        count += 1
        index += 1
      case UInt8(ascii: "#"):
        index = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      case UInt8(ascii: "\""), UInt8(ascii: "'"): index = end(ofString: bytes, index)
      default: index += 1
      }
    }
    return count
  }

  /// The index after the string that begins at `start`.
  private static func end(ofString bytes: [UInt8], _ start: Int) -> Int {
    let quote = bytes[start]
    let delimiter = [UInt8](repeating: quote, count: 3)
    let isMultiline = bytes[start...].starts(with: delimiter)
    var index = start + (isMultiline ? 3 : 1)
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "\\") && quote == UInt8(ascii: "\"") {
        index += 2
      } else if isMultiline && bytes[index...].starts(with: delimiter) {
        // Up to two more quotes can belong to the text.
        return index + min(5, bytes[index...].prefix { $0 == quote }.count)
      } else if !isMultiline && (bytes[index] == quote || bytes[index] == UInt8(ascii: "\n")) {
        return index + 1
      } else {
        index += 1
      }
    }
    return bytes.count
  }
}

/// Owns a document of the parser.
private struct TOMLDocument: ~Copyable {
  private let handle: OpaquePointer

  init(_ bytes: [UInt8], _ place: SpecPlace) throws(SpecError) {
    let parsed = bytes.span.withUnsafeBufferPointer { ctoml_parse($0.baseAddress, $0.count) }
    guard let parsed else { throw SpecError(place, "cannot allocate memory to read the file") }
    handle = parsed
  }

  deinit { ctoml_free(handle) }

  func check(file: String) throws(SpecError) {
    guard ctoml_node_count(handle) == 0 else { return }
    let error = ctoml_parse_error(handle)
    var message = printable(TOMLDocument.text(error.message))
    let prefix = "Error while "
    if message.hasPrefix(prefix) { message.removeFirst(prefix.count) }
    let column = error.column > 0 ? " (column \(error.column))" : ""
    throw SpecError(
      SpecPlace(file: file, line: Int(error.line)), "not valid TOML\(column): \(message)")
  }

  var root: TOMLTable {
    var next = 0
    guard case .table(let table) = value(&next).content else { return TOMLTable() }
    return table
  }

  /// The value whose node is number `next`, which moves to the node after it.
  private func value(_ next: inout Int) -> TOMLValue {
    let node = ctoml_node_at(handle, next)
    next += 1
    let content: TOMLValue.Content
    switch node.type {
    case CTOML_STRING: content = .string(TOMLDocument.text(node.text))
    case CTOML_INTEGER: content = .integer(node.integer)
    case CTOML_FLOAT: content = .float(node.number)
    case CTOML_BOOLEAN: content = .boolean(node.boolean)
    case CTOML_ARRAY: content = .array((0..<node.count).map { _ in value(&next) })
    case CTOML_TABLE:
      content = .table(TOMLTable(members: (0..<node.count).map { _ in member(&next) }))
    default: content = .time
    }
    return TOMLValue(content: content, line: Int(node.line))
  }

  private func member(_ next: inout Int) -> TOMLTable.Member {
    let node = ctoml_node_at(handle, next)
    return TOMLTable.Member(
      key: TOMLDocument.text(node.key), line: Int(node.key_line), value: value(&next))
  }

  private static func bytes(_ text: ctoml_text) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text.bytes, count: text.count)
  }

  /// The parser accepts only well-formed UTF-8.
  private static func text(_ text: ctoml_text) -> String {
    String(decoding: bytes(text), as: UTF8.self)
  }
}

/// The version of toml++, such as "3.3.0".
public var tomlLibraryVersion: String { String(cString: ctoml_library_version()) }
