import FuzzTargets
import PayloadFormat
import Testing

@Suite struct LaunchRecordTests {
  private static func full() -> LaunchRecord {
    var record = LaunchRecord(
      name: bytes("app"), entry: bytes("bin/app"), target: bytes("x86_64-linux"))
    record.version = bytes("1.2 é")
    record.arguments = [bytes("-c"), [], [0xFF, 0x0A]]
    record.variables = [bytes("A=1"), bytes("B="), bytes("C=a=b")]
    record.removedVariables = [bytes("LD_PRELOAD"), bytes("X")]
    record.packer = bytes("onefold 9")
    record.glibc = GlibcVersion(2, 36).map {
      GlibcRequirement(version: $0, file: bytes("lib/a b.so"))
    }
    record.check = .files
    record.keepDays = 30
    record.parentDeath = .term
    record.listen = bytes("unix:{env:DIR}/s")
    record.handover = .port
    record.takenAddress = .free
    record.instance = .replace
    record.instanceKey = bytes("{env:DIR}")
    record.commands = [
      LaunchRecord.Command(name: bytes("a"), entry: bytes("bin/a"), arguments: [[], bytes("-x")]),
      LaunchRecord.Command(name: bytes("b"), entry: bytes("b"), arguments: []),
    ]
    return record
  }

  private static func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

  @Test func roundTrip() throws {
    let record = LaunchRecordTests.full()
    #expect(try LaunchRecord(parsing: record.encoded().span) == record)
  }

  @Test func roundTripOfTheSmallest() throws {
    let record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
    #expect(try LaunchRecord(parsing: record.encoded().span) == record)
  }

  @Test func argumentsKeepTheirOrder() throws {
    var record = LaunchRecordTests.full()
    record.arguments = (0..<300).map { LaunchRecordTests.bytes("\($0 * 7919 % 300)") }
    #expect(try LaunchRecord(parsing: record.encoded().span).arguments == record.arguments)
  }

