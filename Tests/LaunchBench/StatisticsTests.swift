import Testing

@testable import LaunchBench

@Suite struct StatisticsTests {
  @Test func noSamplesHaveNoSummary() { #expect(Summary([]) == nil) }

  @Test func oneSampleIsEverything() throws {
    let summary = try #require(Summary([7]))
    #expect(summary.median == 7 && summary.lowerQuartile == 7 && summary.upperQuartile == 7)
    #expect(summary.medianDeviation == 0 && summary.least == 7 && summary.most == 7)
    #expect(summary.outliers == 0 && summary.count == 1)
  }

  /// Expected values from R's `quantile(c(...), type = 7)` and `mad(c(...), constant = 1)`.
  @Test func quartilesAreByProportion() throws {
    let summary = try #require(Summary([9, 1, 4, 2, 8, 5]))
    #expect(summary.median == 4.5)
    #expect(summary.lowerQuartile == 2.5)
    #expect(summary.upperQuartile == 7.25)
    #expect(summary.medianDeviation == 3)
    #expect(summary.least == 1 && summary.most == 9)
  }

  @Test func outliersAreFartherThanOneAndAHalfRanges() throws {
    // The quartiles are 11 and 13, so the fences are at 8 and 16.
    #expect(try #require(Summary([10, 11, 12, 13, 16])).outliers == 0)
    #expect(try #require(Summary([10, 11, 12, 13, 16.5])).outliers == 1)
    #expect(try #require(Summary([7.5, 11, 12, 13, 16.5])).outliers == 2)
  }

  @Test func outliersStillCount() throws {
    #expect(try #require(Summary([1, 2, 1000])).most == 1000)
  }

  // MARK: Quantities

  @Test(
    arguments: [
      (0, "0 ns"), (999, "999 ns"), (1000, "1.00 us"), (12_345, "12.3 us"), (123_456, "123 us"),
      (1_500_000, "1.50 ms"), (2_345_678_901, "2.35 s"), (345_600_000_000, "346 s"),
      (-1_500_000, "-1.50 ms"), (-3, "-3 ns"),
    ])
  func times(_ value: Double, _ text: String) {
    #expect(Unit.nanoseconds.text(value) == text)
  }

  @Test func otherQuantities() {
    #expect(Unit.bytes.text(999) == "999 B")
    #expect(Unit.bytes.text(20_018_630) == "20.0 MB")
    #expect(Unit.bytes.text(2_001_863_000) == "2002 MB")
    #expect(Unit.count.text(1_234_567) == "1,234,567")
    #expect(Unit.count.text(-12) == "-12")
    #expect(Unit.ratio.text(1.2345) == "1.234 x" || Unit.ratio.text(1.2345) == "1.235 x")
    #expect(Unit.ratio.text(141.03) == "141.0 x")
  }

  @Test func decimals() {
    #expect(fixed(0.05, 1) == "0.1")
    #expect(fixed(1.005, 0) == "1")
    #expect(fixed(-0.0001, 2) == "0.00")
    #expect(fixed(12.3049, 3) == "12.305")
    #expect(fixed(1e30, 2) == "1e+30")
  }
}
