import BinaryRelocation
import Posix
import TestSupport
import Testing

struct StrippingTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func elf(_ name: String) throws -> ElfFile {
    try #require(try ElfFile.read(directory(name)))
  }

  private func content(_ name: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(directory(name), .read)
    return try file.bytes(at: 0, count: Int(file.status().size))
  }

  private func compileProgram(_ options: [String] = []) throws {
    try directory.compile(
      "program", "#include <stdio.h>\nint main(void) { puts(\"42\"); return 0; }", ["-g"] + options)
  }

  private func difference(_ name: String) throws -> String? {
    try elf("program").difference(
      original: directory("program"), rewritten: directory(name), elf(name))
  }

  @Test(arguments: [["-pie"], ["-no-pie"], ["-static"], ["-Wl,-z,noseparate-code"]])
  func aStrippedProgramRuns(options: [String]) throws {
    try compileProgram(options)
    #expect(try elf("program").writeStripped(directory("program"), to: directory("one")) == nil)
    #expect(try elf("program").writeStripped(directory("program"), to: directory("two")) == nil)
    #expect(try content("one") == content("two"))
    #expect(try elf("one").isStripped && !elf("one").hasDebugSections)
    #expect(try elf("one").segments == elf("program").segments)
    #expect(try difference("one") == nil)
    try DirectoryHandle.current.setMode(of: directory("one"), 0o755)
    #expect(try runTool(directory("one").string, []) == "42\n")
    // readelf warns about a wrong section header. The result of binutils is at most 3 KiB smaller.
    #expect(try !runTool("readelf", ["-aW", directory("one").string]).contains("Warning"))
    try runTool(
      "strip", ["--strip-unneeded", "-o", directory("theirs").string, directory("program").string])
    #expect(try content("one").count <= content("theirs").count + 3072)
  }

  @Test func aSectionThatMayBeAPayloadStays() throws {
    try compileProgram()
    try directory.write("payload", [UInt8]("the payload".utf8))
    try runTool(
      "objcopy",
      ["--add-section", "pydata=\(directory("payload").string)", directory("program").string])
    let reason = try elf("program").writeStripped(directory("program"), to: directory("new"))
    #expect(reason == "has the section 'pydata', which is not loaded and may be read from the file")
    #expect(try !directory.list(".").contains("new"))
  }

  @Test func zerosBehindTheEndAreNoData() throws {
    try compileProgram()
    let bytes = try content("program")
    try directory.write("zero", bytes + [0])
    try directory.write("data", bytes + [1])
    #expect(try !elf("zero").hasAppendedData && elf("data").hasAppendedData)
    #expect(
      try elf("data").writeStripped(directory("data"), to: directory("new")) == "has data appended")
  }

  @Test func differencesInLoadingAreReported() throws {
    try compileProgram()
    let bytes = try content("program")
    let code = try #require(try elf("program").segments.first { $0.isLoaded && $0.flags & 1 != 0 })
    var changed = bytes
    changed[Int(code.offset) + 40] ^= 1
    try directory.write("changed", changed)
    #expect(try difference("changed")?.hasPrefix("has another byte at 0x") == true)
    // The flags of a program header are its second word.
    let table = 64
    let index = try #require(try elf("program").segments.firstIndex(of: code))
    for (flags, reason) in [(UInt8(4), "has lost permissions"), (7, "can be written and executed")]
    {
      var other = bytes
      other[table + 56 * index + 4] = flags
      try directory.write("flags", other)
      #expect(try difference("flags")?.hasPrefix(reason) == true)
      try directory.remove("flags")
    }
    #expect(try difference("program") == nil)
  }

  @Test func theSymbolThatNeedsAVersion() throws {
    try directory.compile(
      "library.so", "#include <math.h>\ndouble top(double x) { return exp(x); }",
      ["-shared", "-fPIC", "-fno-builtin", "-lm"])
    let elf = try elf("library.so")
    #expect(try elf.symbol(needing: "GLIBC_2.29", in: directory("library.so")) == "exp")
    #expect(try elf.symbol(needing: "GLIBC_2.99", in: directory("library.so")) == nil)
  }
}
