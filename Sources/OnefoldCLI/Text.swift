import Posix

// The shared modules' messages are `Text`; here, where size does not matter, `String` is handier.

extension Text {
  var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension Path {
  /// The path as text; bytes that are not UTF-8 are replaced.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension DefaultStringInterpolation {
  mutating func appendInterpolation(_ text: Text) { appendLiteral(text.string) }
}

/// For stderr; what fails is ignored.
func writeMessage(_ text: String) { writeBytes([UInt8](text.utf8), to: 2) }

/// For stdout: data that can't be written is a failure.
func writeData(_ text: String) throws(CommandFailure) {
  if let errno = writeBytes([UInt8](text.utf8), to: 1) {
    throw .failed("cannot write to the standard output: \(errno.description)")
  }
}
