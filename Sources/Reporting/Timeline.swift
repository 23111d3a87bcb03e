public import Posix

/// The times of a launch: its phases on the first thread, and the work of each worker on each frame
/// (docs/launch.md, "Trace").
///
/// The first thread uses it; each worker has its own `WorkerTimeline`. Times are those of `MonotonicClock`.
public final class Timeline: @unchecked Sendable {
  /// The names of phases and steps, in docs/launch.md.
  public enum Name: UInt8, CaseIterable, Sendable {
    // Phases; a worker's first step has the same name as the first phase.
    case read, find, check, plan, lock, reuse, unpack, seal, publish, cleanUp, exec
    // Steps of workers.
    case prepare, frame, hash, decode, write

    public var text: StaticString {
      switch self {
      case .read: "read"
      case .find: "find"
      case .check: "check"
      case .plan: "plan"
      case .lock: "lock"
      case .reuse: "reuse"
      case .unpack: "unpack"
      case .seal: "seal"
      case .publish: "publish"
      case .cleanUp: "clean up"
      case .exec: "exec"
      case .prepare: "prepare"
      case .frame: "frame"
      case .hash: "hash"
      case .decode: "decode"
      case .write: "write"
      }
    }
  }

  /// A phase or a step.
  public struct Event: Sendable {
    public var name: Name
    /// Nanoseconds.
    public var start: Int64
    public var end: Int64
    /// Bytes read, written or made; 0 if not applicable.
    public var bytes: UInt64 = 0
    /// The index of a frame; -1 if there is none.
    public var frame = -1
  }

  /// The phases; each begins when the previous one ends.
  public private(set) var phases: [Event] = []
  public private(set) var workers: [WorkerTimeline] = []

  /// Starts with the phase `name`.
  public init(_ name: Name) { add(name) }

  fileprivate func add(_ name: Name) {
    end()
    let now = phases.last?.end ?? MonotonicClock.now
    phases.append(Event(name: name, start: now, end: now))
  }

  /// Sets the end of the running phase to the present time.
  public func end() {
    if !phases.isEmpty { phases[phases.count - 1].end = MonotonicClock.now }
  }

  fileprivate func set(bytes: UInt64) { phases[phases.count - 1].bytes = bytes }
}

/// The work of one worker, frame by frame. Only its thread uses it; after that thread ends, only its creator
/// does.
public final class WorkerTimeline: @unchecked Sendable {
  public let number: Int
  /// The events; a frame follows its steps.
  public fileprivate(set) var events: [Timeline.Event] = []
  fileprivate var frame = 0
  fileprivate var start: Int64 = 0
  fileprivate var lastEnd: Int64 = 0

  fileprivate init(number: Int) { self.number = number }

  fileprivate func add(_ name: Timeline.Name, _ start: Int64, _ bytes: Int) {
    events.append(
      Timeline.Event(
        name: name, start: start, end: lastEnd, bytes: UInt64(bytes), frame: frame))
  }
}

// Timed code need not check whether there is a timeline.

extension Timeline? {
  /// Ends the running phase and begins another.
  @inline(never)
  public func begin(_ name: Timeline.Name) { self?.add(name) }

  /// Sets how many bytes the running phase has handled so far.
  @inline(never)
  public func set(bytes: UInt64) { self?.set(bytes: bytes) }

  /// Makes timelines for `count` workers, number 0 for the calling thread; nil values if there is no timeline.
  @inline(never)
  public func makeWorkers(_ count: Int) -> [WorkerTimeline?] {
    var made: [WorkerTimeline?] = []
    for number in 0..<count {
      let worker = self == nil ? nil : WorkerTimeline(number: number)
      made.append(worker)
      if let worker { self?.add(worker) }
    }
    return made
  }
}

extension WorkerTimeline? {
  /// Begins a frame; -1 for work that belongs to no frame.
  @inline(never)
  public func begin(frame: Int) {
    guard let self else { return }
    self.frame = frame
    self.start = MonotonicClock.now
    self.lastEnd = self.start
  }

  /// Ends a step of the frame now; it began when the previous step ended.
  @inline(never)
  public func end(_ name: Timeline.Name, bytes: Int) {
    guard let self else { return }
    let start = self.lastEnd
    self.lastEnd = MonotonicClock.now
    self.add(name, start, bytes)
  }

  /// Ends the last step of the frame and the frame itself now. `bytes` are raw bytes.
  @inline(never)
  public func endFrame(_ name: Timeline.Name, bytes: Int) {
    end(name, bytes: bytes)
    if let self { self.add(.frame, self.start, bytes) }
  }
}

// MARK: As text

extension Timeline {
  fileprivate func add(_ worker: WorkerTimeline) { workers.append(worker) }

