import PayloadFormat
import TestSupport
import Testing

@testable import Insight

/// Surprises of trees whose files have the name of their first directory as owner.
@Suite struct SurpriseTests {
  private let site = "lib/python3.11/site-packages"
  /// Most of a tree, so that small files are no surprise.
  private let rest = ["rest/rest.so": [UInt8](repeating: 1, count: 20_000_000)]

  private func content(_ count: Int, _ byte: UInt8 = 7) -> [UInt8] {
    [UInt8](repeating: byte, count: count)
  }

  private func find(
    _ files: [String: [UInt8]], kind: Composition.Kind = .distribution,
    debug: [String: UInt64] = [:]
  ) throws -> [Surprise] {
    let onefile = Onefile(files: files.merging(rest) { $1 })
    let manifest = try Manifest(parsing: onefile.manifest())
    let tree = MeasuredTree(manifest) { path in
      let text = String(decoding: path, as: UTF8.self)
      let below = text.hasPrefix(site) ? text.dropFirst(site.utf8.count + 1) : text[...]
      return [UInt8](below.prefix { $0 != "/" && $0 != "." }.utf8) + " 1.0".utf8
    }
    var entries: [Int: UInt64] = [:]
    for index in 0..<manifest.entryCount {
      entries[index] = debug[String(decoding: manifest.path(of: index), as: UTF8.self)]
    }
    return surprises(in: tree, kinds: tree.owners.map { _ in kind }, debug: entries)
  }

