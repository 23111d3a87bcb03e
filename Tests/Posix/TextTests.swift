import Posix
import Testing
import TestSupport

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

  @Test func errorsSayWhatWhereAndWhy() {
    let error = Failure("open", Path("/x\n"), .noSuchFile)
    #expect(error.description.string == "cannot open '/x\\x0a': No such file or directory")
    let nowhere = Failure("allocate memory", Path(), .outOfMemory)
    #expect(nowhere.description.string == "cannot allocate memory: Cannot allocate memory")
  }
}