  /// In its own process, because a trap ends it.
  @Test func everyMutationIsRefusedOrStillSound() async {
    await #expect(processExitsWith: .success) {
      for (bytes, _) in mutations(of: LaunchRecordTests.full().encoded()) { checkRecord(bytes) }
    }
  }

  @Test func everyCutIsRefused() {
    let bytes = LaunchRecordTests.full().encoded()
    for count in 0..<bytes.count {
      #expect(throws: FormatError.self) {
        try LaunchRecord(parsing: bytes.span.extracting(0..<count))
      }
    }
  }

  @Test func glibcVersions() throws {
    let texts = ["0.0", "2.9", "2.10", "2.36", "3.0", "999.999"]
    let versions = try texts.map { try #require(version($0)) }
    #expect(versions == versions.shuffled().sorted())
    #expect(versions.map { String(decoding: $0.text, as: UTF8.self) } == texts)
    for text in ["", "2", "2.", ".2", "2.2.5", "02.1", "2.01", "00.0", "1000.0", "2.-1", "2.3 "] {
      #expect(version(text) == nil, "\(text)")
    }
    #expect(GlibcVersion(1000, 0) == nil && GlibcVersion(2, -1) == nil)
  }

  // MARK: Policies

  @Test func roundTripOfEveryPolicy() throws {
    var record = LaunchRecordTests.full()
    for check in CheckPolicy.allCases.map(Optional.some) + [nil] {
      for days in [0, 1, 9, 10, 365, 9_999, LaunchRecord.longestKeep, nil] {
        for death in ParentDeath.allCases.map(Optional.some) + [nil] {
          record.check = check
          record.keepDays = days
          record.parentDeath = death
          record.reuse.toggle()
          record.handover = record.reuse ? .port : .descriptor
          record.takenAddress = record.reuse ? .fail : .free
          record.instance = record.reuse ? .single : death == nil ? nil : .replace
          #expect(try LaunchRecord(parsing: record.encoded().span) == record)
        }
      }
    }
  }

  @Test(arguments: [-1, LaunchRecord.longestKeep + 1, Int.max])
  func daysOutOfRangeAreRefused(_ days: Int) {
    var record = LaunchRecordTests.full()
    record.keepDays = days
    #expect(throws: FormatError.self) { try LaunchRecord(parsing: record.encoded().span) }
  }

  /// Names are written into files: after a change, files of other releases would be unreadable.
  @Test func namesOfPolicies() {
    #expect(CheckPolicy.allCases.map { "\($0.name)" } == ["seal", "dirs", "files", "full"])
    #expect(ParentDeath.allCases.map { "\($0.name)" } == ["kill", "term"])
    #expect(Handover.allCases.map { "\($0.name)" } == ["descriptor", "port"])
    #expect(TakenAddress.allCases.map { "\($0.name)" } == ["fail", "free"])
    #expect(InstancePolicy.allCases.map { "\($0.name)" } == ["single", "replace"])
    for policy in CheckPolicy.allCases {
      #expect(CheckPolicy(named: "\(policy.name)".utf8) == policy)
    }
    for death in ParentDeath.allCases { #expect(ParentDeath(named: "\(death.name)".utf8) == death) }
    for name in ["", "Full", "ful", "full ", "kill"] {
      #expect(CheckPolicy(named: name.utf8) == nil, "\(name)")
    }
    for name in ["", "1", "KILL", "SIGKILL", "kil", "terminate", "full"] {
      #expect(ParentDeath(named: name.utf8) == nil, "\(name)")
    }
  }

  private func version(_ text: String) -> GlibcVersion? {
    GlibcVersion(parsing: [UInt8](text.utf8).span)
  }

  // MARK: Placeholders

  @Test(
    arguments: [
      ("", ""), ("plain", "plain"), ("{root}", "/r"), ("{exe}", "/x/e"),
      ("a{root}b{exe}c", "a/rb/x/ec"), ("{root}{root}", "/r/r"), ("{{root}}", "{root}"),
      ("{{exe}}", "{exe}"), ("{{root}}{root}", "{root}/r"), ("{{{root}}}", "{{root}}"),
      ("{root", "{root"), ("root}", "root}"), ("{ROOT}", "{ROOT}"), ("{roots}", "{roots}"),
      ("{}", "{}"), ("{{", "{{"), ("{{}}", "{{}}"), ("{{root}", "{/r"), ("{root}}", "/r}"),
      ("{{{exe}}", "{{exe}"), ("${root}", "$/r"), ("{{{{root}}}}", "{{{root}}}"),
    ] as [(String, String)])
  func expansion(_ value: String, _ expected: String) {
    let result = Placeholders(root: "/r".utf8, executable: "/x/e".utf8).filled([UInt8](value.utf8))
    #expect(String(decoding: result, as: UTF8.self) == expected)
  }

  @Test func insertedTextIsNotSearchedAgain() {
    let placeholders = Placeholders(root: "/{exe}".utf8, executable: "/{{root}}".utf8)
    let result = placeholders.filled([UInt8]("{root}:{exe}".utf8))
    #expect(String(decoding: result, as: UTF8.self) == "/{exe}:/{{root}}")
  }

  @Test func invalidUTF8Stays() {
    let result = Placeholders(root: [0x2F], executable: [0x2F]).filled([0xFF, 0x7B, 0x80])
    #expect(result == [0xFF, 0x7B, 0x80])
  }

  // MARK: Variables of the launch

  @Test(
    arguments: [
      ("A=", "A="), ("A=b", "A=b"), ("A={root}:{exe}", "A=/r:/x/e"), ("A={env:HOME}", "A=/home/u"),
      ("A={env:HOME}/{env:HOME}", "A=/home/u//home/u"), ("A={{env:HOME}}", "A={env:HOME}"),
      ("A={{root}}{{env:HOME}}{env:HOME}", "A={root}{env:HOME}/home/u"),
      // Not a valid name.
      ("A={env:}", "A={env:}"), ("A={env:1}", "A={env:1}"), ("A={env:A-B}", "A={env:A-B}"),
      ("A={env:HOME", "A={env:HOME"), ("A={{env:HOME}", "A={/home/u"),
      ("A={ENV:HOME}", "A={ENV:HOME}"),
      // Inserted text is not searched again.
      ("A={env:ODD}", "A={root}{env:HOME}"),
      // Lists have no empty elements.
      ("A={env:NONE}", "A="), ("A={root}:{env:NONE}", "A=/r"), ("A={env:NONE}:{root}", "A=/r"),
      ("A=a:{env:NONE}:b", "A=a:b"), ("A={env:EMPTY}:{env:NONE}", "A="), ("A=::{env:NONE}", "A=:"),
      ("A={env:NONE}{env:HOME}", "A=/home/u"), ("A=x{env:NONE}:y", "A=x:y"),
      // A list is extended only once.
      ("LIST={root}:{env:LIST}", "LIST=/r:a:b"), ("LIST=b:{env:LIST}", "LIST=b:a:b"),
      ("LIST=a:{env:LIST}", "LIST=a:b"), ("LIST={env:LIST}:b", "LIST=a:b"),
      ("LIST=a:{env:LIST}:b", "LIST=a:a:b:b"), ("LIST=a{env:LIST}b", "LIST=a:b"),
      ("OTHER=a:{env:LIST}", "OTHER=a:a:b"), ("LIST={env:LIST}", "LIST=a:b"),
      ("LIST=a:b:{env:LIST}", "LIST=a:b:a:b"), ("LIST={env:LIST}{env:LIST}", "LIST=a:b"),
      // The directories that are searched without a PATH.
      ("PATH={root}/bin:{env:PATH}", "PATH=/r/bin:/usr/local/bin:/usr/bin:/bin"),
      ("A={env:PATHS}", "A="),
    ] as [(String, String)])
  func variables(_ value: String, _ expected: String) {
    let environment = ["HOME": "/home/u", "ODD": "{root}{env:HOME}", "EMPTY": "", "LIST": "a:b"]
    let result = LaunchRecord.expandVariable(
      [UInt8](value.utf8), Placeholders(root: "/r".utf8, executable: "/x/e".utf8)
    ) { name in environment[String(decoding: name, as: UTF8.self)].map { [UInt8]($0.utf8) } }
    #expect(String(decoding: result, as: UTF8.self) == expected)
  }
}
