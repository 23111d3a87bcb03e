public import Posix

// The JSON that the launcher writes: lines and traces with known members. Works without `String`
// (docs/decisions/0001-embedded-bootloader.md).

/// Returns `bytes` as a JSON string (RFC 8259) with its quotes. Bytes that are not UTF-8 are escaped like
/// `Path.quoted`.
public func jsonText(_ source: some Sequence<UInt8>) -> Text {
  "\"\(escapedText([UInt8](source), forJSON: true))\""
}

extension Text {
  /// Appends `,"name":value`, another member of a JSON object; `value` is JSON.
  @inline(never)
  public mutating func append(member name: StaticString, _ value: Text) {
    append(literal: ",\"")
    append(literal: name)
    append(literal: "\":")
    append(value)
  }

  @inline(never)
  public mutating func append(member name: StaticString, number value: UInt64) {
    append(member: name, Text(utf8: []))
    append(number: value)
  }
}

#if !hasFeature(Embedded)
  /// A JSON value (RFC 8259); objects keep the order of their members.
  public enum JSON: Sendable {
    case string(String)
    case number(UInt64)
    case signed(Int64)
    /// A fraction in thousandths: 1234 is 1.234.
    case thousandths(UInt64)
    case bool(Bool)
    case null
    case array([JSON])
    case object([(String, JSON)])

    /// Bytes that should be text. Bytes that are not UTF-8 are escaped as in messages.
    public static func text(_ bytes: some Sequence<UInt8>) -> JSON {
      let all = [UInt8](bytes)
      return .string(String(validating: all, as: UTF8.self) ?? escapedText(all).string)
    }

    /// The members that name a path: `path`, and its bytes in hexadecimal if it is not UTF-8.
    public static func members(path: [UInt8], name: String = "path") -> [(String, JSON)] {
      if String(validating: path, as: UTF8.self) != nil { return [(name, .text(path))] }
      return [(name, .text(path)), ("\(name)_hex", .string(hexText(path).string))]
    }

    /// The text, indented by two spaces.
    public var encoded: String {
      var text = ""
      write(to: &text, indent: "")
      return text + "\n"
    }

    private func write(to text: inout String, indent: String) {
      switch self {
      case .string(let value): text += jsonText(value.utf8).string
      case .number(let value): text += String(value)
      case .signed(let value): text += String(value)
      case .thousandths(let value):
        let fraction = String(value % 1000)
        text +=
          "\(value / 1000)." + String(repeating: "0", count: 3 - fraction.utf8.count) + fraction
      case .bool(let value): text += value ? "true" : "false"
      case .null: text += "null"
      case .array(let values):
        JSON.writeList(values.map { (nil, $0) }, "[", "]", to: &text, indent: indent)
      case .object(let members):
        JSON.writeList(members.map { ($0.0, $0.1) }, "{", "}", to: &text, indent: indent)
      }
    }

    private static func writeList(
      _ items: [(String?, JSON)], _ open: String, _ close: String, to text: inout String,
      indent: String
    ) {
      guard !items.isEmpty else {
        text += open + close
        return
      }
      let inner = indent + "  "
      text += open
      for (index, (key, value)) in items.enumerated() {
        text += index == 0 ? "\n" : ",\n"
        text += inner
        if let key { text += jsonText(key.utf8).string + ": " }
        value.write(to: &text, indent: inner)
      }
      text += "\n" + indent + close
    }
  }
#endif
