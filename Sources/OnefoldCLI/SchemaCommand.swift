import AppSpec
import Posix
import Reporting

let schemaCommand = Command(
  name: "schema",
  summary: "print the JSON Schema of the spec",
  discussion: """
    Prints the JSON Schema (draft 7) of onefold.toml, with which editors complete and check a
    spec. A spec names it in a line '#:schema PATH-OR-URL'.
    """,
  options: [
    Option(
      name: "--pyproject",
      help: "print the schema of a pyproject.toml with [tool.onefold]; it allows anything in other "
        + "tables")
  ])

func runSchema(_ arguments: Arguments) throws(Failure) {
  try writeData(specSchema(inProject: arguments.has("--pyproject")).encoded)
}

/// The JSON Schema of a spec, or of a `pyproject.toml` that holds one.
func specSchema(inProject: Bool = false) -> JSON {
  let root = SchemaWriter().root()
  let start: [(String, JSON)] = [("$schema", .string("http://json-schema.org/draft-07/schema#"))]
  guard inProject else { return .object(start + root) }
  func table(_ name: String, _ members: [(String, JSON)]) -> [(String, JSON)] {
    [("type", .string("object")), ("properties", .object([(name, .object(members))]))]
  }
  return .object(start + table("tool", table("onefold", root)))
}

/// Writes the schema's tables and rules as JSON Schema.
private struct SchemaWriter {
  typealias Members = [(String, JSON)]

  func root() -> Members {
    [
      ("title", .string("Onefold's spec")),
      ("description", .string("How 'onefold pack' makes an application into one executable file.")),
    ] + table("") + [("allOf", .array(Schema.rules(of: "").map { .object(rule($0)) }))]
  }

  /// A table with its subtables; "" is the whole spec.
  private func table(_ path: String) -> Members {
    let keys = Schema.tables.first { $0.path == path }?.keys ?? []
    var properties: Members = keys.map { ($0.name, .object(key($0, path))) }
    let prefix = path.isEmpty ? "" : "\(path)."
    for below in Schema.tables where below.path.hasPrefix(prefix) && below.path != path {
      let name = String(below.path.dropFirst(prefix.utf8.count))
      guard !name.contains("."), !keys.contains(where: { $0.name == name }) else { continue }
      properties.append((name, .object(value(below))))
    }
    var result: Members = [
      ("type", .string("object")), ("additionalProperties", .bool(false)),
      ("properties", .object(properties)),
    ]
    let needed = keys.filter(\.isNeeded).map { JSON.string($0.name) }
    if !needed.isEmpty { result.append(("required", .array(needed))) }
    return result
  }

  /// The JSON Schema of a table that is the value of a key.
  private func value(_ table: Schema.Table) -> Members {
    var content = self.table(table.path)
    let rules = Schema.rules(of: table.path)
    if !rules.isEmpty { content.append(("allOf", .array(rules.map { .object(rule($0)) }))) }
    let description = ("description", JSON.string("\(table.heading): \(table.meaning)"))
    if table.isNamed {
      let names = Members([("pattern", .string(Schema.Form.applicationName.pattern))])
      return [
        description, ("type", .string("object")), ("propertyNames", .object(names)),
        ("additionalProperties", .object(content)),
      ]
    }
    guard table.repeats else { return [description] + content }
    return [description, ("type", .string("array")), ("items", .object(content))]
  }

  // MARK: Keys

  private func key(_ key: Schema.Key, _ path: String) -> Members {
    var result: Members = [("description", .string(key.meaning))]
    result += type(key, path)
    if let value = defaultValue(key) { result.append(("default", value)) }
    return result
  }

