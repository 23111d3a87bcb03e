import PayloadFormat
import PayloadWriter
import Posix
import TestSupport
import Testing

@testable import AppSpec

/// The format and the packer accept every value that a spec's `[app]`, `[launch]` and `[archive]` allow.
@Suite struct SpecTests {
  private func type(_ table: String, _ key: String) -> Schema.ValueType? {
    Schema.table(table)?.keys.first { $0.name == key }?.type
  }

  @Test func codecs() {
    guard case .choice(let names)? = type("archive", "codec") else {
      Issue.record("not a choice")
      return
    }
    let codecs = Codec.allCases.map { $0.name.description }
    #expect(names.sorted() == codecs.sorted())
  }

  @Test func frameSizes() {
    guard case .integer(let range)? = type("archive", "frame-size") else {
      Issue.record("not an integer")
      return
    }
    let sizes = Compression.frameSizes
    #expect(range == (sizes.lowerBound >> 10)...(sizes.upperBound >> 10))
    let text = Schema.table("archive")?.keys.first { $0.name == "frame-size" }?.defaultText
    #expect(text == "`\(Compression.defaultFrameSize >> 10)`")
  }

  @Test func policiesOfTheLaunch() {
    guard case .choice(let checks)? = type("launch", "check"),
      case .booleanOrChoice(let deaths)? = type("launch", "die-with-parent"),
      case .integer(let days)? = type("launch", "keep")
    else {
      Issue.record("other types")
      return
    }
    #expect(checks == CheckPolicy.allCases.map { "\($0.name)" })
    #expect(deaths == ParentDeath.allCases.map { "\($0.name)" })
    #expect(days == 0...LaunchRecord.longestKeep)
  }

  @Test(
    arguments: [
      "a", "A-z.0_+", ".a", "-a", "", "a b", "\u{E9}", "a/b", "a\n",
      String(repeating: "x", count: 64), String(repeating: "x", count: 65),
    ])
  func names(_ name: String) {
    #expect(isApplicationName(name) == LaunchRecord.isName([UInt8](name.utf8).span))
  }

  /// A spec is stricter: it allows no C1 control characters.
  @Test(arguments: ["", "1.0", "a\u{1F}", "\u{7F}", String(repeating: "x", count: 129)])
  func versions(_ version: String) {
    #expect(isVersionText(version) == LaunchRecord.isText([UInt8](version.utf8).span))
  }
}
