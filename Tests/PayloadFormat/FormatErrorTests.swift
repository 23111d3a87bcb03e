import PayloadFormat
import TestSupport
import Testing

@Suite struct FormatErrorTests {
  private func text(_ error: FormatError) -> String {
    String(decoding: error.message, as: UTF8.self)
  }

  @Test func everyFaultHasItsOwnMessage() {
    var faults: [String: FormatError.Fault] = [:]
    for fault in FormatError.Fault.allCases {
      let message = text(FormatError(fault))
      #expect(faults[message] == nil, "\(fault) says the same as another")
      #expect(!message.isEmpty && !message.hasSuffix("."), "\(fault)")
      #expect(message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(fault)")
      faults[message] = fault
    }
  }

  @Test func theIndexIsNamedWithItsUnit() {
    #expect(
      text(FormatError(.entryName, 3)) == "an entry's name is not a valid file name (entry 3)")
    #expect(
      text(FormatError(.frameCodec, 0))
        == "a frame needs a newer reader: its codec is unknown (frame 0)")
    #expect(text(FormatError(.segmentHole, 10)) == "a hole has an offset (segment 10)")
    #expect(text(FormatError(.sectionOrder, 63)) == "the sections are out of order (section 63)")
    #expect(
      text(FormatError(.recordNul, 1234))
        == "a value of the launch record holds a NUL (field 1234)")
    #expect(text(FormatError(.trailerMagic)) == "there is no trailer")
  }
}