  private func type(_ key: Schema.Key, _ path: String) -> Members {
    switch key.type {
    case .text, .path: return text(key)
    case .boolean where key.form == .onlyTrue: return [("enum", .array([.bool(true)]))]
    case .boolean: return [("type", .string("boolean"))]
    case .integer(let range):
      return [
        ("type", .string("integer")), ("minimum", .signed(Int64(range.lowerBound))),
        ("maximum", .signed(Int64(range.upperBound))),
      ]
    case .choice(let words): return [("enum", .array(words.map { .string($0) }))]
    case .booleanOrChoice(let words):
      return [("enum", .array([.bool(true), .bool(false)] + words.map { .string($0) }))]
    case .size:
      let number: Members = [("type", .string("integer")), ("minimum", .number(1))]
      return either(number, text(key))
    case .texts, .paths, .patterns:
      var result: Members = [("type", .string("array")), ("items", .object(text(key)))]
      if key.form == .distribution { result.append(("uniqueItems", .bool(true))) }
      return result
    case .textTable:
      var result: Members = [
        ("type", .string("object")), ("additionalProperties", .object(text(key))),
      ]
      if let names = key.form?.namePattern {
        result.append(("propertyNames", .object([("pattern", .string(names))])))
      }
      return result
    case .textOrTable:
      let below = "\(path).\(key.name)"
      guard let table = Schema.tables.first(where: { $0.path == below }) else { return text(key) }
      return either(text(key), value(table))
    }
  }

  private func either(_ one: Members, _ other: Members) -> Members {
    [("anyOf", .array([.object(one), .object(other)]))]
  }

  private func text(_ key: Schema.Key) -> Members {
    var result: Members = [("type", .string("string"))]
    if key.type.isPath { result.append(("minLength", .number(1))) }
    if let longest = key.form?.longest { result.append(("maxLength", .number(UInt64(longest)))) }
    result.append(("pattern", .string(key.form?.pattern ?? Schema.Form.anyText)))
    if let excluded = key.form?.excluded {
      result += not([("pattern", .string(excluded))])
    }
    return result
  }

  /// The default, if it is a value in back quotes and not a description.
  private func defaultValue(_ key: Schema.Key) -> JSON? {
    let text = key.defaultText
    guard text.hasPrefix("`"), text.hasSuffix("`"), text.utf8.count > 2 else { return nil }
    let value = String(text.dropFirst().dropLast())
    switch value {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "[]": return .array([])
    case "{}": return .object([])
    default: return UInt64(value).map { .number($0) } ?? .string(value)
    }
  }

  // MARK: Rules

  private func rule(_ rule: Schema.Rule) -> Members {
    switch rule {
    case .exactlyOne(let keys): return [("oneOf", .array(keys.map { .object(requires([$0])) }))]
    case .atLeastOne(let keys): return anyOf(keys)
    case .exclusive(let one, let other): return not(requires([one, other]))
    case .notBoth(let one, let other, let value):
      let both = [one, other].map { ($0, JSON.object([("const", .string(value))])) }
      return not(requires([one, other]) + [("properties", .object(both))])
    case .goesWith(let key, let others):
      return [("dependencies", .object([(key, .object(anyOf(others)))]))]
    case .needsIfMatches(let key, let pattern, let needed):
      let condition = requires([key]) + properties(key, [("pattern", .string(pattern))])
      return [("if", .object(condition)), ("then", .object(requires([needed])))]
    case .unless(let key, let present, let absent):
      let exception = nested(present[...]) + not(anyOf(absent))
      return [("anyOf", .array([.object(requires([key])), .object(exception)]))]
    case .range(let key, let range, let other, let word, let isDefault):
      // `properties` also matches if the key is missing.
      let condition = properties(other, [("const", .string(word))])
      return [
        ("if", .object(isDefault ? condition : requires([other]) + condition)),
        ("then", .object(range.map { properties(key, bounds($0)) } ?? not(requires([key])))),
      ]
    case .needed(let key): return requires([key])
    }
  }

  private func requires(_ keys: [String]) -> Members {
    [("required", .array(keys.map { .string($0) }))]
  }

  private func anyOf(_ keys: [String]) -> Members {
    [("anyOf", .array(keys.map { .object(requires([$0])) }))]
  }

  private func not(_ members: Members) -> Members { [("not", .object(members))] }

  private func properties(_ key: String, _ members: Members) -> Members {
    [("properties", .object([(key, .object(members))]))]
  }

  /// The first key holds the second, which holds the third.
  private func nested(_ keys: ArraySlice<String>) -> Members {
    guard let first = keys.first else { return [] }
    let below = nested(keys.dropFirst())
    return requires([first]) + (below.isEmpty ? [] : properties(first, below))
  }

  private func bounds(_ range: ClosedRange<Int>) -> Members {
    [("minimum", .signed(Int64(range.lowerBound))), ("maximum", .signed(Int64(range.upperBound)))]
  }
}
