import BuildTools
import Posix
import Processes
import Testing
import TestSupport

@testable import PythonStaging

/// `Python/requirements.py`, which reads requirements files.
struct RequirementsTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private struct Flat {
    var facts: Facts
    var text: String
  }

  private func flatten(
    _ text: String, excluding excluded: [String] = [], _ more: [String: String] = [:]
  )
    throws -> Flat
  {
    for (name, content) in more { try directory.write(name, [UInt8](content.utf8)) }
    let input = directory("in.txt")
    try writeFile(input, text)
    let output = directory("out.txt")
    let result = try runHelper(
      Path("python3"), Helper.requirements,
      [Path("flatten"), output, Path(excluded.joined(separator: ",")), input])
    try #require(result.succeeded, Comment(rawValue: lastLines(result.errors)))
    return Flat(
      facts: Facts(result.output),
      text: String(decoding: try BuildTools.readFile(output), as: UTF8.self))
  }

  @Test func optionsStayAndCommentsGo() throws {
    let flat = try flatten(
      "# first\n--index-url https://x.example/#frag\n\none==1 # why\ntwo[a, b] >=2 ; python_version < '4'\n"
    )
    #expect(
      flat.text
        == "--index-url https://x.example/#frag\none==1\ntwo[a, b] >=2 ; python_version < '4'\n")
    #expect((flat.facts["hashed"], flat.facts["count"]) == ("no", "2"))
  }

  @Test(arguments: [
    "-r more/b.txt", "-rmore/b.txt", "--requirement=more/b.txt", "--requirement more/b.txt",
  ])
  func includedFilesAreTakenIn(_ line: String) throws {
    let flat = try flatten(
      "one\n\(line)\n", ["more/b.txt": "two\n-r ../c.txt\n-c limits.txt\n", "c.txt": "three\n"])
    #expect(flat.text == "one\ntwo\nthree\n-c \(directory("more/limits.txt").string)\n")
  }

  @Test func aFileThatIncludesItselfIsReadOnce() throws {
    #expect(try flatten("one\n-r in.txt\n").text == "one\n")
  }

  @Test(arguments: ["-e LIB", "--editable LIB[a]", "--editable=LIB", "LIB"])
  func localProjectsAreReported(_ line: String) throws {
    let library = directory("lib").string
    let flat = try flatten(
      "\(line.replacing("LIB", with: library))\n",
      ["lib/pyproject.toml": "[project]\nname = 'L.ib'"])
    #expect((flat.text, flat.facts["count"]) == ("", "0"))
    let locals = LocalProject.all(flat.facts)
    #expect(locals.map(\.path.string) == [try realPath(directory("lib"))])
    #expect(locals[0].name == "l-ib")
    #expect(locals[0].extras == (line.contains("[") ? ["a"] : []))
    #expect(locals[0].isNeeded)
    #expect(locals[0].place == "\(directory("in.txt").string):1")
  }

  @Test(arguments: ["-e git+https://x.example/a", "--editable=git+https://x.example/a"])
  func editableRequirementsBecomeOrdinary(_ line: String) throws {
    let flat = try flatten("\(line)\n")
    #expect((flat.text, flat.facts["count"]) == ("git+https://x.example/a\n", "1"))
  }

  @Test func continuedLinesAreJoined() throws {
    let flat = try flatten("one==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n")
    #expect(flat.text.split(separator: " ").count == 3)
    #expect(flat.facts["hashed"] == "yes")
    #expect(flat.facts["unhashed"] == nil)
  }

  @Test func partialHashesAreReported() throws {
    let flat = try flatten("one==1 --hash=sha256:aa\n-r more.txt\n", ["more.txt": "\ntwo==2\n"])
    #expect(flat.facts["unhashed"] == "\(directory("more.txt").string):2 two==2")
  }

  /// Linux allows no longer argument (MAX_ARG_STRLEN).
  @Test func theProgramIsShortEnoughForAnArgument() {
    for program in Helper.all { #expect(program.utf8.count < 128 << 10) }
  }

  // MARK: Builds

  @Test func aPathThatLeadsFromOneDirectoryAlone() throws {
    #expect(pathOnlyFrom("/a/b/c", to: "/a/out/x") == "../c/../../b/c/../../out/x")
    #expect(pathOnlyFrom("/a/b", to: "/a/b/out/x") == "../b/../../a/b/out/x")
    #expect(pathOnlyFrom("/app", to: "/out/x") == "../app/../app/../out/x")
    try directory.write("p/project/setup.py", [])
    try directory.write("out/x", [])
    try directory.write("q/other/setup.py", [])
    let path = pathOnlyFrom(
      try realPath(directory("p/project")), to: try realPath(directory("out")) + "/x")
    #expect(exists(directory("p/project").appending(Path(path).bytes)))
    #expect(!exists(directory("q/other").appending(Path(path).bytes)))
  }

  @Test func pathsAsURLs() {
    #expect(fileURL(Path("/a b/ä#1+x.whl")) == "file:///a%20b/%C3%A4%231+x.whl")
  }

  // MARK: Excluding

  @Test(arguments: [
    "b @ https://x.example/b.whl", "B==1", "b[extra]>=1", "-e b", "b;python_version>'3'",
    "b==1 # a",
  ])
  func excludedButRequestedRequirementsAreReported(_ line: String) throws {
    #expect(
      try flatten("a\n\(line)\n", excluding: ["b"]).facts["required"]
        == "b \(directory("in.txt").string):2")
  }

  @Test(arguments: ["git+https://x.example/b", "--no-binary b", "bb", "a b"])
  func othersAreNotMistakenForIt(_ line: String) throws {
    let flat = try flatten("\(line)\n", excluding: ["b"])
    #expect(flat.facts["required"] == nil)
    #expect(flat.text == "\(line)\n")
  }

  /// a needs b and d; b needs c and d; c and e need each other.
  private static let locked: [(name: String, via: [String])] = [
    ("a", ["-r requirements.in"]), ("b", ["a"]), ("c", ["b", "e"]), ("d", ["a", "b"]), ("e", ["c"]),
  ]

  private static let styles: [@Sendable (String, [String]) -> String] = [
    { "\($0)==1 \\\n    --hash=sha256:aa\n    # via \($1.joined(separator: "\n    #   "))\n" },
    {
      "\($0)==1 \\\n    --hash=sha256:aa\n    # via\n    #   \($1.joined(separator: "\n    #   "))\n"
    },
    { "\($0)==1 --hash=sha256:aa  # via \($1.joined(separator: ", "))\n" },
    { "\($0)==1  # via \($1.joined(separator: ", "))\n" },
    {
      "\($0)==1\n    # via\n    #   -c limits.txt\n    #   \($1.joined(separator: "\n    #   "))\n"
    },
  ]

  @Test(arguments: 0..<5)
  func dependenciesOfOnlyTheExcludedGoToo(_ style: Int) throws {
    let text = Self.locked.map { Self.styles[style]($0.name, $0.via) }.joined()
    let flat = try flatten(text, excluding: ["b"])
    #expect(flat.facts.all("dropped") == ["b", "c", "e"])
    #expect(flat.facts["required"] == nil)
    #expect(flat.facts["count"] == "2")
    #expect(flat.text.split(separator: "\n").map { $0.prefix(1) } == ["a", "d"])
    #expect(try flatten(text).facts.all("dropped").isEmpty)
  }

  @Test(arguments: ["-r main.in", "app (pyproject.toml)"])
  func requestedDistributionsStay(_ asker: String) throws {
    let text = Self.locked.map { name, via in
      Self.styles[1](name, name == "c" ? via + [asker] : via)
    }.joined()
    #expect(try flatten(text, excluding: ["b"]).facts.all("dropped") == ["b"])
    #expect(
      try flatten(text, excluding: ["c"]).facts["required"]?.hasPrefix("c ") == true)
  }

  @Test func withoutCommentsOnlyTheExcludedGoes() throws {
    let flat = try flatten(
      "a==1 --hash=sha256:aa\nb==1 --hash=sha256:bb\n", excluding: ["b"])
    #expect(flat.facts.all("dropped") == ["b"])
    #expect(flat.facts["required"] == nil)
  }
}
