/// A metric. docs/bench.md explains it under its name.
public struct Metric: Equatable, Sendable {
  /// The metric's group, in the order of the tables.
  public enum Group: String, CaseIterable, Sendable {
    case launch = "launches"
    case comparison = "round by round"
    case coldPhase = "phases of the cold launch"
    case work = "workers of the cold launch"
    case warmPhase = "phases of the warm launch"
    case resource = "resources"
  }

  public let name: String
  /// The name in tables.
  public let title: String
  public let unit: Unit
  public let group: Group

  /// The phases of a launch, by their names in a trace (docs/launch.md, "Trace").
  public static let phases = [
    "read", "find", "check", "plan", "lock", "reuse", "unpack", "seal", "publish", "clean up",
    "exec",
  ]
  /// The steps of workers, by their names in a trace.
  public static let steps = ["prepare", "read", "hash", "decode", "write"]

  /// The metric of a phase.
  public static func phase(_ phase: String, isCold: Bool) -> String {
    (isCold ? "cold-phase-" : "warm-phase-") + String(phase.map { $0 == " " ? "-" : $0 })
  }

  /// All metrics that a report can have.
  public static let all: [Metric] = {
    func time(_ name: String, _ title: String, _ group: Group) -> Metric {
      Metric(name: name, title: title, unit: .nanoseconds, group: group)
    }
    var list = [
      time("cold", "cold launch", .launch), time("warm", "warm launch", .launch),
      time("direct", "unpacked entry", .launch),
      time("cold-overhead", "cold overhead", .comparison),
      time("warm-overhead", "warm overhead", .comparison),
    ]
    for (name, title) in [
      ("cold-to-direct", "cold / unpacked entry"), ("warm-to-direct", "warm / unpacked entry"),
      ("cold-to-first", "cold / first file's cold"), ("warm-to-first", "warm / first file's warm"),
    ] {
      list.append(Metric(name: name, title: title, unit: .ratio, group: .comparison))
    }
    list.append(time("cold-launch", "until the entry", .coldPhase))
    list += phases.map { time(phase($0, isCold: true), $0, .coldPhase) }
    for step in steps {
      list.append(time("work-\(step)-sum", "\(step), sum", .work))
      list.append(time("work-\(step)-wall", "\(step), wall", .work))
    }
    list.append(time("warm-launch", "until the entry", .warmPhase))
    list += phases.map { time(phase($0, isCold: false), $0, .warmPhase) }
    func resource(_ name: String, _ title: String, _ unit: Unit) {
      list.append(Metric(name: name, title: title, unit: unit, group: .resource))
    }
    resource("written-bytes", "bytes written", .bytes)
    resource("written-files", "files written", .count)
    for (name, title) in [("cold", "cold"), ("warm", "warm"), ("direct", "unpacked entry")] {
      resource("\(name)-memory", "peak memory, \(title)", .bytes)
    }
    for (name, title) in [("cold", "cold"), ("warm", "warm"), ("direct", "unpacked entry")] {
      resource("\(name)-faults", "page faults, \(title)", .count)
      resource("\(name)-major-faults", "page faults that read, \(title)", .count)
    }
    for (name, title) in [
      ("cold", "cold"), ("cold-launch", "cold, until the entry"), ("warm", "warm"),
      ("warm-launch", "warm, until the entry"), ("direct", "unpacked entry"),
    ] {
      resource("\(name)-calls", "system calls, \(title)", .count)
    }
    return list
  }()

  /// Nil if there is no metric with that name.
  public static func named(_ name: String) -> Metric? { all.first { $0.name == name } }
}
