import Glibc
import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import Launcher

@Suite struct VerbTests {
  @Test func theHelpHasEveryVerb() {
    let text = Verb.helpText.string
    for verb in Verb.allCases {
      let name = verb.name.description
      #expect(text.contains("\n  \(name) "), "\(name)")
      #expect(Verb.list.string.split(separator: ", ").contains(name[...]))
    }
    #expect(Verb.list.string.split(separator: ", ").count == Verb.allCases.count)
  }

  /// The running program is the test itself, which holds no payload.
  @Test func theOwnFileIsRead() throws {
    let path = try DirectoryHandle.current.symlinkTarget(of: Path("/proc/self/exe"))
    let error = #expect(throws: Failure.self) { try OwnExecutable().read() }
    #expect(error?.kind == .noPayload)
    #expect(error?.message.string.contains(path.string) == true)
  }

  @Test func theParentIsWatched() async {
    // The parent of the process is the test runner, which keeps running.
    await #expect(processExitsWith: .exitCode(0)) {
      let watch = try ParentWatch()
      try watch.set(.term)
      try watch.set(.kill)
      exit(0)
    }
  }
}