  @Test func aTreeWithoutAnyHasNone() throws {
    #expect(try find(["\(site)/a/a.py": content(3_000_000)]) == [])
    // Below the limits: in bytes, and as a share.
    #expect(try find(["\(site)/a/include/a.h": content(900_000)]) == [])
    let large = [UInt8](repeating: 2, count: 60_000_000)
    #expect(
      try find(["rest/other.so": large, "\(site)/a/include/a.h": content(1_100_000)]).map(\.kind)
        == [])
  }

  @Test func eachKindOfFiles() throws {
    let cases: [(path: String, Surprise.Kind, remove: String)] = [
      ("a/include/x.h", .sources, "a/**/*.h"), ("a/lib/libx.a", .staticLibraries, "a/**/*.a"),
      ("a/static/x.js.map", .sourceMaps, "a/**/*.map"),
      ("a/locale/de/x.mo", .translations, "a/locale"),
      ("a/de.po", .translations, "a/**/*.po"), ("a/docs/guide.pdf", .documentation, "a/docs"),
      ("a/model.onnx", .data, "a/model.onnx"),
    ]
    for (path, kind, remove) in cases {
      let found = try find(["\(site)/\(path)": content(4_000_000)])
      #expect(found.map(\.kind) == [kind], "\(path)")
      #expect(found.first?.remove == ["\(site)/\(remove)"], "\(path)")
      #expect(found.first?.size == Composition.Size(unpacked: 4_000_000, packed: 4_000_000))
      #expect(found.first?.paths == ["\(site)/\(path)"])
    }
    for path in ["a/docs/module.py", "a/examples/__init__.pyc", "a/libx.so.1"] {
      #expect(try find(["\(site)/\(path)": content(4_000_000)]) == [], "\(path)")
    }
  }

  @Test func dataFilesOfADirectoryCountTogether() throws {
    var files: [String: [UInt8]] = [:]
    for number in 0..<4 {
      files["\(site)/a/models/\(number).onnx"] = content(600_000 + number)
    }
    files["\(site)/a/models/more/x.onnx"] = content(500_000)
    files["\(site)/a/models/__init__.py"] = content(10)
    let found = try find(files)
    #expect(found.map(\.title) == ["data in \(site)/a/models"])
    #expect(found.first?.remove == ["\(site)/a/models"])
    #expect(found.first?.files == 4)
    #expect(found.first?.size.unpacked == 2_400_006)
    #expect(found.first?.paths.first == "\(site)/a/models/3.onnx")
  }

  @Test func testsAreDirectoriesWithTestModules() throws {
    var files = ["\(site)/a/tests/data.bin": content(4_000_000)]
    #expect(try find(files).map(\.kind) == [.data])
    files["\(site)/a/tests/unit/test_x.py"] = content(10)
    let found = try find(files)
    #expect(found.map(\.kind) == [.tests])
    #expect(found.map(\.title) == ["tests of a 1.0"])
    #expect(found.map(\.files) == [2])
    #expect(found.map(\.remove) == [["\(site)/a/tests"]])
    files["\(site)/a/b/tests/test_y.py"] = content(20)
    #expect(try find(files).map(\.remove) == [["\(site)/a/**/tests"]])
  }

  @Test func oneLibraryInTwoDistributions() throws {
    let found = try find([
      "\(site)/a.libs/libssl-50b3dd1f.so.1.1": content(3_000_000, 3),
      "\(site)/b.libs/libssl.so.3": content(2_000_000, 4),
      "\(site)/b.libs/libz.so.1": content(3_000_000, 5),
    ])
    #expect(found.map(\.kind) == [.library])
    #expect(found.map(\.title) == ["2 copies of libssl, in a 1.0 and b 1.0"])
    // The larger one stays.
    #expect(found.map(\.size.unpacked) == [2_000_000])
    #expect(found.map(\.exclude) == [["a", "b"]])
    let same = try find([
      "\(site)/a.libs/libssl.so.3": content(3_000_000),
      "\(site)/a.libs/libssl.so.1": content(2_000_000, 3),
    ])
    #expect(same == [])
  }

  @Test func librariesHaveTheirNamesWithoutVersionsAndHashes() {
    let names = [
      "libscipy_openblas64_-ff651d7f.so": "libscipy_openblas",
      "libscipy_openblas-c128ec02.so": "libscipy_openblas",
      "libssl.so.3": "libssl", "libgfortran-040039e1-0352e75f.so.5.0.0": "libgfortran",
      "libstdc++.so.6": "libstdc++",
      "libX11-xcb.so.1": "libX11-xcb",
    ]
    for (file, name) in names { #expect(commonLibraryName(file) == name) }
    for file in ["_ssl.cpython-311-x86_64-linux-gnu.so", "libx.sorted", "libx", "x.so"] {
      #expect(commonLibraryName(file) == nil, "\(file)")
    }
  }

  @Test func equalContentCostsOnlyUnpackedBytes() throws {
    // The file holds the content once, as the packer writes it.
    var onefile = Onefile()
    onefile.add("rest.so", content: content(20_000_000, 1))
    let all = content(5_000_000, 9)
    let first = onefile.add("x1", content: all)
    guard case .file(_, let segments, let hash, _) = onefile.entries[first - 1].entry else {
      return
    }
    onefile.add("x2", .file(size: 5_000_000, segments: segments, hash: hash))
    let manifest = try Manifest(parsing: onefile.manifest())
    let tree = MeasuredTree(manifest) { _ in [UInt8]("files".utf8) }
    let found = surprises(in: tree, kinds: [.files], debug: [:])
    let copies = found.filter { $0.kind == .content }
    #expect(copies.map(\.size) == [Composition.Size(unpacked: 5_000_000, packed: 0)])
    #expect(copies.map(\.remove) == [["x2"]])
    #expect(
      surpriseText(copies, hasSpec: true).contains("5.0 MB unpacked, and nothing in the file"))
  }

  @Test func debugInformationCountsOnce() throws {
    let path = "\(site)/a/x.so"
    let found = try find(
      [path: content(8_000_000)], debug: [path: 6_000_000, "rest/rest.so": 0])
    #expect(found.map(\.kind) == [.debug])
    #expect(found.map(\.size.unpacked) == [6_000_000])
    #expect(found.map(\.files) == [1])
  }

  @Test func theLargestComeFirstAndThreeAreNamed() throws {
    let files = (1...5).map { ("\(site)/p\($0)/x.h", content($0 * 1_000_000)) }
    let found = try find(Dictionary(uniqueKeysWithValues: files))
    #expect(
      found.map(\.title)
        == (1...5).reversed().map { "sources and headers in C and the like of p\($0) 1.0" })
    let lines = surpriseText(found, hasSpec: true).split(separator: "\n")
    #expect(lines.count == 8)
    #expect(
      lines[1]
        == "    sources and headers in C and the like of p5 1.0: 5.0 MB in the file, 5.0 MB unpacked"
    )
    #expect(lines[2] == "      to drop it: [prune] remove = [\"\(site)/p5/**/*.h\"]")
    #expect(lines[7] == "    2 more surprises: see 'onefold inspect --html'")
    #expect(surpriseText([], hasSpec: true) == "")
    #expect(!surpriseText(found, hasSpec: false).contains("[prune]"))
  }

  @Test func namesThatASpecCannotHoldGiveNoPattern() {
    #expect(removalPatterns([.directory([UInt8]("a*b/tests".utf8))]) == [])
    #expect(removalPatterns([.directory([0x61, 0x2F, 0xFF])]) == [])
    #expect(pattern([UInt8]("a\nb".utf8)) == nil)
    #expect(
      removalPatterns([
        .ending(path: [UInt8]("x.h".utf8), "h"), .ending(path: [UInt8]("a/b/x.h".utf8), "h"),
      ])
        == ["**/*.h", "a/**/*.h"])
  }
}
