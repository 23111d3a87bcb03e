import Glibc
import Posix
import TestSupport
import Testing

@Suite struct ProcessTests {
  @Test func factsOfTheProcess() throws {
    #expect(ProcessContext.processorCount >= 1)
    #expect(!ProcessContext.isSecure)
    #expect(try ProcessContext.workingDirectory().isAbsolute)
    #expect(MonotonicClock.now > 0)
  }

  @Test func environment() async {
    await #expect(processExitsWith: .success) {
      setenv("ONEFOLD_TEST", "a=\u{E9}", 1)
      let value = try #require(ProcessContext.environment("ONEFOLD_TEST"))
      try #require(value.string == "a=\u{E9}")
      let entries = ProcessContext.environmentEntries().map(\.string)
      try #require(entries.contains("ONEFOLD_TEST=a=\u{E9}"))
      unsetenv("ONEFOLD_TEST")
      try #require(ProcessContext.environment("ONEFOLD_TEST") == nil)
    }
  }

  @Test func executingGivesArgumentsAndEnvironmentAsTheyAre() async throws {
    let result = try #require(
      await #expect(processExitsWith: .exitCode(7), observing: [\.standardOutputContent]) {
        _ = ProcessContext.execute(
          Path("/bin/sh"),
          arguments: [
            Path("sh"), Path("-c"), Path("printf '<%s>' \"$@\" \"$V\"; exit 7"), Path("-"),
            Path("a b"), Path(), Path("\n"),
          ],
          environment: [Path("V=x=y")])
      })
    let output = String(decoding: result.standardOutputContent, as: UTF8.self)
    #expect(output.hasSuffix("<a b><><\n><x=y>"))
  }

  @Test func failedExecutionsReturn() {
    let error = ProcessContext.execute(Path("/nonexistent"), arguments: [], environment: [])
    #expect(error.errno == .noSuchFile)
    #expect(
      error.description.string == "cannot execute '/nonexistent': No such file or directory")
  }
}
