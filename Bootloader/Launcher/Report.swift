import CacheDirectory
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// Reports a launch as its settings ask: by a line on a terminal, by JSON lines for another program, or by a
/// trace.
final class Report: @unchecked Sendable {
  private let terminal = TerminalProgress()
  private var lines: ProgressLines?
  private(set) var timeline: Timeline?
  private var trace: FileDescriptor?
  /// The name of the process in the trace.
  private var title: Text = "onefold"

  /// Called right after the start, so that the timeline begins with the reading of the file. `always`: keep a
  /// timeline even without a trace file.
  func configure(always: Bool) throws(Failure) {
    let file = Settings.trace
    if always || file != nil { timeline = Timeline(.read) }
    lines = try Settings.progress()
    if let file {
      do throws(Failure) {
        trace = try FileDescriptor.open(file, .overwrite, mode: 0o600)
      } catch {
        timeline = nil
        throw .unusableTrace(error)
      }
    }
  }

  func listening(_ address: SocketAddress) {
    lines?.listening(address)
    lines?.leave(Listener.firstDescriptor)
  }

  func start(_ record: LaunchRecord) {
    lines?.start(name: record.name, version: record.version)
    title = escapedText(record.name)
  }

  func show(_ work: ProgressLines.Work, _ label: Text, done: UInt64, total: UInt64) {
    timeline.set(bytes: done)
    lines?.show(work, done: done, total: total)
    // A line would mix with the JSON lines there.
    if lines?.descriptor != 2 { terminal.show(label, done: done, total: total) }
  }

  /// Tells an administrator something although the launch continues.
  func note(_ text: Text) {
    terminal.finish()
    // A line would mix with the JSON lines there.
    if lines?.descriptor != 2 { writeText("onefold: \(text)\n", to: 2) }
  }

  func moved(_ item: CacheItem) {
    note(Lines.moved(item.path))
  }

  func waiting(_ label: Text) {
    lines?.waiting()
    if lines?.descriptor != 2 { terminal.show(label) }
  }

  func finish() { terminal.finish() }

  func ready(unpacked: Bool) { lines?.ready(unpacked: unpacked) }

  /// Ends the timeline and writes the trace. The launch does not fail if it cannot write.
  func writeTrace() {
    guard let timeline else { return }
    timeline.end()
    guard let file = trace.take() else { return }
    let bytes = timeline.chromeTrace(of: title).bytes
    do throws(Errno) {
      if try writeWithin(1000, bytes, to: file.rawValue) < bytes.count { throw .wouldBlock }
    } catch {
      writeText("onefold: \(Failure("write", file.path, error).description)\n", to: 2)
    }
  }

  func failed(_ error: Failure) {
    writeTrace()
    let signal = error.signal
    lines?.failed(
      signal ?? error.exitCode, isSignal: signal != nil,
      signal == nil ? error.message : Lines.interrupted)
  }
}
