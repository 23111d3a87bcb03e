import BinaryRelocation
import PayloadFormat
import Posix
import PythonStaging
import TestSupport
import Testing

/// The machine's own Python, relocated, moved and run.
struct RelocatedInterpreterTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Copies the files that an installed interpreter needs to `tree`. Returns its name, such as "python3.11".
  private func copyInterpreter() throws -> (name: String, libraries: Path) {
    let questions = [
      "import os, sys, sysconfig", "print('python%d.%d' % sys.version_info[:2])",
      "print(os.path.realpath(sys._base_executable))", "print(sysconfig.get_path('stdlib'))",
      "print(sysconfig.get_config_var('LIBDIR'))",
    ]
    let facts = try runTool("python3", ["-c", questions.joined(separator: "\n")])
      .split(separator: "\n").map(String.init)
    try #require(facts.count == 4)
    let name = facts[0]
    try directory.makeDirectory("tree/bin")
    try directory.makeDirectory("tree/lib")
    try runTool("cp", ["-p", facts[1], directory("tree/bin/\(name)").string])
    let unneeded = ["site-packages", "dist-packages", "test", "__pycache__", "sitecustomize.py"]
    let parts = try names(in: Path(facts[2])).filter {
      !unneeded.contains($0) && !$0.hasPrefix("config-")
    }
    try directory.makeDirectory("tree/lib/\(name)/site-packages")
    try runTool(
      "cp", ["-a"] + parts.map { "\(facts[2])/\($0)" } + [directory("tree/lib/\(name)").string])
    for library in try names(in: Path(facts[3])) where library.hasPrefix("lib\(name).so") {
      try runTool("cp", ["-a", "\(facts[3])/\(library)", directory("tree/lib").string])
    }
    return (name, Path(facts[3]))
  }

  @Test func onlyGlibcIsTakenFromTheMachine() throws {
    let (name, libraries) = try copyInterpreter()
    let report = try relocatePython(
      RelocationRequest(root: directory("tree"), searchDirectories: [libraries])
    ).report
    #expect(report.relinked.map(\.string).contains("bin/\(name)"))
    #expect(try #require(report.glibc).version.major == 2)
    #expect(!report.missing.contains { $0.stopsHost })
    try DirectoryHandle.current.rename(directory("tree"), to: directory("moved"))

    let program = [
      "import ctypes, decimal, hashlib, json, lzma, sqlite3, ssl, zlib",
      "answer = sqlite3.connect(':memory:').execute('select 6 * 7').fetchone()[0]",
      "print(answer, ssl.OPENSSL_VERSION_INFO[0] > 0)",
    ].joined(separator: "\n")
    let output = try runTool(
      "strace",
      [
        "-f", "-qq", "-e", "trace=open,openat", "-o", directory("calls").string,
        directory("moved/bin/\(name)").string, "-I", "-B", "-c", program,
      ])
    #expect(output == "42 True\n")
    let opened = try openedFiles()
    #expect(opened.contains { $0.hasSuffix("/libc.so.6") })
    let loaded = opened.filter { $0.contains(".so") && $0 != "/etc/ld.so.cache" }
    for path in loaded where !path.hasPrefix(directory("moved").string) {
      #expect(glibc.contains(String(path.split(separator: "/").last ?? "")), "\(path)")
    }
    #expect(loaded.contains { $0.hasPrefix(directory("moved/lib/libcrypto.so").string) })
  }

  private let glibc: Set<String> = [
    "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libutil.so.1", "librt.so.1",
    "libresolv.so.2",
  ]

  /// The paths of the calls that succeeded.
  private func openedFiles() throws -> [String] {
    let calls = String(decoding: try readFile(directory("calls")), as: UTF8.self)
    return calls.split(separator: "\n").filter { !$0.contains(" = -1 ") }.compactMap {
      let parts = $0.split(separator: "\"")
      return parts.count > 1 ? simplified(String(parts[1])) : nil
    }
  }

  /// The path without "name/..", which the loader does not remove.
  private func simplified(_ path: String) -> String {
    var components: [Substring] = []
    for component in path.split(separator: "/") {
      if component == ".." { _ = components.popLast() } else { components.append(component) }
    }
    return "/" + components.joined(separator: "/")
  }
}
