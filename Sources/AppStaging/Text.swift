import Posix

// The shared modules' messages are `Text`; here, where size does not matter, `String` is handier.

extension Text {
  var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension DefaultStringInterpolation {
  mutating func appendInterpolation(_ text: Text) { appendLiteral(text.string) }
}

extension Path {
  /// A path of text that is not a literal.
  init(text: String) { self.init([UInt8](text.utf8)) }

  /// The path as text, with bytes that are not UTF-8 repaired: to look at, never to open.
  var string: String { String(decoding: bytes, as: UTF8.self) }

  func appending(text: String) -> Path { appending(text.utf8) }
}
