import FuzzTargets
import Posix
import TestSupport
import Testing

/// Inputs found by fuzzing, and the golden vectors. No target traps, and accepted inputs have the properties that
/// Tests/Fuzz lists. Each runs in its own process, because a trap ends it.
@Suite struct FuzzCorpusTests {
  @Test func trailers() async {
    await #expect(processExitsWith: .success) { try replay("trailer") }
  }

  @Test func records() async {
    await #expect(processExitsWith: .success) { try replay("record") }
  }

  @Test func manifests() async {
    await #expect(processExitsWith: .success) { try replay("manifest") }
  }

  @Test func archives() async {
    await #expect(processExitsWith: .success) { try replay("archive") }
  }

  @Test func librariesOfTheSystem() async {
    await #expect(processExitsWith: .success) { try replay("glibc") }
  }

  @Test func seals() async {
    await #expect(processExitsWith: .success) { try replay("seal") }
  }

  @Test func elfFiles() async {
    await #expect(processExitsWith: .success) { try replay("elf") }
  }

  @Test func specs() async {
    await #expect(processExitsWith: .success) { try replay("spec") }
  }

  @Test func thereIsACorpus() throws {
    #expect(
      Set(fuzzTargets.map(\.name)) == Set(try names(in: Repository.path("Tests/Fuzz/Corpus"))))
    for (name, _) in fuzzTargets {
      #expect(try names(in: Repository.path("Tests/Fuzz/Corpus/\(name)")).count > 10, "\(name)")
    }
  }

  @Test func theCorpusStaysSmall() throws {
    var bytes = 0
    for file in try Repository.files(below: "Tests/Fuzz/Corpus", suffix: "") {
      bytes += try readFile(Repository.path(file)).count
    }
    #expect(bytes < 500_000)
  }
}

private func replay(_ target: String) throws {
  defer { removeFuzzFiles() }
  let check = try #require(fuzzTargets.first { $0.name == target }).check
  for directory in ["Tests/Fuzz/Corpus", "Tests/Golden"] {
    let path = Repository.path("\(directory)/\(target)")
    // Not every target has golden vectors.
    guard try DirectoryHandle.current.statusIfExists(of: path) != nil else { continue }
    for name in try names(in: path) {
      // Shows the input if the next line traps.
      writeBytes([UInt8]("\(target)/\(name)\n".utf8), to: 2)
      check(try readFile(path.appending(name.utf8)))
    }
  }
}
