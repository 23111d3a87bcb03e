public import Posix

/// A progress line on stderr. Shown only if stderr is a terminal and the work takes longer than 300 ms.
///
/// Use it from one thread.
public final class TerminalProgress: @unchecked Sendable {
  private let start = MonotonicClock.now
  private var lastShown: Int64 = 0
  private var isShown = false

  public init() {}

  /// Shows "`label`: 42 % (120.0 of 285.4 MB)", at most ten times a second.
  public func show(_ label: Text, done: UInt64, total: UInt64) {
    if isDue() { write(TerminalProgress.line(label, done: done, total: total)) }
  }

  /// The line for `label`. `done` and `total` are bytes.
  public static func line(_ label: Text, done: UInt64, total: UInt64) -> Text {
    let percent = total == 0 ? 100 : done * 100 / total
    return "\(label): \(percent) % (\(megabytes(done)) of \(megabytes(total)) MB)"
  }

  /// Shows a text without a number.
  public func show(_ text: Text) {
    if isDue() { write(text) }
  }

  /// Removes the line.
  public func finish() {
    guard isShown else { return }
    isShown = false
    writeText("\r\u{1B}[K", to: 2)
  }

  private func isDue() -> Bool {
    let now = MonotonicClock.now
    guard now - start >= 300_000_000 && now - lastShown >= 100_000_000 else { return false }
    lastShown = now
    return ProcessContext.isTerminal(2)
  }

  private func write(_ text: Text) {
    isShown = true
    writeText("\r\(text)\u{1B}[K", to: 2)
  }
}
