internal import Reporting

/// The events of a launch, from its trace (docs/launch.md, "Trace").
public struct LaunchTrace: Equatable, Sendable {
  /// A phase of a launch, or a step of a worker.
  public struct Event: Equatable, Sendable {
    public var name: String
    /// Nanoseconds since the launch began.
    public var start: Double
    public var end: Double
    public var bytes: Double
    /// The worker's number; 0 for phases.
    public var worker: Int
    /// The index of the frame; -1 for none.
    public var frame: Int

    public var duration: Double { end - start }
  }

  /// In order: each follows the one before.
  public private(set) var phases: [Event] = []
  /// Work of the workers: the steps of `Metric.steps`.
  public private(set) var work: [Event] = []

  /// Nil if the bytes are not a trace.
  public init?(parsing bytes: [UInt8]) {
    guard let items = JSONValue(parsing: bytes)?.items else { return nil }
    for item in items where item["ph"]?.text == "X" {
      guard let name = item["name"]?.text, let start = item["ts"]?.number,
        let duration = item["dur"]?.number, let process = item["pid"]?.number,
        let thread = item["tid"]?.number
      else { return nil }
      let event = Event(
        name: name, start: start * 1000, end: (start + duration) * 1000,
        bytes: item["args"]?["bytes"]?.number ?? 0, worker: Int(thread - process),
        frame: item["args"]?["frame"]?.number.map { Int($0) } ?? -1)
      if item["cat"]?.text == "phase" { phases.append(event) } else { work.append(event) }
    }
    guard let first = phases.first?.start else { return nil }
    for index in phases.indices { phases[index].shift(by: first) }
    for index in work.indices { work[index].shift(by: first) }
    // A frame's event covers the same time as its steps.
    work.removeAll { $0.name == "frame" }
  }

  /// The duration of all phases in nanoseconds.
  public var duration: Double { phases.last?.end ?? 0 }
  public var workers: Int { (work.map(\.worker).max() ?? -1) + 1 }

  /// Nanoseconds of all phases of that name; 0 if there is none.
  public func duration(ofPhase name: String) -> Double {
    phases.reduce(0) { $1.name == name ? $0 + $1.duration : $0 }
  }

  /// The time of a step, summed over all workers, in nanoseconds.
  public func sum(_ step: String) -> Double {
    work.reduce(0) { $1.name == step ? $0 + $1.duration : $0 }
  }

  /// The time in which at least one worker was at a step, in nanoseconds.
  public func wall(_ step: String) -> Double {
    var total = 0.0
    var covered = -Double.infinity
    for event in work.filter({ $0.name == step }).sorted(by: { $0.start < $1.start }) {
      let start = max(event.start, covered)
      if event.end > start {
        total += event.end - start
        covered = event.end
      }
    }
    return total
  }

  /// Its samples, by metric.
  func samples(isCold: Bool) -> [String: Double] {
    var result = [isCold ? "cold-launch" : "warm-launch": duration]
    for name in Metric.phases where phases.contains(where: { $0.name == name }) {
      result[Metric.phase(name, isCold: isCold)] = duration(ofPhase: name)
    }
    if isCold {
      for step in Metric.steps where work.contains(where: { $0.name == step }) {
        result["work-\(step)-sum"] = sum(step)
        result["work-\(step)-wall"] = wall(step)
      }
    }
    return result
  }
}

extension LaunchTrace.Event {
  fileprivate mutating func shift(by first: Double) {
    start -= first
    end -= first
  }
}
