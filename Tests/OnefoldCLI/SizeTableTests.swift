import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import OnefoldCLI

@Suite struct SizeTableTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The rows by name. Also checks their sums.
  private func table(_ onefile: Onefile) throws -> [String: SizeRow] {
    try? directory.remove("onefile")
    let payload = try Payload.open(try directory.write("onefile", onefile.encoded()))
    let manifest = try payload.readManifest()
    let rows = try sizeTable(of: payload, manifest: manifest)
    #expect(rows.reduce(0) { $0 + $1.unpacked } == manifest.contentLength)
    #expect(rows.reduce(0) { $0 + $1.packed } == manifest.framesLength)
    #expect(rows.reduce(0) { $0 + $1.files } == manifest.fileCount)
    #expect(rows.map(\.packed) == rows.map(\.packed).sorted(by: >))
    let names = rows.map { String(decoding: $0.name, as: UTF8.self) }
    #expect(Set(names).count == names.count)
    return Dictionary(zip(names, rows)) { first, _ in first }
  }

  /// The names of rows, with the number of files in each. `records` are files as well.
  private func attribution(_ paths: [String], _ records: [String: String] = [:]) throws
    -> [String: Set<String>]
  {
    var files: [String: [UInt8]] = [:]
    for (number, path) in paths.enumerated() { files[path] = noise(100 + number) }
    for (path, text) in records { files[path] = [UInt8](text.utf8) }
    let onefile = Onefile(files: files)
    let rows = try table(onefile)
    let payload = try Payload.open(directory("onefile"))
    let owners = try FileOwners(payload, try payload.readManifest())
    var result: [String: Set<String>] = [:]
    for path in files.keys {
      let name = String(decoding: owners.name(of: [UInt8](path.utf8)), as: UTF8.self)
      result[name, default: []].insert(path)
    }
    #expect(rows.mapValues(\.files) == result.mapValues(\.count))
    return result
  }

  // MARK: Rows

  @Test func distributionsHaveWhatTheirListsName() throws {
    let site = "lib/python3.11/site-packages"
    let paths = [
      "\(site)/numpy/core.so", "\(site)/numpy.libs/libblas.so", "\(site)/numpy/unlisted/x",
      "\(site)/six.py", "\(site)/__pycache__/six.cpython-311.opt-1.pyc", "bin/f2py",
      "bin/python3.11", "lib/libpython3.11.so", "lib/python3.11/os.py", "include/python3.11/a.h",
      "lib/python3.11/__pycache__/os.cpython-311.pyc", "\(site)/ns/a.py", "\(site)/ns/b.py",
      "\(site)/ns/unlisted.txt", "\(site)/other/x.py", "static/page.html", "app.py",
    ]
    let numpy = "\(site)/numpy-2.4.6.dist-info/RECORD"
    let six = "\(site)/six-1.17.0.dist-info/RECORD"
    let records = [
      numpy: """
      numpy/core.so,sha256=x,1
      numpy.libs/libblas.so,,
      ../../../bin/f2py,sha256=x,2
      ns/a.py,,
      numpy-2.4.6.dist-info/RECORD,,
      """,
      six: "six.py,,\r\nns/b.py,,\r\n",
    ]
    #expect(
      try attribution(paths, records) == [
        "numpy 2.4.6": Set(
          [paths[0], paths[1], paths[2], paths[5], paths[11], numpy]),
        "six 1.17.0": [paths[3], paths[4], paths[12], six],
        "python 3.11": Set(paths[6...10]), "\(site)/ns/": [paths[13]],
        "\(site)/other/": [paths[14]], "static/": [paths[15]], "app.py": [paths[16]],
      ])
  }

  @Test func byteCodeOfAScriptIsTheScripts() throws {
    let site = "lib/python3.11/site-packages"
    let paths = [
      "\(site)/six.py", "\(site)/__pycache__/six.cpython-311.pyc", "\(site)/app.py",
      "\(site)/__pycache__/app.cpython-311.pyc", "tool.py", "__pycache__/tool.cpython-311.pyc",
    ]
    let six = "\(site)/six-1.17.0.dist-info/RECORD"
    #expect(
      try attribution(paths, [six: "six.py,,\n__pycache__/six.cpython-311.pyc,,\n"]) == [
        "six 1.17.0": [paths[0], paths[1], six], "\(site)/app.py": [paths[2], paths[3]],
        "tool.py": [paths[4], paths[5]],
      ])
  }

  @Test func listsAreReadAsTheyAreWritten() throws {
    let paths = ["s/a,b", "s/c\"d", "bin/up", "s/here/x", "outside", "s/plain", "s/last"]
    let rows = try attribution(
      paths,
      [
        "s/p-1.dist-info/RECORD": """
        "a,b",sha256=x,1
        "c""d",,
        ../bin/up,,
        ./here//x,,
        ../../outside,,
        /outside,,
        none,,

        ,,
        plain
        "last
        """
      ])
    #expect(rows["outside"] == ["outside"])
    #expect(rows.keys.sorted() == ["outside", "p 1"])
  }

  @Test func distributionsOfSeveralDirectories() throws {
    let rows = try attribution(
      ["_internal/lib.so", "_internal/yaml/a.so", "_internal/click-8.5.dist-info/METADATA", "run"])
    #expect(
      rows == [
        "_internal/lib.so": ["_internal/lib.so"], "_internal/yaml/": ["_internal/yaml/a.so"],
        "click 8.5": ["_internal/click-8.5.dist-info/METADATA"], "run": ["run"],
      ])
  }

  @Test func withoutPythonDirectoriesAtTheTopAreRows() throws {
    let rows = try attribution(["bin/node", "lib/a/b.js", "lib/c.js", "python3.11/x", "server.mjs"])
    #expect(
      rows == [
        "bin/": ["bin/node"], "lib/": ["lib/a/b.js", "lib/c.js"], "python3.11/": ["python3.11/x"],
        "server.mjs": ["server.mjs"],
      ])
  }

  @Test func twoInterpreters() throws {
    let rows = try attribution(
      ["py/bin/python", "py/lib/python3.11/os.py", "py/lib/python3.12/os.py", "bin/x"])
    #expect(
      rows == [
        "python 3.11": ["py/bin/python", "py/lib/python3.11/os.py"],
        "python 3.12": ["py/lib/python3.12/os.py"], "bin/": ["bin/x"],
      ])
  }

  @Test func listsInSeveralFramesAndTooLongOnes() throws {
    let text = [UInt8]("m/a,,\nm/b,,\n".utf8)
    var onefile = Onefile()
    onefile.frames = [Onefile.Frame(stored: Array(text[3...])), Onefile.Frame(stored: text)]
    onefile.segments = [
      Manifest.Segment(frame: 1, offset: 0, length: 3),
      Manifest.Segment(frame: 0, offset: 0, length: UInt64(text.count - 3)),
      Manifest.Segment(frame: nil, offset: 0, length: 65 << 20),
    ]
    let long = onefile.add("long-1.dist-info", .directory())
    let module = onefile.add("m", .directory())
    let short = onefile.add("short-1.dist-info", .directory())
    onefile.add(
      "RECORD", in: long, .file(size: 65 << 20, segments: 2..<3, hash: .zero))
    onefile.add("a", in: module, content: [1])
    onefile.add("b", in: module, content: [2])
    onefile.add(
      "RECORD", in: short, .file(size: UInt64(text.count), segments: 0..<2, hash: .zero))
    let rows = try table(onefile)
    #expect(rows.keys.sorted() == ["long 1", "short 1"])
    #expect(rows["short 1"]?.files == 3)
  }

  // MARK: Bytes

  private func file(_ size: UInt64, _ segments: Range<Int>) -> Onefile.Entry {
    .file(size: size, segments: segments, hash: .zero)
  }

  @Test func framesAreDividedInProportion() throws {
    var onefile = Onefile()
    // Only frames with lists are decoded.
    onefile.frames = [Onefile.Frame(stored: noise(100), rawLength: 1000, codec: .zstd)]
    onefile.segments = [
      Manifest.Segment(frame: 0, offset: 0, length: 700),
      Manifest.Segment(frame: 0, offset: 700, length: 200),
      Manifest.Segment(frame: 0, offset: 900, length: 100),
    ]
    onefile.add("a", file(700, 0..<1))
    onefile.add("b", file(200, 1..<2))
    onefile.add("c", file(100, 2..<3))
    let rows = try table(onefile)
    #expect(rows.mapValues(\.packed) == ["a": 70, "b": 20, "c": 10])
  }

  @Test func nothingIsLostByRounding() throws {
    var onefile = Onefile()
    onefile.frames = [Onefile.Frame(stored: noise(10), rawLength: 30, codec: .zstd)]
    for (number, name) in ["a", "b", "c"].enumerated() {
      onefile.segments.append(Manifest.Segment(frame: 0, offset: 10 * number, length: 10))
      onefile.add(name, file(10, number..<number + 1))
    }
    #expect(try table(onefile).values.map(\.packed).sorted() == [3, 3, 4])
  }

  @Test func sharedContentCountsForTheFirst() throws {
    var onefile = Onefile()
    let first = onefile.add("a", content: noise(50))
    onefile.add("b", file(50, 0..<1))
    onefile.add("c", .hardLink(first))
    onefile.add("d", .symlink([0x61]))
    let rows = try table(onefile)
    #expect(rows.mapValues(\.packed) == ["a": 50, "b": 0])
    #expect(rows.mapValues(\.unpacked) == ["a": 50, "b": 50])
  }

  @Test func framesThatNothingUsesAreARow() throws {
    var onefile = Onefile()
    onefile.frames = [Onefile.Frame(stored: noise(20)), Onefile.Frame(stored: noise(30))]
    onefile.segments = [
      Manifest.Segment(frame: 0, offset: 0, length: 5),
      Manifest.Segment(frame: 1, offset: 0, length: 5),
    ]
    onefile.add("a", file(5, 0..<1))
    #expect(try table(onefile).mapValues(\.packed) == ["a": 20, "(not used)": 30])
  }

  // MARK: Text

  private func row(_ name: String, _ unpacked: UInt64, _ packed: UInt64) -> SizeRow {
    SizeRow(name: [UInt8](name.utf8), unpacked: unpacked, packed: packed, files: 1234)
  }

  @Test func smallRowsAreOneLine() {
    let rows = [
      row("large", 200_000_000, 90_000_000), row("well packed\n", 12_345_678, 1),
      row("small", 999_999, 449_999), row("none", 0, 0),
    ]
    #expect(
      text(rows, all: false) == """
            unpacked      packed     files  name
            200.0 MB     90.0 MB     1,234  large
             12.3 MB      0.0 MB     1,234  well packed\\x0a
              0.9 MB      0.4 MB     2,468  2 others
            213.3 MB     90.4 MB     4,936  total

        """)
    #expect(text(rows, all: true).contains("     1,234  small\n"))
    #expect(!text(rows, all: true).contains("other"))
  }

  @Test func aTableOfNothing() {
    #expect(
      text([], all: false) == """
            unpacked      packed     files  name
              0.0 MB      0.0 MB         0  total

        """)
  }
}
