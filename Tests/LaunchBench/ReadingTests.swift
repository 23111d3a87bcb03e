import Posix
import Reporting
import Testing
import TestSupport

@testable import LaunchBench

/// Parsers: JSON, traces, command lines, answers, lists of mounts.
@Suite struct ReadingTests {
  private func parsed(_ text: String) -> JSONValue? { JSONValue(parsing: [UInt8](text.utf8)) }

  @Test func values() {
    #expect(
      parsed(" [1, -2.5e2, true, false, null, \"a\"] ")
        == .array([
          .number(1), .number(-250), .bool(true), .bool(false), .null, .string("a"),
        ]))
    #expect(parsed(#"{"a": {}, "b": [], "a": 2}"#) == .object(["a": .number(2), "b": .array([])]))
    #expect(parsed(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#) == .string("\"\\/\u{8}\u{C}\n\r\té😀"))
  }

  @Test(
    arguments: [
      "", "[", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "tru", "+1", ".5", "1e999", "nan",
      "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 2", "--1",
    ])
  func invalidJSON(_ text: String) { #expect(parsed(text) == nil) }

  @Test func depthHasALimit() {
    let deep = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
    #expect(parsed(deep) != nil)
    let deeper = String(repeating: "[", count: 100_000)
    #expect(parsed(deeper) == nil)
    #expect(JSONValue(parsing: [0x22, 0xFF, 0x22]) == nil)
  }

  // MARK: Traces

  private let trace = """
    [
    {"name":"process_name","ph":"M","pid":7,"tid":7,"args":{"name":"server"}},
    {"name":"read","ph":"X","cat":"phase","ts":1000.000,"dur":10.000,"pid":7,"tid":7,"args":{}},
    {"name":"unpack","ph":"X","cat":"phase","ts":1010.000,"dur":90.000,"pid":7,"tid":7,"args":{"bytes":500}},
    {"name":"read","ph":"X","cat":"phase","ts":1100.000,"dur":1.500,"pid":7,"tid":7,"args":{}},
    {"name":"hash","ph":"X","cat":"work","ts":1010.000,"dur":40.000,"pid":7,"tid":7,"args":{"bytes":5,"frame":0}},
    {"name":"frame","ph":"X","cat":"work","ts":1010.000,"dur":40.000,"pid":7,"tid":7,"args":{"frame":0}},
    {"name":"hash","ph":"X","cat":"work","ts":1030.000,"dur":40.000,"pid":7,"tid":8,"args":{"frame":1}},
    {"name":"hash","ph":"X","cat":"work","ts":1080.000,"dur":5.000,"pid":7,"tid":8,"args":{"frame":2}}
    ]
    """

  @Test func phasesAddUpAndStepsOverlap() throws {
    let trace = try #require(LaunchTrace(parsing: [UInt8](self.trace.utf8)))
    #expect(trace.duration == 101_500)
    #expect(trace.duration(ofPhase: "read") == 11_500)
    #expect(trace.duration(ofPhase: "unpack") == 90_000)
    #expect(trace.workers == 2)
    #expect(trace.work.count == 3)
    #expect(trace.sum("hash") == 85_000)
    // From 10 to 70 and from 80 to 85.
    #expect(trace.wall("hash") == 65_000)
    #expect(trace.wall("write") == 0)
    let samples = trace.samples(isCold: true)
    #expect(samples["cold-launch"] == 101_500)
    #expect(samples["cold-phase-read"] == 11_500)
    #expect(samples["cold-phase-seal"] == nil)
    #expect(samples["work-hash-wall"] == 65_000)
    #expect(trace.samples(isCold: false)["work-hash-sum"] == nil)
    for name in samples.keys { #expect(Metric.named(name) != nil, "\(name)") }
  }

  /// The names come from the bootloader's own writer, for every phase and step.
  @Test func theWritersNamesAreKnown() throws {
    let timeline: Timeline? = Timeline(.read)
    for name in Timeline.Name.allCases.prefix(while: { $0 != .prepare }) { timeline.begin(name) }
    let worker = timeline.makeWorkers(1)[0]
    worker.begin(frame: -1)
    worker.end(.prepare, bytes: 0)
    worker.begin(frame: 0)
    for name in [Timeline.Name.read, .hash, .decode] { worker.end(name, bytes: 1) }
    worker.endFrame(.write, bytes: 1)
    let text = try #require(timeline).chromeTrace(of: "test")
    let trace = try #require(LaunchTrace(parsing: text.bytes))
    #expect(Set(trace.phases.map(\.name)) == Set(Metric.phases))
    #expect(trace.work.map(\.name) == Metric.steps)
  }

  @Test(arguments: ["", "[]", "{}", #"[{"ph":"X","name":"read"}]"#])
  func invalidTraces(_ text: String) { #expect(LaunchTrace(parsing: [UInt8](text.utf8)) == nil) }

  // MARK: Command lines

  @Test(
    arguments: [
      ("a", ["a"]), ("  a\t b ", ["a", "b"]), ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
      ("a\\ b", ["a b"]), ("'a\\b'", ["a\\b"]), ("\"a\\\"b\"", ["a\"b"]),
      ("a '' b", ["a", "", "b"]),
      ("a=b'c'd", ["a=bcd"]),
    ])
  func wordsOfALine(_ text: String, _ expected: [String]) throws {
    #expect(try #require(words(of: Path(text))).map(\.string) == expected)
  }

  @Test(arguments: ["", "  ", "'a", "\"a", "a\\"])
  func invalidCommandLines(_ text: String) { #expect(words(of: Path(text)) == nil) }

  // MARK: Answers

  @Test(
    arguments: [
      ("HTTP/1.1 200 OK\r\n", 200), ("HTTP/1.0 503 \r\nA: b", 503), ("HTTP/1.1 204\r\n\r\n", 204),
      ("HTTP/1.1 200 OK", nil), ("HTTP/2 200\r\n", nil), ("220 mail\r\n", nil), ("\r\n", nil),
      ("HTTP/1.1 2000 OK\r\n", nil), ("", nil),
    ] as [(String, Int?)])
  func statuses(_ text: String, _ status: Int?) {
    #expect(HealthRequest.status(of: [UInt8](text.utf8)) == status)
  }

  // MARK: Files

  @Test func theFileSystemIsThatOfTheNearestMount() {
    let mounts = """
      22 1 0:21 / / rw - ext4 /dev/root rw
      23 22 0:22 / /tmp rw,nosuid shared:5 - tmpfs tmpfs rw
      24 22 0:23 / /tmp2 rw - btrfs /dev/x rw
      25 23 0:24 / /tmp rw - xfs /dev/y rw
      """
    #expect(fileSystem(of: "/var/tmp", in: mounts) == "ext4")
    #expect(fileSystem(of: "/tmp2/a", in: mounts) == "btrfs")
    #expect(fileSystem(of: "/tmp/a", in: mounts) == "xfs")
    #expect(fileSystem(of: "/tmp", in: "") == nil)
  }

  @Test func filesAreCountedOnce() throws {
    let directory = try TemporaryDirectory()
    try directory.write("a/b/file", [1, 2, 3])
    try directory.write("other", [4])
    try directory.symlink("link", to: "other")
    try DirectoryHandle.current.createHardLink(
      directory("again"), to: directory("a/b/file"), in: .current)
    let written = try Written(below: directory.path)
    #expect(written.files == 2)
    #expect(written.bytes == 4)
  }

  @Test func aWorkspaceIsRemoved() throws {
    let directory = try TemporaryDirectory()
    var workspace: Workspace? = try Workspace(in: directory.path)
    let first = try #require(workspace).makeDirectory("cache")
    try FileDescriptor.open(first.appending("file" as StaticString), .createNew, mode: 0o600)
      .close()
    #expect(try directory.list().count == 1)
    // Creating it again empties it.
    let second = try #require(workspace).makeDirectory("cache")
    #expect(second.elementsEqual(first))
    #expect(try names(in: second) == [])
    workspace = nil
    #expect(try directory.list() == [])
  }
}
