import Posix

/// For stderr; what fails is ignored.
func writeMessage(_ text: String) { writeBytes([UInt8](text.utf8), to: 2) }

/// For stdout: data that can't be written is a failure.
func writeData(_ text: String) throws(CommandFailure) {
  if let errno = writeBytes([UInt8](text.utf8), to: 1) {
    throw .failed("cannot write to the standard output: \(errno.description)")
  }
}
