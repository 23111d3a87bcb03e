/// Values for placeholders in text, such as `{root}`.
public struct Placeholders: Sendable {
  /// The meaning of a placeholder between two more braces, such as `{{root}}`.
  public enum Doubled: Sendable {
    /// The literal text `{root}`.
    case areLiteral
    /// The value, with the outer braces around it.
    case stay
  }

  private let values: [(name: StaticString, value: [UInt8])]
  private let doubled: Doubled

  /// - Parameter values: for each placeholder its name, without braces, and its value.
  public init(_ values: [(name: StaticString, value: [UInt8])], doubled: Doubled) {
    self.values = values
    self.doubled = doubled
  }

  /// The placeholders of arguments and variables in a launch record.
  ///
  /// - Parameter listener: The address that the launcher keeps for the program; nil if there is none, and then
  ///   its placeholders stay as they are.
  public init(
    root: some Sequence<UInt8>, executable: some Sequence<UInt8>,
    listener: (address: [UInt8], port: [UInt8])? = nil
  ) {
    var values: [(name: StaticString, value: [UInt8])] = [
      ("root", Array(root)), ("exe", Array(executable)),
    ]
    if let listener {
      values.append(("address", listener.address))
      values.append(("port", listener.port))
      values.append(("fd", [UInt8(ascii: "3")]))
    }
    self.init(values, doubled: .areLiteral)
  }

  /// `text` with values in place of the placeholders. Other braces stay. Inserted values are not searched again.
  @inline(never)
  public func filled(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count { index += replace(text.span, at: index, &result) }
    return result
  }

  /// Appends the replacement of the bytes at `index`, and returns how many bytes it replaced.
  @inline(never)
  func replace(_ text: Span<UInt8>, at index: Int, _ result: inout [UInt8]) -> Int {
    let rest = text.extracting(index..<text.count)
    guard rest[0] == UInt8(ascii: "{") else {
      result.append(rest[0])
      return 1
    }
    for (name, value) in values {
      let length = name.utf8CodeUnitCount
      if doubled == .areLiteral && rest.hasPrefix("{{") && isPlaceholder(rest, name, braces: 2) {
        result.append(UInt8(ascii: "{"))
        result.append(ascii: name)
        result.append(UInt8(ascii: "}"))
        return length + 4
      }
      if isPlaceholder(rest, name, braces: 1) {
        result.append(contentsOf: value)
        return length + 2
      }
    }
    result.append(rest[0])
    return 1
  }

  /// Whether `name` and as many closing braces follow the first `braces` bytes of `text`.
  @inline(never)
  private func isPlaceholder(_ text: Span<UInt8>, _ name: StaticString, braces: Int) -> Bool {
    let end = braces + name.utf8CodeUnitCount
    return text.count >= end + braces
      && text.extracting(braces..<text.count).hasPrefix(name)
      && text.extracting(end..<text.count).hasPrefix(braces == 2 ? "}}" : "}")
  }
}
