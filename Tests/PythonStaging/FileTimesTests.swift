import Posix
import TestSupport
import Testing

@testable import PythonStaging

struct FileTimesTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func time(of name: String) throws -> Int64 {
    try DirectoryHandle.current.status(of: directory("tree").appending(name)).modified.seconds
  }

  /// A new file can reuse the inode of a removed one. Here a file with another time stands for it.
  @Test func filesOfAnotherTimeAreNotSettled() throws {
    for name in ["old", "new"] { try directory.write("tree/\(name)", [1]) }
    try settle(directory("tree"), others: 1_000_000_000)
    let settled = try SettledFiles(directory("tree"))
    try FileDescriptor.open(directory("tree/new"), .read).setModificationTimeToNow()
    try settle(directory("tree"), others: 1_100_000_000, settled: settled)
    #expect(try time(of: "old") == 1_000_000_000)
    #expect(try time(of: "new") == 1_100_000_000)
  }

  @Test func distributionsDecideTheirTimes() {
    let time = FileTimes.ofDistribution("notes", "1.0")
    #expect(time == FileTimes.ofDistribution("notes", "1.0"))
    #expect(time != FileTimes.ofDistribution("notes", "1.1"))
    #expect(time != FileTimes.ofDistribution("notes", "1.0", origin: "{}"))
    for name in ["a", "b", "c", "d", "e", "f"] {
      let time = FileTimes.ofDistribution(name, "1")
      #expect(time >= FileTimes.earliest && time < FileTimes.earliest + 1 << 28)
      #expect((time - FileTimes.earliest).isMultiple(of: 2))
    }
  }
}
