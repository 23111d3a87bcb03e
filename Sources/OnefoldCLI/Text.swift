import Posix
import Reporting

// What is written, and how it looks. Data goes to stdout, everything else to stderr.

/// How messages are shown.
struct MessageStyle: Sendable {
  /// Only errors and warnings.
  var isQuiet = false
  var isColored = false

  /// Set once, before the command begins and starts any thread.
  nonisolated(unsafe) static var current = MessageStyle()

  enum Color: String {
    case red = "1;31"
    case yellow = "1;33"
    case cyan = "1;36"
  }

  /// The text in bold and in a color, if messages have colors.
  func colored(_ text: String, _ color: Color) -> String {
    isColored ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
  }
}

/// Whether messages have colors, by `--color`, else by the environment, else if stderr is a terminal.
///
/// `NO_COLOR` (https://no-color.org) overrides `FORCE_COLOR` (https://force-color.org) and `CLICOLOR_FORCE`
/// (https://bixense.com/clicolors).
func wantsColor(_ word: String?) -> Bool {
  if let word, word != "auto" { return word == "always" }
  if ProcessContext.variable("NO_COLOR") != nil { return false }
  for value in [
    ProcessContext.variable("FORCE_COLOR"), ProcessContext.variable("CLICOLOR_FORCE"),
  ] where value.map({ $0.string != "0" }) ?? false { return true }
  return ProcessContext.variable("TERM").map { $0.string != "dumb" } ?? false
    && ProcessContext.isTerminal(2)
}

/// A summary, which `--quiet` leaves out. Failures to write are ignored.
func writeMessage(_ text: String) {
  if !MessageStyle.current.isQuiet { writeNotice(text) }
}

/// What `--quiet` does not leave out.
func writeNotice(_ text: String) { writeBytes([UInt8](text.utf8), to: 2) }

/// A line about something that is probably wrong, from the command `title`.
func writeWarning(_ title: String, _ text: String) {
  writeNotice("\(title): \(MessageStyle.current.colored("warning:", .yellow)) \(text)\n")
}

/// Why the command `title` fails.
func writeFailure(_ title: String, _ text: String) {
  writeNotice("\(MessageStyle.current.colored("\(title):", .red)) \(text)\n")
}

func hint(_ text: String) -> String { "\(MessageStyle.current.colored("hint:", .cyan)) \(text)\n" }

/// Progress for stderr; nil if `--quiet` leaves it out.
func newProgress() -> TerminalProgress? {
  MessageStyle.current.isQuiet ? nil : TerminalProgress()
}

/// For commands that change something before they write data: fails where they could not.
func requireStandardOutput() throws(Failure) {
  if !ProcessContext.isWritable(1) { throw .failed("the standard output is closed: open it") }
}

/// For stdout: data that can't be written is a failure.
func writeData(_ text: String) throws(Failure) {
  if let errno = writeBytes([UInt8](text.utf8), to: 1) {
    throw .failed("cannot write to the standard output: \(errno.description)")
  }
}
