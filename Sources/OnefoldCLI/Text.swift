import Posix
import Reporting

// Output and its style. Data goes to stdout, everything else to stderr.

/// The style of messages.
struct MessageStyle: Sendable {
  /// Show only errors and warnings.
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

/// Whether messages have colors: by `--color`, then the environment, then whether stderr is a terminal.
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

/// Writes a summary, which `--quiet` suppresses. Failures to write are ignored.
func writeMessage(_ text: String) {
  if !MessageStyle.current.isQuiet { writeNotice(text) }
}

/// Writes a text that `--quiet` does not suppress.
func writeNotice(_ text: String) { writeBytes([UInt8](text.utf8), to: 2) }

/// Writes a warning of the command `title`.
func writeWarning(_ title: String, _ text: String) {
  writeNotice("\(title): \(MessageStyle.current.colored("warning:", .yellow)) \(text)\n")
}

/// Writes the reason for a failure of the command `title`.
func writeFailure(_ title: String, _ text: String) {
  writeNotice("\(MessageStyle.current.colored("\(title):", .red)) \(text)\n")
}

func hint(_ text: String) -> String { "\(MessageStyle.current.colored("hint:", .cyan)) \(text)\n" }

/// Progress on stderr; nil with `--quiet`.
func newProgress() -> TerminalProgress? {
  MessageStyle.current.isQuiet ? nil : TerminalProgress()
}

/// Fails if stdout is not writable. For commands that change something before they write data.
func requireStandardOutput() throws(Failure) {
  if !ProcessContext.isWritable(1) { throw .failed("the standard output is closed: open it") }
}

/// Writes data to stdout. A failed write is a failure of the command.
func writeData(_ text: String) throws(Failure) {
  if let errno = writeBytes([UInt8](text.utf8), to: 1) {
    throw .failed("cannot write to the standard output: \(errno.description)")
  }
}

/// An application as a launch record names it: "server 1.2", or "server" without a version.
func applicationTitle(_ name: [UInt8], _ version: [UInt8]) -> String {
  let name = escapedText(name).string
  return version.isEmpty ? name : "\(name) \(escapedText(version).string)"
}