  /// Chrome trace events as a JSON array that Perfetto and chrome://tracing can open. Threads are numbered from
  /// the process id.
  public func chromeTrace(of process: Text) -> Text {
    let title = jsonText(process.bytes)
    var text: Text = "[\n"
    Timeline.append(&text, "process_name", thread: 0, title)
    for thread in 0..<max(1, workerCount) {
      text.append(literal: ",\n")
      let number = Text(number: thread)
      Timeline.append(
        &text, "thread_name", thread: thread,
        thread == 0 ? "\"main\"" : "\"worker " + number + "\"")
    }
    for phase in phases { phase.append(to: &text, "phase", thread: 0) }
    for worker in workers {
      for event in worker.events { event.append(to: &text, "work", thread: worker.number) }
    }
    text.append(literal: "\n]\n")
    return text
  }

  @inline(never)
  private static func append(
    _ text: inout Text, _ kind: StaticString, thread: Int, _ name: Text
  ) {
    text.append(literal: "{\"name\":\"")
    text.append(literal: kind)
    text.append(literal: "\",\"ph\":\"M\"")
    text.append(thread: thread)
    text.append(literal: ",\"args\":{\"name\":")
    text.append(name)
    text.append(literal: "}}")
  }

  /// The number of threads that worked at once.
  private var workerCount: Int {
    var count = 0
    for worker in workers { count = max(count, worker.number + 1) }
    return count
  }

  /// One line for each name with sums, then the sums of the workers.
  public var table: Text {
    var text: Text = "phase            ms   share           bytes      MB/s\n"
    text.append(lines(of: phases))
    var events: [Event] = []
    for worker in workers { events.append(contentsOf: worker.events) }
    if events.isEmpty { return text }
    text.append(literal: "\nworkers: ")
    text.append(number: UInt64(workerCount))
    text.append(literal: "; together\n")
    text.append(lines(of: events))
    return text
  }

  private func lines(of events: [Event]) -> Text {
    var sums: [Event] = []
    for name in Name.allCases { sums.append(Event(name: name, start: 0, end: 0)) }
    var all: Int64 = 0
    for event in events {
      let index = Int(event.name.rawValue)
      sums[index].end += event.end - event.start
      sums[index].bytes += event.bytes
      // The time of a frame repeats the times of its steps.
      if event.name != .frame { all += event.end - event.start }
    }
    var text = Text(utf8: [])
    for sum in sums where sum.end > 0 && sum.name != .frame {
      text.append(sum.line(sum.name.text, of: all))
    }
    text.append(Event(name: .read, start: 0, end: all).line("total", of: all))
    return text
  }
}

extension Timeline.Event {
  @inline(never)
  fileprivate func append(to text: inout Text, _ category: StaticString, thread: Int) {
    text.append(literal: ",\n{\"name\":\"")
    text.append(literal: name.text)
    text.append(literal: "\",\"ph\":\"X\",\"cat\":\"")
    text.append(literal: category)
    text.append(literal: "\"")
    text.append(member: "ts", thousandths(start))
    text.append(member: "dur", thousandths(end - start))
    text.append(thread: thread)
    text.append(literal: ",\"args\":{")
    if bytes > 0 || frame >= 0 {
      text.append(literal: "\"bytes\":")
      text.append(number: bytes)
    }
    if frame >= 0 { text.append(member: "frame", number: UInt64(frame)) }
    text.append(literal: "}}")
  }

  @inline(never)
  fileprivate func line(_ label: StaticString, of all: Int64) -> Text {
    var text = Text(stringLiteral: label)
    text.pad(to: 9)
    let share = all == 0 ? 0 : UInt64(end) * 1000 / UInt64(all)
    text.append(thousandths(end / 1000).right(in: 10))
    text.append((Text(number: Int(share / 10)) + "." + Text(number: Int(share % 10))).right(in: 6))
    text.append(literal: " %")
    if bytes > 0 {
      text.append(grouped(bytes).right(in: 16))
      // Bytes per microsecond.
      text.append(Text(number: Int(bytes / max(1, UInt64(end) / 1000))).right(in: 10))
    }
    text.append(literal: "\n")
    return text
  }
}

extension Text {
  fileprivate init(number: Int) {
    self.init(utf8: [])
    append(number: UInt64(number))
  }

  @inline(never)
  fileprivate mutating func append(thread: Int) {
    let process = Int(ProcessContext.number)
    append(member: "pid", number: UInt64(process))
    append(member: "tid", number: UInt64(process + thread))
  }
}

/// `value` / 1000 with three decimals: nanoseconds as microseconds.
@inline(never)
private func thousandths(_ value: Int64) -> Text {
  let number = UInt64(max(0, value))
  var text = Text(number: Int(number / 1000))
  text.append(literal: ".")
  for unit: UInt64 in [100, 10, 1] { text.append(number: number / unit % 10) }
  return text
}
