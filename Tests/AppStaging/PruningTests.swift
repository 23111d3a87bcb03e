import AppSpec
import Posix
import TestSupport
import Testing

@testable import AppStaging

struct PruningTests {
  private let directory: TemporaryDirectory
  private let layout: Layout

  init() throws {
    directory = try TemporaryDirectory()
    layout = makeLayout(directory)
  }

  /// Makes the files, prunes, and returns which are gone.
  private func prune(
    _ paths: [String: String], isLast: Bool = true, usesTkinter: Bool = false,
    _ distributions: [Distribution] = [], _ edit: (inout Spec) -> Void = { _ in }
  ) throws -> Set<String> {
    try write(paths, to: directory)
    let pruner = Pruner(
      spec: makeSpec(edit), layout: layout, usesTkinter: usesTkinter, isLast: isLast)
    let report = try pruner.prune(distributions)
    let gone = Set(paths.keys).subtracting(try files(in: layout))
    #expect(report.files == gone.count)
    #expect(report.bytes == gone.reduce(0) { $0 + UInt64(paths[$1]!.utf8.count) })
    return gone
  }

  private static let library = "lib/python3.11"
  private static let site = "lib/python3.11/site-packages"

  /// A file that each rule removes, and what turns the rule off.
  private static let rules: [(path: String, off: @Sendable (inout Spec) -> Void)] = [
    ("\(library)/ensurepip/__init__.py", { $0.prune.installers = false }),
    ("\(library)/ensurepip/_bundled/pip.whl", { $0.prune.installers = false }),
    ("\(library)/test/regrtest.py", { $0.prune.tests = false }),
    ("\(library)/unittest/test/test_case.py", { $0.prune.tests = false }),
    ("\(library)/lib-dynload/_testcapi.so", { $0.prune.tests = false }),
    ("\(library)/lib-dynload/xxlimited.so", { $0.prune.tests = false }),
    ("include/python3.11/Python.h", { $0.prune.headers = false }),
    ("lib/pkgconfig/python.pc", { $0.prune.headers = false }),
    ("\(site)/p/core.hpp", { $0.prune.headers = false }),
    ("\(site)/p/libp.a", { $0.prune.staticLibraries = false }),
    ("lib/libx.la", { $0.prune.staticLibraries = false }),
    ("\(library)/config-3.11/Makefile", { $0.prune.staticLibraries = false }),
    ("\(library)/idlelib/run.py", { $0.prune.idle = false }),
    ("\(library)/turtledemo/clock.py", { $0.prune.idle = false }),
    ("\(library)/pydoc_data/topics.py", { $0.prune.idle = false }),
    ("\(library)/tkinter/__init__.py", { $0.prune.tkinter = false }),
    ("\(library)/turtle.py", { $0.prune.tkinter = false }),
    ("\(library)/lib-dynload/_tkinter.so", { $0.prune.tkinter = false }),
    ("lib/tcl8.6/init.tcl", { $0.prune.tkinter = false }),
    ("lib/libtk8.6.so", { $0.prune.tkinter = false }),
  ]

  private static let kept: [String: String] = Dictionary(
    uniqueKeysWithValues: [
      "bin/python3.11", "lib/libz.so.1", "\(library)/os.py", "\(library)/unittest/case.py",
      "\(library)/lib-dynload/_socket.so", "\(library)/testing.py", "\(library)/turtles.py",
      "\(site)/ensurepip/x.py", "\(site)/idlelib/x.py", "\(site)/tkinter/x.py",
      "\(site)/p/test.py", "\(site)/p/x.hx", "\(site)/p/a", "\(site)/turtle.py", "lib/tclx/x",
      "lib/libtkrzw.so",
    ].map { ($0, "kept") })

  @Test func defaultsRemoveWhatNoServerNeeds() throws {
    let doomed = Dictionary(uniqueKeysWithValues: Self.rules.map { ($0.path, "12345") })
    #expect(try prune(doomed.merging(Self.kept) { a, _ in a }) == Set(doomed.keys))
    // Nor are empty directories left.
    #expect(!(try directory.exists("tree/\(Self.library)/ensurepip")))
    #expect(!(try directory.exists("tree/include")))
  }

  @Test(arguments: 0..<20)
  func eachRuleHasASwitch(_ index: Int) throws {
    try #require(Self.rules.count == 20)
    let rule = Self.rules[index]
    let others = Self.rules.filter { other in
      var (one, two) = (makeSpec(), makeSpec())
      rule.off(&one)
      other.off(&two)
      return "\(one.prune)" != "\(two.prune)"
    }
    let all = Dictionary(uniqueKeysWithValues: Self.rules.map { ($0.path, "") })
    #expect(try prune(all, [], rule.off) == Set(others.map(\.path)))
  }

