public import Posix

/// Lines of JSON that tell another program how far a launch is (docs/launch.md, "Progress").
///
/// A reader that does not keep up misses lines about progress, and one that is gone is forgotten: nothing
/// here fails, ends the process by SIGPIPE, or waits for longer than a second. One thread uses it.
public final class ProgressLines: @unchecked Sendable {
  /// What may take long, and is told in bytes.
  public enum Work: Sendable {
    case unpacking, checking, repairing

    public var name: StaticString {
      switch self {
      case .unpacking: "unpacking"
      case .checking: "checking"
      case .repairing: "repairing"
      }
    }
  }

  /// Where the lines go.
  public let descriptor: Int32
  private var isOpen = true
  private var isWaiting = false
  private var work: Work?
  private var shown: UInt64 = 0
  private var total: UInt64 = 0
  private var lastLine: Int64 = 0
  /// The end of a line of which the reader has the beginning.
  private var begun: [UInt8] = []

  /// Writes to `descriptor`, which its owner keeps open. A descriptor that is not a standard one is closed
  /// when the program is executed, so that its reader sees the end. Nil where it is not open for writing.
  public init?(descriptor: Int32) {
    guard ProcessContext.isWritable(descriptor) else { return nil }
    self.descriptor = descriptor
    if descriptor > 2 { ProcessContext.closeAtExecution(descriptor) }
  }

  /// `name` and `version` are bytes that should be text.
  public func start(name: [UInt8], version: [UInt8]) {
    var line = begin("start")
    line.append(member: "name", jsonText(name))
    line.append(member: "version", jsonText(version))
    write(line)
  }

  /// Another instance unpacks; may be called again and again.
  public func waiting() {
    guard !isWaiting else { return }
    isWaiting = true
    work = nil
    write(begin("waiting"))
  }

  /// Bytes, at most ten times a second.
  public func show(_ work: Work, done: UInt64, total: UInt64) {
    let now = MonotonicClock.now
    if self.work == work {
      guard done > shown && (now - lastLine >= 100_000_000 || done == total) else { return }
    }
    isWaiting = false
    lastLine = now
    self.total = total
    write(work, done: done)
  }

  /// The tree is ready. What was told of last is then done, whether or not its end was told.
  public func ready(unpacked: Bool) {
    if let work, shown < total { write(work, done: total) }
    work = nil
    var line = begin("ready")
    line.append(member: "unpacked", unpacked ? "true" : "false")
    write(line, milliseconds: 1000)
  }

  /// `number` is an exit code, or with `isSignal` a signal.
  public func failed(_ number: Int32, isSignal: Bool, _ message: Text) {
    var line = begin("failed")
    line.append(member: isSignal ? "signal" : "code", number: UInt64(number))
    line.append(member: "message", jsonText(message.bytes))
    write(line, milliseconds: 1000)
  }

  @inline(never)
  private func begin(_ event: StaticString) -> Text {
    var line: Text = "{\"event\":\""
    line.append(literal: event)
    line.append(literal: "\"")
    return line
  }

  @inline(never)
  private func write(_ work: Work, done: UInt64) {
    self.work = work
    shown = done
    var line = begin(work.name)
    line.append(member: "done", number: done)
    line.append(member: "total", number: total)
    write(line)
  }

  /// `line` lacks its last characters.
  @inline(never)
  private func write(_ line: Text, milliseconds: Int64 = 0) {
    guard isOpen else { return }
    let bytes = begun + line.bytes + [UInt8(ascii: "}"), UInt8(ascii: "\n")]
    do throws(Errno) {
      let written = try writeWithin(milliseconds, bytes, to: descriptor)
      if written < begun.count {
        begun.removeFirst(written)
      } else {
        begun = written == begun.count ? [] : [UInt8](bytes[written...])
      }
    } catch { isOpen = false }
  }
}
