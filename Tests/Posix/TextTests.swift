import Posix
import TestSupport
import Testing

@Suite struct TextTests {
  @Test func interpolation() {
    let text: Text = "a"
    let name: StaticString = "b"
    let made: Text =
      "\(text)-\(name)-\(UInt64.max)-\(Int.min)-\(-1)-\(Int32(7))-\(0)"
    #expect(made.string == "a-b-18446744073709551615--9223372036854775808--1-7-0")
  }

  @Test func appending() {
    var text: Text = ""
    #expect(text.isEmpty)
    text += "ab"
    text.append(number: 120)
    text.append(literal: "é")
    #expect((text + "!").string == "ab120é!")
    #expect(text.bytes.count == 7)
  }

  @Test func padding() {
    var text: Text = "ab"
    text.pad(to: 4)
    #expect(text.string == "ab  ")
    text.pad(to: 2)
    #expect(text.string == "ab  ")
  }

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

  @Test func errorsSayWhatWhereAndWhy() {
    let error = Failure("open", Path("/x\n"), .noSuchFile)
    #expect(error.description.string == "cannot open '/x\\x0a': No such file or directory")
    let nowhere = Failure("allocate memory", Path(), .outOfMemory)
    #expect(nowhere.description.string == "cannot allocate memory: Cannot allocate memory")
  }
}
