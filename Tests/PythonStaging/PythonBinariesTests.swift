import BinaryRelocation
import PayloadFormat
import Posix
import TestSupport
import Testing

@testable import PythonStaging

/// The part of a tree's relocation that depends on Python's layout.
struct PythonBinariesTests {
  private let tree: ProgramTree
  private var directory: TemporaryDirectory { tree.directory }

  init() throws {
    tree = try ProgramTree(
      host: "bin/python3.11",
      directories: ["lib/python3.11/lib-dynload", "lib/python3.11/site-packages"])
  }

  private func relocate(system: Set<String> = ["libgcc_s.so.1"]) throws -> PythonRelocation {
    try relocatePython(
      RelocationRequest(
        root: directory("tree"), searchDirectories: [directory("opt")], systemLibraries: system,
        stripDebug: false, workers: 2))
  }

  private func texts(_ paths: [Path]) -> [String] { paths.map(\.string) }

  private static let dynload = "lib/python3.11/lib-dynload/module.cpython-311-x86_64-linux-gnu.so"
  private static let wheel = "lib/python3.11/site-packages/wheel/module.abi3.so"

  @Test func aWheelForAnotherProcessorIsRefused() throws {
    try tree.compileHost()
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

  /// Debuggers have programs for several CPU architectures.
  @Test func otherProcessorsBesideThisOneAreListed() throws {
    try tree.compileHost()
    let name = "lib/python3.11/site-packages/debugger"
    try directory.write("tree/\(name)/attach_arm64.so", foreignLibrary())
    try directory.write("tree/\(name)/kernel.cubin", foreignLibrary(machine: 190))
    #expect(throws: Failure.self) { try relocate() }
    try directory.compile("tree/\(name)/attach_amd64.so", "int x;", ["-shared", "-fPIC"])
    #expect(texts(try relocate().foreign) == ["\(name)/attach_arm64.so"])
  }

  @Test func missingLibrariesAreReportedWithTheModulesThatNeedThem() throws {
    try tree.compileChain()
    try tree.compileHost()
    try tree.compileModule(Self.dynload, [])
    try tree.compileModule(Self.wheel, [])
    try directory.remove("opt/libdeeper.so.1")
    let relocation = try relocate()
    let report = relocation.report
    #expect(report.missing.map(\.name) == ["libdeeper.so.1"])
    #expect(texts(report.missing[0].neededBy) == ["lib/libdeep.so.1"])
    #expect(report.missing[0].modules == ["module"])
    #expect(
      relocation.warnings == [
        "module can't be imported where the system has no libdeeper.so.1: libdeeper.so.1 is neither in the "
          + "tree nor on this machine"
      ])
  }

  @Test func missingLibrariesOfTheInterpreterAreReported() throws {
    try tree.compileChain()
    try tree.compileHost(["-Wl,--no-as-needed", directory("opt/libdeeper.so.1").string])
    try directory.remove("opt")
    let relocation = try relocate()
    let report = relocation.report
    #expect(report.missing.map(\.stopsHost) == [true])
    #expect(relocation.warnings.count == 1 && relocation.warnings[0].contains("will not start"))
  }

  /// Without it, glibc ends the process when a thread of the interpreter ends early.
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
    let report = try relocate(system: []).report
    #expect(report.copied.map(\.name) == ["libgcc_s.so.1"])
    #expect(texts(report.copied[0].neededBy) == ["bin/python3.11"])
    try directory.makeDirectory("opt")
    #expect(try tree.runMoved("none") == directory("moved/lib/libgcc_s.so.1").string + "\n")
  }
}

/// The header of a library for another CPU architecture.
private func foreignLibrary(machine: UInt8 = 183) -> [UInt8] {
  var header = [UInt8](repeating: 0, count: 64)
  header.replaceSubrange(0..<7, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1])
  header[16] = 3
  header[18] = machine
  header[20] = 1
  header[52] = 64
  return header
}
