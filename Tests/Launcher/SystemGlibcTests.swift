import Glibc
import Launcher
import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

#if arch(arm64)
  private let machine: UInt8 = 183
  private let triplet = "aarch64-linux-gnu"
  private let loader = "lib/ld-linux-aarch64.so.1"
#else
  private let machine: UInt8 = 62
  private let triplet = "x86_64-linux-gnu"
  private let loader = "lib64/ld-linux-x86-64.so.2"
#endif

/// A root directory with various C libraries, and the requirement of a tree.
@Suite struct SystemGlibcTests {
  private let root: TemporaryDirectory

  init() throws { root = try TemporaryDirectory() }

  /// The smallest shared library that defines these versions.
  private func library(
    _ names: [String], machine: UInt8 = machine, class bits: UInt8 = 2
  ) -> [UInt8] {
    let strings = [UInt8](("\0" + names.map { $0 + "\0" }.joined()).utf8)
    let table = 256
    var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, bits, 1, 1] + zeros(9) + number(3, 2)
    bytes += number(UInt64(machine), 2) + number(1, 4) + zeros(8) + number(64, 8) + zeros(14)
    bytes += number(56, 2) + number(2, 2) + zeros(6)
    let address: UInt64 = 0x40_0000
    // One PT_LOAD of the whole file, and one PT_DYNAMIC of three entries.
    let end = UInt64(table + strings.count)
    bytes += number(1, 4) + number(5, 4) + number(0, 8) + number(address, 8) + zeros(8)
    bytes += number(end, 8) + number(end, 8) + number(4096, 8)
    bytes += number(2, 4) + number(4, 4) + number(176, 8) + number(address + 176, 8) + zeros(8)
    bytes += number(48, 8) + number(48, 8) + number(8, 8)
    bytes += number(5, 8) + number(address + UInt64(table), 8)
    bytes += number(10, 8) + number(UInt64(strings.count), 8) + zeros(16)
    return bytes + zeros(table - bytes.count) + strings
  }

  private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  private func number(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  /// "" if the system is accepted or its version unknown; else the version that was found.
  private func complaint(_ major: Int, _ minor: Int, below path: Path? = nil) throws -> String {
    var record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
    record.glibc = GlibcRequirement(
      version: try #require(GlibcVersion(major, minor)), file: [UInt8]("lib/x.so".utf8))
    do throws(Failure) {
      try requireGlibc(for: record, below: path ?? root.path)
      return ""
    } catch {
      // The version that was found is the last word of the message.
      let found = error.text.bytes.split(separator: UInt8(ascii: " ")).last.flatMap {
        GlibcVersion(parsing: Array($0).span)
      }
      #expect(error == .glibc(try #require(record.glibc), found: found))
      return found.map { String(decoding: $0.text, as: UTF8.self) } ?? "none"
    }
  }

  @Test func theHighestVersionCounts() throws {
    try root.write(
      "lib/\(triplet)/libc.so.6",
      library(["GLIBC_2.2.5", "GLIBC_2.31", "GLIBC_2.4", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"]))
    #expect(try complaint(2, 31) == "")
    #expect(try complaint(2, 4) == "")
    #expect(try complaint(2, 32) == "2.31")
    #expect(try complaint(3, 0) == "2.31")
    #expect(try complaint(1, 999) == "")
  }

  /// glibc 2.31 added versions to libm and libpthread, but none to libc.so.6.
  @Test(arguments: [0, 100, 65_510, 65_535, 200_000])
  func theReleaseCountsAsWell(_ distance: Int) throws {
    let text = "GNU C Library (Debian GLIBC 2.29-1) stable release version 2.31.\nCopyright"
    let library = library(["GLIBC_2.2.5", "GLIBC_2.30"]) + zeros(distance) + [UInt8](text.utf8)
    try root.write("lib64/libc.so.6", library)
    #expect(try complaint(2, 30) == "")
    #expect(try complaint(2, 31) == "")
    #expect(try complaint(2, 32) == "2.31")
  }

  @Test(
    arguments: [
      "stable release version 2.9.", "stable release version", "stable release version ",
      "stable release version x.y.", "release version 2.99x", "a-release version 2.99.",
      "development release version 2.29.9000.\n",
    ])
  func olderReleasesDoNotCount(_ text: String) throws {
    try root.write("lib64/libc.so.6", library(["GLIBC_2.30"]) + [UInt8](text.utf8))
    #expect(try complaint(2, 30) == "")
    #expect(try complaint(2, 31) == "2.30")
  }

  @Test(
    arguments: [
      "GLIBC_2.99x", "xGLIBC_2.99", "GLIBC_2.", "GLIBC_", "GLIBC_2.1000", "glibc_2.99",
      "GLIBC_2.-1", "GLIBC_99",
    ])
  func invalidVersionsDoNotCount(_ name: String) throws {
    try root.write("lib64/libc.so.6", library([name, "GLIBC_2.5"]))
    #expect(try complaint(2, 6) == "2.5")
  }

  @Test(arguments: ["lib64", "usr/lib64", "lib", "usr/lib", "usr/lib/\(triplet)"])
  func places(_ directory: String) throws {
    try root.write("\(directory)/libc-2.19.so", library(["GLIBC_2.18"]))
    try root.symlink("\(directory)/libc.so.6", to: "libc-2.19.so")
    #expect(try complaint(2, 18) == "")
    #expect(try complaint(2, 19) == "2.18")
  }

  @Test func theNewestOfSeveralCounts() throws {
    try root.write("lib64/libc.so.6", library(["GLIBC_2.31"]))
    try root.write("usr/lib/libc.so.6", library(["GLIBC_2.36"]))
    #expect(try complaint(2, 36) == "")
    #expect(try complaint(2, 37) == "2.36")
  }

  @Test func librariesForOtherProcessorsDoNotCount() throws {
    try root.write("lib/libc.so.6", library(["GLIBC_2.40"], machine: 3, class: 1))
    try root.write("usr/lib/libc.so.6", library(["GLIBC_2.40"], machine: 43))
    #expect(try complaint(2, 1) == "none")
    try root.write("lib64/libc.so.6", library(["GLIBC_2.31"]))
    #expect(try complaint(2, 36) == "2.31")
  }

  @Test func noLibraryAndNoLoader() throws {
    #expect(try complaint(2, 1) == "none")
    try root.symlink("lib64/libc.so.6", to: "nowhere")
    try root.symlink(loader, to: "nowhere")
    #expect(try complaint(2, 1) == "none")
    try root.write("usr/lib64")
    #expect(try complaint(2, 1) == "none")
  }

  @Test func loadersWithoutALibraryAreAccepted() throws {
    try root.write(loader)
    #expect(try complaint(2, 99) == "")
  }

  @Test func unreadableLibrariesAreAccepted() throws {
    try root.write("lib64/libc.so.6", library(["GLIBC_2.5"]))
    #expect(try complaint(2, 99) == "2.5")
    let unreadable: [[UInt8]] = [
      [], [UInt8]("/* GNU ld script */".utf8), zeros(100), Array(library(["GLIBC_2.5"])[..<100]),
      library([]), library(["other"]),
    ]
    for bytes in unreadable {
      try root.write("usr/lib/libc.so.6", bytes)
      #expect(try complaint(2, 99) == "")
      try root.remove("usr/lib/libc.so.6")
    }
    try root.makeDirectory("usr/lib/libc.so.6")
    #expect(try complaint(2, 99) == "")
  }

  @Test func recordsWithoutGlibcAreAccepted() throws {
    let record = LaunchRecord(name: [0x61], entry: [0x62], target: [0x63])
    try requireGlibc(for: record, below: root.path)
  }

  @Test func theOwnSystem() throws {
    // "glibc 2.36"
    var text = [CChar](repeating: 0, count: 64)
    _ = confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count)
    let own = Array(Path(cString: text).bytes.drop { $0 != UInt8(ascii: " ") }.dropFirst())
    let found = [UInt8](try complaint(999, 0, below: Path("/")).utf8)
    let newest = try #require(version(found))
    #expect(newest == (try #require(version(own))))
    #expect(try complaint(newest.major, newest.minor, below: Path("/")) == "")
  }

  private func version(_ text: [UInt8]) -> GlibcVersion? { GlibcVersion(parsing: text.span) }

  /// In its own process, because a trap ends it.
  @Test func hostileLibrariesEndNothing() async {
    await #expect(processExitsWith: .success) {
      let tests = try SystemGlibcTests()
      let good = tests.library(["GLIBC_2.5", "GLIBC_2.31"])
      func check(_ bytes: [UInt8]) throws {
        try tests.root.write("lib64/libc.so.6", bytes)
        _ = try tests.complaint(2, 99)
        try tests.root.remove("lib64/libc.so.6")
      }
      for count in 0..<good.count { try check(Array(good[..<count])) }
      for index in good.indices {
        for value in [0, 1, 0x7F, 0x80, 0xFF, good[index] ^ 1, good[index] &+ 1] as [UInt8] {
          var bytes = good
          bytes[index] = value
          try check(bytes)
        }
      }
      // Sets each field of eight bytes to its limits.
      for index in stride(from: 0, to: 256, by: 8) {
        for value in [UInt64.max, 1 << 63, 1 << 40, 1 << 20, 0] {
          for difference in [0, 1, 8] as [UInt64] {
            var bytes = good
            bytes.replaceSubrange(index..<index + 8, with: tests.number(value &- difference, 8))
            try check(bytes)
          }
        }
      }
      try tests.root.remove("")
    }
  }
}
