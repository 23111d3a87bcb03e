import Posix
import Reporting
import Testing

@Suite struct NumbersTests {
  @Test(
    arguments: [
      (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (12_345, "12,345"),
      (999_999, "999,999"), (1_000_000, "1,000,000"),
      (UInt64.max, "18,446,744,073,709,551,615"),
    ] as [(UInt64, String)])
  func groups(_ number: UInt64, _ expected: String) { #expect(grouped(number).string == expected) }

  @Test(
    arguments: [
      (0, "0.0"), (99_999, "0.0"), (100_000, "0.1"), (999_999, "0.9"), (1_000_000, "1.0"),
      (285_449_999, "285.4"), (UInt64.max, "18446744073709.5"),
    ] as [(UInt64, String)])
  func megabyteText(_ bytes: UInt64, _ expected: String) {
    #expect(megabytes(bytes).string == expected)
  }

  @Test(
    arguments: [(0, "0.0 %"), (9, "0.9 %"), (123, "12.3 %"), (1000, "100.0 %")]
      as [(UInt64, String)])
  func percentText(_ thousandths: UInt64, _ expected: String) {
    #expect(percent(thousandths).string == expected)
  }
}
