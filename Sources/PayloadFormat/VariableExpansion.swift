// The values of a launch record's variables, when it is launched.

extension LaunchRecord {
  /// Replaces the placeholders of `NAME=value`: those of arguments, and `{env:OTHER}` by the launcher's own value
  /// of that variable. `{{env:OTHER}}` becomes the literal text.
  ///
  /// - A variable without a value leaves no empty element in a list: the `:` before it is removed too, or the one
  ///   after it at the beginning.
  /// - If the value of NAME already has all the text around it, it stays unchanged. A program that starts itself
  ///   again does not make it longer.
  /// - PATH without a value stands for `/usr/local/bin:/usr/bin:/bin`.
  ///
  /// - Parameter current: Returns the value of a variable; nil or empty if it has none.
  public static func expandVariable(
    _ variable: [UInt8], _ placeholders: Placeholders, current: ([UInt8]) -> [UInt8]?
  ) -> [UInt8] {
    let start = (variable.firstIndex(of: UInt8(ascii: "=")) ?? variable.count - 1) + 1
    var result = Array(variable[..<start])
    result.reserveCapacity(variable.count)
    var own: Range<Int>?
    var index = start
    let span = variable.span
    while index < variable.count {
      let rest = span.extracting(index..<variable.count)
      if rest.hasPrefix("{{env:"), let end = endOfName(span, index + 6),
        span.extracting(end..<span.count).hasPrefix("}}")
      {
        result.append(contentsOf: variable[index + 1...end])
        index = end + 2
      } else if rest.hasPrefix("{env:"), let end = endOfName(span, index + 5) {
        let name = Array(variable[index + 5..<end])
        index = end + 1
        let value = value(of: name, current)
        if !value.isEmpty {
          if name.elementsEqual(variable[..<(start - 1)]) {
            own = result.count..<result.count + value.count
          }
          result.append(contentsOf: value)
        } else if result.count > start && result[result.count - 1] == UInt8(ascii: ":") {
          result.removeLast()
        } else if result.count == start && index < variable.count
          && variable[index] == UInt8(ascii: ":")
        {
          index += 1
        }
      } else {
        index += placeholders.replace(span, at: index, &result)
      }
    }
    if let own, isExtended(result, from: start, own) {
      return Array(result[..<start] + result[own])
    }
    return result
  }

  /// The value of a variable; empty if it has none. PATH always has a value: without one, the C library looks up
  /// programs in default directories.
  private static func value(of name: [UInt8], _ current: ([UInt8]) -> [UInt8]?) -> [UInt8] {
    let value = current(name) ?? []
    guard value.isEmpty && name.span.hasPrefix("PATH") && name.count == 4 else { return value }
    var standard: [UInt8] = []
    standard.append(ascii: "/usr/local/bin:/usr/bin:/bin")
    return standard
  }

  /// Whether the part `value` of `text` already begins with the text before it, from `start` on, and ends with
  /// the text after it.
  private static func isExtended(_ text: [UInt8], from start: Int, _ value: Range<Int>) -> Bool {
    let before = text[start..<value.lowerBound]
    let after = text[value.upperBound...]
    return value.count >= before.count + after.count
      && text[value].prefix(before.count).elementsEqual(before)
      && text[value].suffix(after.count).elementsEqual(after)
  }

  /// The position of the `}` after a variable's name that begins at `start`; nil if there is no such name.
  private static func endOfName(_ bytes: Span<UInt8>, _ start: Int) -> Int? {
    var index = start
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "_"):
        index += 1
      case UInt8(ascii: "0")...UInt8(ascii: "9") where index > start: index += 1
      case UInt8(ascii: "}") where index > start: return index
      default: return nil
      }
    }
    return nil
  }
}
