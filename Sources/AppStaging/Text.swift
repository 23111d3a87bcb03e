import Posix

// The shared modules' messages are `Text`; here, where size does not matter, `String` is handier.

extension Text {
  var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension DefaultStringInterpolation {
  mutating func appendInterpolation(_ text: Text) { appendLiteral(text.string) }
}
