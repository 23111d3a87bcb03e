/// What a row of samples says: its middle, how far it spreads, and what does not fit in.
public struct Summary: Equatable, Sendable {
  public let count: Int
  public let median: Double
  /// A quarter of the samples is at most this; between two samples by proportion.
  public let lowerQuartile: Double
  /// A quarter of the samples is at least this.
  public let upperQuartile: Double
  /// The median of the samples' distances from their median.
  public let medianDeviation: Double
  public let least: Double
  public let most: Double
  /// Samples farther from the quartiles than one and a half times the distance between these. They count as all others.
  public let outliers: Int

  /// nil where there are no samples.
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

/// Of sorted samples, at least one; `part` is 0 to 1. As R's type 7.
private func quantile(_ sorted: [Double], _ part: Double) -> Double {
  let position = part * Double(sorted.count - 1)
  let index = Int(position)
  guard index + 1 < sorted.count else { return sorted[index] }
  return sorted[index] + (position - Double(index)) * (sorted[index + 1] - sorted[index])
}
