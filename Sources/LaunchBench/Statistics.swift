/// A summary of samples: their middle, spread and outliers.
public struct Summary: Equatable, Sendable {
  public let count: Int
  public let median: Double
  /// A quarter of the samples is at most this value, interpolated between two samples.
  public let lowerQuartile: Double
  /// A quarter of the samples is at least this value.
  public let upperQuartile: Double
  /// The median of the samples' distances from their median.
  public let medianDeviation: Double
  public let least: Double
  public let most: Double
  /// Samples farther from the quartiles than 1.5 times the distance between these. They count like all others.
  public let outliers: Int

  /// Nil if there are no samples.
  public init?(_ samples: [Double]) {
    let sorted = samples.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = quantile(sorted, 0.5)
    let lower = quantile(sorted, 0.25)
    let upper = quantile(sorted, 0.75)
    let reach = 1.5 * (upper - lower)
    count = sorted.count
    median = middle
    lowerQuartile = lower
    upperQuartile = upper
    medianDeviation = quantile(sorted.map { abs($0 - middle) }.sorted(), 0.5)
    least = first
    most = last
    outliers = sorted.count { $0 < lower - reach || $0 > upper + reach }
  }
}

/// A quantile of sorted samples, at least one, as R's type 7. `part` is 0 to 1.
private func quantile(_ sorted: [Double], _ part: Double) -> Double {
  let position = part * Double(sorted.count - 1)
  let index = Int(position)
  guard index + 1 < sorted.count else { return sorted[index] }
  return sorted[index] + (position - Double(index)) * (sorted[index + 1] - sorted[index])
}
