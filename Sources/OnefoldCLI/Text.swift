import Posix

// The shared modules' messages are `Text`; here, where size does not matter, `String` is handier.

extension Text {
  var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension DefaultStringInterpolation {
  mutating func appendInterpolation(_ text: Text) { appendLiteral(text.string) }
}

func writeText(_ text: String, to descriptor: Int32) {
  writeBytes([UInt8](text.utf8), to: descriptor)
}
