public import Posix

/// JSON lines that report the progress of a launch to another program (docs/launch.md, "Progress").
///
/// A slow reader misses progress lines, and output to a closed reader stops. No call here throws, raises SIGPIPE,
/// or waits longer than a second. Use it from one thread.
public final class ProgressLines: @unchecked Sendable {
  /// Work that may take long; its progress is counted in bytes.
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

  /// The descriptor that receives the lines.
  public private(set) var descriptor: Int32
  private var isOpen = true
  private var isWaiting = false
  private var work: Work?
  private var shown: UInt64 = 0
  private var total: UInt64 = 0
  private var lastLine: Int64 = 0
  /// The end of a line whose beginning is already written.
  private var begun: [UInt8] = []

  /// Writes to `descriptor`, which its owner must keep open. Unless it is a standard descriptor, it is closed
  /// when the program is executed, so that the reader sees the end. Nil if it is not open for writing.
  public init?(descriptor: Int32) {
    guard ProcessContext.isWritable(descriptor) else { return nil }
    self.descriptor = descriptor
    if descriptor > 2 { ProcessContext.closeAtExecution(descriptor) }
  }

  /// Writes under another number from now on if the descriptor has this one, which something else is to get.
  public func leave(_ number: Int32) {
    if descriptor == number { descriptor = ProcessContext.copy(number) ?? number }
  }

  /// Reports the address that the launcher keeps for the program.
  public func listening(_ address: SocketAddress) {
    var line = begin("listening")
    line.append(member: "address", jsonText(address.host.bytes))
    if !address.isLocal { line.append(member: "port", address.port) }
    write(line)
  }

  /// `name` and `version` are bytes that should be text.
  public func start(name: [UInt8], version: [UInt8]) {
    var line = begin("start")
    line.append(member: "name", jsonText(name))
    line.append(member: "version", jsonText(version))
    write(line)
  }

  /// Reports that another instance is unpacking. May be called again and again.
  public func waiting() {
    guard !isWaiting else { return }
    isWaiting = true
    work = nil
    write(begin("waiting"))
  }

  /// Reports progress in bytes, at most ten times a second.
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

  /// Reports that the tree is ready. The work reported last is then done, even if its end was not reported.
  public func ready(unpacked: Bool) {
    if let work, shown < total { write(work, done: total) }
    work = nil
    var line = begin("ready")
    line.append(member: "unpacked", unpacked ? "true" : "false")
    write(line, milliseconds: 1000)
  }

  /// Reports a failure. `number` is an exit code, or a signal if `isSignal` is true.
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

  /// Writes a line; `line` lacks its last characters.
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
