import BuildTools
import Posix
import TestSupport
import Testing

@testable import PythonStaging

struct RecordsTests {
  private let directory: TemporaryDirectory
  private let layout: Layout
  private let site = "lib/python3.11/site-packages"

  init() throws {
    directory = try TemporaryDirectory()
    layout = makeLayout(directory)
  }

  /// Rewrites the RECORD of a distribution that had these files, and returns its lines.
  private func rewrite(_ listed: [String]) throws -> [String] {
    let info = "\(site)/p-1.dist-info"
    let files = listed + ["\(info)/RECORD", "\(info)/direct_url.json", "\(info)/REQUESTED"]
    for name in ["RECORD", "direct_url.json", "REQUESTED"] {
      try write(["\(info)/\(name)": "old"], to: directory)
    }
    try rewriteRecords(
      layout, [Distribution(name: "p", version: "1", directory: "p-1.dist-info", files: files)],
      ByteCodeForm(replacesSource: false, optimization: 0), workers: 2)
    let bytes = try BuildTools.readFile(layout.root.appending("\(info)/RECORD"))
    #expect(bytes.last == UInt8(ascii: "\n"))
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test func filesHaveTheHashesOfNow() throws {
    try write(["\(site)/p/x.py": "abc", "bin/tool": ""], to: directory)
    let lines = try rewrite(["\(site)/p/x.py", "bin/tool", "\(site)/p/gone.py"])
    // sha256sum of "abc" and of nothing.
    #expect(
      lines == [
        "../../../bin/tool,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0",
        "p-1.dist-info/RECORD,,",
        "p/x.py,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3",
      ])
  }

  @Test func notesOfTheInstallerGo() throws {
    _ = try rewrite([])
    #expect(try directory.list("tree/\(site)/p-1.dist-info") == ["RECORD"])
  }

  @Test func byteCodeIsListedWithoutHash() throws {
    try write(
      [
        "\(site)/p/x.py": "", "\(site)/p/__pycache__/x.cpython-311.pyc": "",
        "\(site)/p/__pycache__/other.cpython-311.pyc": "", "\(site)/p/dropped.pyc": "",
      ], to: directory)
    let lines = try rewrite(["\(site)/p/x.py", "\(site)/p/dropped.py"])
    let names = lines.map { $0.split(separator: ",")[0] }
    #expect(
      names == [
        "p-1.dist-info/RECORD", "p/__pycache__/x.cpython-311.pyc", "p/dropped.pyc", "p/x.py",
      ])
    #expect(lines[1].hasSuffix(".pyc,,") && lines[2].hasSuffix(".pyc,,"))
  }

  @Test func namesAreQuotedAsInCSV() throws {
    try write(["\(site)/p/a,b": "", "\(site)/p/say \"x\"": ""], to: directory)
    let lines = try rewrite(["\(site)/p/a,b", "\(site)/p/say \"x\""])
    #expect(lines.contains { $0.hasPrefix("\"p/a,b\",sha256=") })
    #expect(lines.contains { $0.hasPrefix("\"p/say \"\"x\"\"\",sha256=") })
  }
}
