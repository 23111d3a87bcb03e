import AppSpec
import BuildTools
import Posix
import TestSupport
import Testing

@testable import PythonStaging

struct PruningTests {
  private let directory: TemporaryDirectory
  private let layout: Layout

  init() throws {
    directory = try TemporaryDirectory()
    layout = makeLayout(directory)
  }

  /// Creates the files, prunes them, and returns those that are gone.
  private func prune(
    _ paths: [String: String], isLast: Bool = true, usesTkinter: Bool = false,
    asked: Set<String> = [], compiles: String? = nil, _ distributions: [Distribution] = [],
    _ edit: (inout Spec) -> Void = { _ in }
  ) throws -> Set<String> {
    try write(paths, to: directory)
    let pruner = Pruner(
      spec: makeSpec(edit), layout: layout, usesTkinter: usesTkinter, compiles: compiles,
      asked: asked, isLast: isLast)
    let rows = try pruner.prune(distributions).rows
    let gone = Set(paths.keys).subtracting(try files(in: layout))
    #expect(rows.reduce(0) { $0 + $1.files } == gone.count)
    #expect(
      rows.reduce(0) { $0 + $1.bytes } == gone.reduce(0) { $0 + UInt64(paths[$1]!.utf8.count) })
    return gone
  }

  private static let library = "lib/python3.11"
  private static let site = "lib/python3.11/site-packages"

  /// For each rule, a file that it removes and the setting that turns it off.
  private static let rules: [(path: String, off: @Sendable (inout Spec) -> Void)] = [
    ("\(library)/ensurepip/__init__.py", { $0.prune.installers = false }),
    ("\(library)/ensurepip/_bundled/pip.whl", { $0.prune.installers = false }),
    ("\(library)/test/regrtest.py", { $0.prune.tests = false }),
    ("\(library)/unittest/test/test_case.py", { $0.prune.tests = false }),
    ("\(library)/lib-dynload/_testcapi.so", { $0.prune.tests = false }),
    ("\(library)/lib-dynload/xxlimited.so", { $0.prune.tests = false }),
    ("include/python3.11/Python.h", { $0.prune.headers = false }),
    ("lib/pkgconfig/python.pc", { $0.prune.headers = false }),
    ("lib/tdbc1.1/tdbc.h", { $0.prune.headers = false }),
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
      "\(site)/p/core.hpp", "\(site)/p/p.h", "\(site)/p/test.py", "\(site)/p/x.hx", "\(site)/p/a",
      "\(site)/turtle.py", "lib/tclx/x",
      "lib/libtkrzw.so",
    ].map { ($0, "kept") })

  @Test func defaultsKeepWhatServersNeed() throws {
    let doomed = Dictionary(uniqueKeysWithValues: Self.rules.map { ($0.path, "12345") })
    #expect(try prune(doomed.merging(Self.kept) { a, _ in a }) == Set(doomed.keys))
    // No empty directories are left either.
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
  func keptPathsStay(_ index: Int) throws {
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

  private func distribution(
    _ name: String, requires: [String] = [], optional: [String] = []
  ) -> Distribution {
    Distribution(
      name: name, version: "1", directory: "\(name)-1.dist-info", requires: requires,
      optional: optional,
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

  @Test func installersStayIfAnExtraOrAPersonAsksForThem() throws {
    let all = [
      distribution("app", optional: ["setuptools"]), distribution("pip"), distribution("wheel"),
      distribution("setuptools", optional: ["pip"]),
    ]
    let paths = Dictionary(uniqueKeysWithValues: all.flatMap(\.files).map { ($0, "") })
    #expect(try prune(paths, asked: ["wheel"], all) == ["\(Self.site)/pip/x.py", "bin/pip"])
  }

  @Test func headersOfDistributionsStayWhereverTheyAre() throws {
    var greenlet = distribution("greenlet")
    greenlet.files = ["include/site/python3.11/greenlet/greenlet.h", "lib/pkgconfig/greenlet.pc"]
    let paths = Dictionary(
      uniqueKeysWithValues: (greenlet.files + ["include/python3.11/Python.h"]).map { ($0, "") })
    #expect(try prune(paths, [greenlet]) == ["include/python3.11/Python.h"])
  }

  @Test func headersOfTheInterpreterStayForWhatCompiles() throws {
    #expect(try prune(["include/python3.11/Python.h": ""], compiles: "p/build.py").isEmpty)
  }

  @Test func theReportNamesEachOwnersLosses() throws {
    let paths = [
      "\(Self.site)/pip/x.py": "12", "bin/pip": "3", "\(Self.library)/idlelib/run.py": "4567",
      "\(Self.site)/data.txt": "8",
    ]
    try write(paths, to: directory)
    let spec = makeSpec { $0.prune.remove = [located("**/data.txt")] }
    let pruner = Pruner(spec: spec, layout: layout, usesTkinter: false, isLast: true)
    let rows = try pruner.prune([distribution("pip")]).rows.sorted { $0.name < $1.name }
    #expect(
      rows == [
        PrunedRow(name: "application", files: 1, bytes: 1),
        PrunedRow(name: "pip 1", files: 2, bytes: 3),
        PrunedRow(name: "python 3.11", files: 1, bytes: 4),
      ])
  }

  // MARK: Needs of sources

  @Test(arguments: [
    ("source = '#include <Python.h>'", true), ("from x import get_python_inc", true),
    ("get_config_var('INCLUDEPY')", true),
    ("import sysconfig\nsysconfig.get_paths()['include']", true),
    ("sysconfig.get_path(\"include\")", true), ("sysconfig.get_path('purelib')", false),
    ("paths['include']", false), ("import ctypes", false),
  ])
  func sourcesThatCompileAreFound(_ source: String, _ expected: Bool) throws {
    try write(
      ["\(Self.site)/p/tests/a.py": "Python.h", "\(Self.site)/p/x.py": source], to: directory)
    let sources = try PackedSources(layout, passing: [], workers: 2)
    #expect(sources.compiles == (expected ? "\(Self.site)/p/x.py" : nil))
    let passing = try PackedSources(layout, passing: ["\(Self.site)/p/x.py"], workers: 1)
    #expect(passing.compiles == nil)
  }

  @Test func modulesThatNeedTkinterAreFound() throws {
    let files = [
      "PIL/ImageTk.py": "import os\nimport tkinter\n", "kit/__init__.py": "from tkinter import Tk",
      "nltk.py": "try:\n    import tkinter\nexcept ImportError: pass\n", "tk/a.py": "import tk",
    ]
    try write(
      Dictionary(uniqueKeysWithValues: files.map { ("\(Self.site)/\($0.key)", $0.value) }),
      to: directory)
    let sources = try PackedSources(layout, passing: [], workers: 1)
    #expect(sources.tkinterModules == ["PIL.ImageTk", "kit"])
    for (source, expected) in [
      ("import PIL.ImageTk", true), ("from PIL import Image, ImageTk", true), ("import PIL", false),
      ("from PIL import Image", false), ("def f():\n    import kit", true), ("import turtle", true),
      ("matplotlib.use('TkAgg')", true), ("from tkinter import ttk", true), ("import nltk", false),
    ] {
      #expect(sources.windows([UInt8](source.utf8)) == expected, "\(source)")
    }
    #expect(sources.windows(module: "kit.window"))
    #expect(!sources.windows(module: "kitchen"))
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
    ["p/test/client.py": ""],  // For authors of tests.
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
