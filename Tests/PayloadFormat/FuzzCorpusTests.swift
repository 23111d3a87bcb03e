import FuzzTargets
import Posix
import TestSupport
import Testing

/// Inputs that fuzzing found, and the golden vectors: no parser traps, and what it accepts has the
/// properties of Tests/Fuzz/Properties.swift. Each in a process of its own, because a trap ends it.
@Suite struct FuzzCorpusTests {
  @Test func trailers() async {
    await #expect(processExitsWith: .success) { try replay("trailer", checkTrailer) }
  }

  @Test func records() async {
    await #expect(processExitsWith: .success) { try replay("record", checkRecord) }
  }

  @Test func manifests() async {
    await #expect(processExitsWith: .success) { try replay("manifest", checkManifest) }
  }

  @Test func thereIsACorpus() throws {
    for parser in ["trailer", "record", "manifest"] {
      #expect(try names(in: Repository.path("Tests/Fuzz/Corpus/\(parser)")).count > 10)
    }
  }

  @Test func theCorpusStaysSmall() throws {
    var bytes = 0
    for file in try Repository.files(below: "Tests/Fuzz/Corpus", suffix: "") {
      bytes += try readFile(Repository.path(file)).count
    }
    #expect(bytes < 300_000)
  }
}

private func replay(_ parser: String, _ check: ([UInt8]) -> Void) throws {
  for directory in ["Tests/Fuzz/Corpus", "Tests/Golden"] {
    let path = Repository.path("\(directory)/\(parser)")
    for name in try names(in: path) {
      // Shows the culprit where the next line traps.
      writeBytes([UInt8]("\(parser)/\(name)\n".utf8), to: 2)
      check(try readFile(path.appending(name.utf8)))
    }
  }
}
