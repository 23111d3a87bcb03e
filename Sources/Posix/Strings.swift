// `Text` and `Path` replace `String` because the bootloader must be small; elsewhere `String` is easier to use.
#if !hasFeature(Embedded)
  extension Text {
    public var string: String { String(decoding: bytes, as: UTF8.self) }
  }

  extension Failure {
    /// Creates a failure with a message of one line.
    public static func failed(_ message: String) -> Failure {
      Failure(.refused, Text(utf8: [UInt8](message.utf8)))
    }
  }

  extension DefaultStringInterpolation {
    public mutating func appendInterpolation(_ text: Text) { appendLiteral(text.string) }
  }

  extension Path {
    public init(_ text: String) { self.init([UInt8](text.utf8)) }

    public func appending(_ name: String) -> Path { appending(name.utf8) }
    public func appending(_ name: String.UTF8View) -> Path { appending([UInt8](name)) }

    /// The path as text, with bytes that are not UTF-8 replaced. For messages and for names that are known to be
    /// text.
    public var string: String { String(decoding: bytes, as: UTF8.self) }
  }

  /// Returns `text` with control characters as `\xNN`, so that it cannot forge output.
  public func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        for byte in String(scalar).utf8 { result += "\\x" + hexText([byte]).string }
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Whether a terminal may act on the character.
  public func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
  }
#endif
