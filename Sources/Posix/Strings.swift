// `Text` and `Path` stand in for `String` where the bootloader's size counts; elsewhere `String` is handier.
#if !hasFeature(Embedded)
  extension Text {
    public var string: String { String(decoding: bytes, as: UTF8.self) }
  }

  extension DefaultStringInterpolation {
    public mutating func appendInterpolation(_ text: Text) { appendLiteral(text.string) }
  }

  extension Path {
    public init(_ text: String) { self.init([UInt8](text.utf8)) }

    public func appending(_ name: String) -> Path { appending(name.utf8) }

    /// The path as text, with bytes that are not UTF-8 replaced: for messages, and for names that are
    /// known to be text.
    public var string: String { String(decoding: bytes, as: UTF8.self) }
  }
#endif