  @Test(arguments: 0..<20)
  func whatIsKeptStays(_ index: Int) throws {
    let path = Self.rules[index].path
    let gone = try prune([path: "", "lib/x.a": ""], [], { $0.prune.keep = [located(path)] })
    #expect(gone == ["lib/x.a"])
  }

  @Test func patternsRemoveAndKeep() throws {
    let paths = ["share/a.txt", "share/b.txt", "share/deep/c.txt", "share/d.md"]
    let gone = try prune(Dictionary(uniqueKeysWithValues: paths.map { ($0, "") }), []) {
      $0.prune.remove = [located("**/*.txt")]
      $0.prune.keep = [located("*/b.txt")]
    }
    #expect(gone == ["share/a.txt", "share/deep/c.txt"])
  }

  @Test func installersStillFindTheirFilesInEarlierPasses() throws {
    let paths = [
      "include/Python.h": "", "\(Self.library)/config-3.11/Makefile": "",
      "\(Self.library)/email.py": "",
      "\(Self.library)/idlelib/x.py": "",
    ]
    let gone = try prune(paths, isLast: false, []) {
      $0.prune.remove = [located("\(Self.library)/email.py")]
    }
    #expect(gone == ["\(Self.library)/idlelib/x.py"])
  }

  @Test func tkinterStaysWhereItIsUsed() throws {
    #expect(try prune(["\(Self.library)/tkinter/__init__.py": ""], usesTkinter: true).isEmpty)
  }

  // MARK: Distributions

  private func distribution(_ name: String, requires: [String] = []) -> Distribution {
    Distribution(
      name: name, version: "1", directory: "\(name)-1.dist-info", requires: requires,
      files: ["\(Self.site)/\(name)/x.py", "bin/\(name)"])
  }

  @Test(arguments: [
    ([], ["pip", "setuptools", "wheel"]), (["setuptools"], ["pip", "wheel"]),
    (["wheel"], ["pip"]), (["unknown"], ["pip", "setuptools", "wheel"]),
  ])
  func installersGoUnlessRequired(_ required: [String], _ expected: [String]) throws {
    let all = [
      distribution("app", requires: required), distribution("pip", requires: ["wheel"]),
      distribution("setuptools"), distribution("wheel", requires: ["setuptools"]),
    ]
    let paths = all.flatMap(\.files).map { ($0, "") }
    let gone = try prune(Dictionary(uniqueKeysWithValues: paths), all)
    #expect(gone == Set(expected.flatMap { ["\(Self.site)/\($0)/x.py", "bin/\($0)"] }))
  }

  // MARK: Tests of packages

  private func pruneSite(_ paths: [String: String]) throws -> Set<String> {
    let prefix = Self.site + "/"
    let gone = try prune(
      Dictionary(uniqueKeysWithValues: paths.map { (prefix + $0.key, $0.value) }))
    return Set(gone.map { String($0.dropFirst(prefix.utf8.count)) })
  }

  @Test func testsOfPackagesGo() throws {
    let tests = [
      "p/tests/__init__.py", "p/tests/test_a.py", "p/tests/data/x.json", "q/test/a_test.py",
    ]
    let others = ["p/__init__.py": "import p.core", "p/core.py": "tests = 1", "q/x.py": ""]
    let all = Dictionary(uniqueKeysWithValues: tests.map { ($0, "import p.tests") })
    #expect(try pruneSite(all.merging(others) { a, _ in a }) == Set(tests))
  }

  @Test(arguments: [
    ["p/test/client.py": ""],  // For those who write tests.
    ["tests/client.py": "", "p/x.py": ""],
    ["p/tests/test_a.py": "", "p/__init__.py": "from p.tests import helper"],
    ["p/tests/test_a.py": "", "p/__init__.py": "from .tests import helper"],
    ["p/tests/test_a.py": "", "p/__init__.py": "from . import tests"],
    ["p/sub/tests/test_a.py": "", "p/x.py": "import p.sub.tests.helper"],
    ["p/test_a.py": "", "test_b.py": "", "p/testing/test_c.py": ""],
  ])
  func testsThatAreUsedStay(_ paths: [String: String]) throws {
    #expect(try pruneSite(paths).isEmpty)
  }
}

private func located(_ text: String) -> Located<String> {
  Located(text, SpecPlace(file: "onefold.toml", line: 9))
}
