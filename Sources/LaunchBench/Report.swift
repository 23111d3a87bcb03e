/// The measurements, with the machine and the method.
public struct BenchReport: Sendable {
  /// A fact about the machine or the measurement.
  public struct Fact: Equatable, Sendable {
    /// The name for programs.
    public var name: String
    /// The name for people.
    public var title: String
    public var value: String

    public init(_ name: String, _ title: String, _ value: String) {
      self.name = name
      self.title = title
      self.value = value
    }
  }

  /// The samples of a metric.
  public struct Result: Sendable {
    public var metric: Metric
    /// In the order of the rounds. Rounds without a measurement have no sample.
    public var samples: [Double]
    public var summary: Summary
  }

  /// A measured program.
  public struct Subject: Sendable {
    /// The name in limits and tables.
    public var name: String
    /// Whether Onefold packed it. Limits apply to onefiles.
    public var isOnefile: Bool
    /// The program and its arguments.
    public var command: [String]
    public var facts: [Fact]
    /// In the order of `Metric.all`.
    public var results: [Result]
    /// The cold and the warm launch whose durations are nearest to the median of their kind.
    public var coldTrace: LaunchTrace?
    public var warmTrace: LaunchTrace?

    /// Nil if it was not measured.
    public func result(_ name: String) -> Result? { results.first { $0.metric.name == name } }
    /// Nil if it was not measured.
    public func median(_ name: String) -> Double? { result(name)?.summary.median }
  }

  /// Whether a launch is timed until the server answers.
  public var untilAnswer: Bool
  public var rounds: Int
  public var warmUp: Int
  public var machine: [Fact]
  public var method: [Fact]
  public var subjects: [Subject]
  /// Sentences about missing measurements and their reasons.
  public var notes: [String]

  public init(
    untilAnswer: Bool, rounds: Int, warmUp: Int, machine: [Fact], method: [Fact],
    subjects: [Subject], notes: [String]
  ) {
    self.untilAnswer = untilAnswer
    self.rounds = rounds
    self.warmUp = warmUp
    self.machine = machine
    self.method = method
    self.subjects = subjects
    self.notes = notes
  }
}

extension BenchReport.Subject {
  /// `rounds` holds the samples of each round, by metric.
  public init(
    name: String, isOnefile: Bool, command: [String], facts: [BenchReport.Fact],
    rounds: [[String: Double]]
  ) {
    self.name = name
    self.isOnefile = isOnefile
    self.command = command
    self.facts = facts
    results = Metric.all.compactMap { metric in
      let samples = rounds.compactMap { $0[metric.name] }
      guard let summary = Summary(samples) else { return nil }
      return BenchReport.Result(metric: metric, samples: samples, summary: summary)
    }
  }
}
