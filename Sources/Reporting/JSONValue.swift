// Parsing uses `String` and `Double`, which the bootloader does without.
#if !hasFeature(Embedded)
  /// A parsed JSON text (RFC 8259), from a trace or an earlier report.
  public enum JSONValue: Equatable, Sendable {
    case object([String: JSONValue])
    case array([JSONValue])
    case string(String)
    case number(Double)
    case bool(Bool)
    case null

    /// Nil if the bytes are not JSON, or are nested deeper than 64.
    public init?(parsing bytes: [UInt8]) {
      var parser = JSONParser(bytes: bytes)
      guard let value = parser.value(depth: 0), parser.isAtEnd else { return nil }
      self = value
    }

    /// The member of an object; nil if there is none, or if this is not an object.
    public subscript(_ name: String) -> JSONValue? {
      if case .object(let members) = self { return members[name] }
      return nil
    }

    public var items: [JSONValue]? {
      if case .array(let items) = self { return items }
      return nil
    }

    public var text: String? {
      if case .string(let text) = self { return text }
      return nil
    }

    public var number: Double? {
      if case .number(let number) = self { return number }
      return nil
    }
  }

  private struct JSONParser {
    let bytes: [UInt8]
    var next = 0

    private mutating func skipSpace() {
      while next < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[next]) { next += 1 }
    }

    /// Whether only white space is left.
    var isAtEnd: Bool {
      mutating get {
        skipSpace()
        return next == bytes.count
      }
    }

    private mutating func take(_ text: StaticString) -> Bool {
      let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
      guard bytes[next...].starts(with: wanted) else { return false }
      next += wanted.count
      return true
    }

    mutating func value(depth: Int) -> JSONValue? {
      skipSpace()
      guard depth <= 64, next < bytes.count else { return nil }
      switch bytes[next] {
      case UInt8(ascii: "{"): return object(depth)
      case UInt8(ascii: "["): return array(depth)
      case UInt8(ascii: "\""): return string().map { .string($0) }
      case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
      case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
      case UInt8(ascii: "n"): return take("null") ? .null : nil
      default: return number()
      }
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
      var members: [String: JSONValue] = [:]
      next += 1
      skipSpace()
      if take("}") { return .object(members) }
      while true {
        skipSpace()
        guard let name = string() else { return nil }
        skipSpace()
        guard take(":"), let value = value(depth: depth + 1) else { return nil }
        members[name] = value
        skipSpace()
        if take("}") { return .object(members) }
        guard take(",") else { return nil }
      }
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
      var items: [JSONValue] = []
      next += 1
      skipSpace()
      if take("]") { return .array(items) }
      while true {
        guard let item = value(depth: depth + 1) else { return nil }
        items.append(item)
        skipSpace()
        if take("]") { return .array(items) }
        guard take(",") else { return nil }
      }
    }

    private mutating func string() -> String? {
      guard take("\"") else { return nil }
      var units: [UInt8] = []
      while next < bytes.count {
        let byte = bytes[next]
        next += 1
        if byte == UInt8(ascii: "\"") { return String(validating: units, as: UTF8.self) }
        guard byte >= 0x20 else { return nil }
        guard byte == UInt8(ascii: "\\") else {
          units.append(byte)
          continue
        }
        guard let scalar = escape() else { return nil }
        units += Array(String(scalar).utf8)
      }
      return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
      guard next < bytes.count else { return nil }
      let byte = bytes[next]
      next += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
      case UInt8(ascii: "b"): return "\u{8}"
      case UInt8(ascii: "f"): return "\u{C}"
      case UInt8(ascii: "n"): return "\n"
      case UInt8(ascii: "r"): return "\r"
      case UInt8(ascii: "t"): return "\t"
      case UInt8(ascii: "u"):
        guard let first = hexadecimal() else { return nil }
        guard first >> 10 == 0x36 else { return Unicode.Scalar(first) }
        guard take("\\u"), let second = hexadecimal(), second >> 10 == 0x37 else { return nil }
        return Unicode.Scalar(0x10000 + (first & 0x3FF) << 10 + second & 0x3FF)
      default: return nil
      }
    }

    private mutating func hexadecimal() -> UInt32? {
      guard bytes.count - next >= 4 else { return nil }
      let digits = String(decoding: bytes[next..<next + 4], as: UTF8.self)
      next += 4
      return digits.utf8.first == UInt8(ascii: "+") ? nil : UInt32(digits, radix: 16)
    }

    private mutating func number() -> JSONValue? {
      let start = next
      while next < bytes.count, "+-.0123456789eE".utf8.contains(bytes[next]) { next += 1 }
      let text = String(decoding: bytes[start..<next], as: UTF8.self)
      guard let first = text.utf8.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "."),
        let value = Double(text), value.isFinite
      else { return nil }
      return .number(value)
    }
  }
#endif
