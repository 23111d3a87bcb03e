import BinaryRelocation
import PayloadFormat
import Posix
import TestSupport
import Testing

struct ElfFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func read(_ name: String) throws -> ElfFile {
    try #require(try ElfFile.read(directory(name)))
  }

  @Test func aLibrary() throws {
    try directory.compile(
      "libdeep.so", "int deep(void) { return 1; }", ["-shared", "-Wl,-soname,libdeep.so.1"])
    try directory.compile(
      "libtop.so",
      "#include <math.h>\n#include <stdio.h>\nint deep(void); double top(double x) { puts(\"\"); return exp(x) + deep(); }",
      [
        "-shared", "-fPIC", "-s", directory("libdeep.so").string, "-lm", "-Wl,-soname,libtop.so.2",
        "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib:/opt/x",
      ])
    let elf = try read("libtop.so")
    #expect(elf.is64Bit && elf.isLittleEndian && elf.machine == .x86_64)
    #expect(elf.kind == .shared && elf.isDynamic && !elf.isProgram)
    #expect(elf.interpreter == nil)
    #expect(elf.needed == ["libdeep.so.1", "libm.so.6", "libc.so.6"])
    #expect(elf.soname == "libtop.so.2")
    #expect(elf.rpath == ["$ORIGIN/../lib", "/opt/x"] && elf.runpath == nil)
    #expect(elf.searchPath == ["$ORIGIN/../lib", "/opt/x"])
    #expect(elf.isStripped && !elf.hasDebugSections && !elf.hasAppendedData)
    let math = try #require(elf.requiredVersions.first { $0.library == "libm.so.6" })
    #expect(math.names == ["GLIBC_2.29"])
    #expect(elf.glibc == GlibcVersion(2, 29))
    #expect(!elf.needsPrivateGlibc)
  }

  @Test func aProgram() throws {
    try directory.compile(
      "program", "int main(void) { return 0; }",
      ["-g", "-Wl,--enable-new-dtags", "-Wl,-rpath,/a::/b"])
    let elf = try read("program")
    #expect(elf.kind == .shared && elf.isProgram)
    #expect(elf.interpreter?.string == "/lib64/ld-linux-x86-64.so.2")
    #expect(elf.runpath == ["/a", "/b"] && elf.rpath == nil)
    #expect(elf.hasDebugSections && !elf.isStripped)
    #expect(elf.segments.contains { $0.isLoaded && $0.address <= elf.entryAddress })
  }

  @Test func programsWithoutALoaderAndObjectFiles() throws {
    let main = "int main(void) { return 0; }"
    try directory.compile("static", main, ["-static"])
    let program = try read("static")
    #expect(program.kind == .executable && program.isProgram && !program.isDynamic)
    #expect(program.glibc == nil && program.needed.isEmpty)
    try directory.compile("object.o", main, ["-c"])
    #expect(try read("object.o").kind == .relocatable)
  }

  @Test func relativeRelocationsNeedAGlibcThatKnowsThem() throws {
    try directory.compile(
      "relr.so", "static int x; int *pointers[8] = {&x, &x, &x, &x, &x, &x, &x, &x};",
      ["-shared", "-fPIC", "-nostdlib", "-Wl,-z,pack-relative-relocs"])
    let elf = try read("relr.so")
    #expect(elf.hasRelativeRelocations)
    #expect(elf.glibc == GlibcVersion(2, 36))
  }

  @Test func privateSymbolsOfGlibc() throws {
    // A library of glibc itself.
    let elf = try #require(try ElfFile.read(Path("/lib/x86_64-linux-gnu/libresolv.so.2")))
    #expect(elf.needsPrivateGlibc)
  }

  @Test func appendedDataIsNoticed() throws {
    try directory.compile("program", "int main(void) { return 0; }", [])
    let bytes = try readFile(directory("program"))
    try directory.write("archive", bytes + [1])
    #expect(try read("program").hasAppendedData == false)
    #expect(try read("archive").hasAppendedData)
  }

  @Test func otherFilesAreNotElfFiles() throws {
    let contents: [[UInt8]] = [[], [0x7F], [0x7F, 0x45, 0x4C], [UInt8]("#!/bin/sh".utf8)]
    for (index, bytes) in contents.enumerated() {
      let path = try directory.write("other\(index)", bytes)
      #expect(try ElfFile.read(path) == nil)
    }
    #expect(throws: Failure.self) { try ElfFile.read(directory("none")) }
    #expect(throws: Failure.self) { try ElfFile.read(directory.path) }
  }

  /// The header alone decides the target of a file.
  @Test(arguments: [
    (183, true, "aarch64"), (3, false, "i686"), (243, true, "riscv"), (190, true, nil),
  ])
  func otherProcessors(_ machine: UInt16, _ is64Bit: Bool, _ name: String?) throws {
    try directory.write("foreign.so", elfHeader(machine: machine, is64Bit: is64Bit))
    let elf = try read("foreign.so")
    #expect(elf.machine.rawValue == machine && elf.is64Bit == is64Bit)
    #expect(elf.machine.processor == name)
    #expect(elf.kind == .shared && !elf.isDynamic)
  }

  @Test func otherByteOrder() throws {
    var header = elfHeader(machine: 22, is64Bit: true)
    header[5] = 2
    for field in [16, 18, 52, 54, 58] { header.swapAt(field, field + 1) }
    for index in 0..<2 { header.swapAt(20 + index, 23 - index) }
    try directory.write("foreign.so", header)
    let elf = try read("foreign.so")
    #expect(!elf.isLittleEndian && elf.machine.processor == "s390x")
  }

  // MARK: Hostile files

  /// A small library with everything that the reader reads.
  private func smallLibrary() throws -> Path {
    let file = try directory.compile(
      "small.so", "#include <stdio.h>\nint f(void) { return puts(\"\"); }",
      [
        "-shared", "-fPIC", "-Os", "-Wl,-z,noseparate-code", "-Wl,-z,norelro", "-Wl,-soname,small",
        "-Wl,-rpath,$ORIGIN", "-nostartfiles", "-Wl,--build-id=none",
      ])
    #expect(try read("small.so").glibc == GlibcVersion(2, 2))
    return file
  }

  @Test func everyTruncation() throws {
    let path = try smallLibrary()
    let size = try readFile(path).count
    #expect(size > 1_000 && size < 20_000)
    let file = try FileDescriptor.open(path, .write)
    var damaged = 0
    var other = 0
    for length in (0..<size).reversed() {
      try file.resize(to: Int64(length))
      do throws(Failure) {
        if try ElfFile.read(path) == nil { other += 1 }
      } catch {
        guard error.kind == .damaged else { throw error }
        damaged += 1
      }
    }
    // Without the magic it is not an ELF file. Missing sections do not matter to a loader.
    #expect(other == 4 && damaged > 500)
  }

  @Test func everyByteChanged() throws {
    let path = try smallLibrary()
    let bytes = try readFile(path)
    let file = try FileDescriptor.open(path, .write)
    var damaged = 0
    for (offset, byte) in bytes.enumerated() {
      // The sign and top bits reach far outside of the file, the low bits only to neighbors.
      for change in [0x80, 0x01, 0xFF] as [UInt8] {
        try write(byte ^ change, at: offset, in: file)
        do throws(Failure) {
          _ = try ElfFile.read(path)
        } catch {
          guard error.kind == .damaged else { throw error }
          damaged += 1
        }
      }
      try write(byte, at: offset, in: file)
    }
    #expect(damaged > 100)
  }

  @Test func garbageAfterTheMagic() throws {
    for seed in 0..<2_000 {
      var bytes = noise(512, seed: UInt64(seed))
      bytes.replaceSubrange(0..<4, with: [0x7F, 0x45, 0x4C, 0x46])
      // Half of the inputs get a valid header.
      if seed % 2 == 0 {
        bytes.replaceSubrange(0..<20, with: elfHeader(machine: 62, is64Bit: true)[..<20])
      }
      let path = try directory.write("garbage\(seed)", bytes)
      _ = try? ElfFile.read(path)
    }
  }

  private func write(_ byte: UInt8, at offset: Int, in file: borrowing FileDescriptor) throws {
    try [byte].span.withUnsafeBytes { buffer in try file.write(buffer, at: Int64(offset)) }
  }
}

/// The header of a library without segments and sections, little-endian.
private func elfHeader(machine: UInt16, is64Bit: Bool) -> [UInt8] {
  let size = is64Bit ? 64 : 52
  var header = [UInt8](repeating: 0, count: size)
  header.replaceSubrange(0..<7, with: [0x7F, 0x45, 0x4C, 0x46, is64Bit ? 2 : 1, 1, 1])
  header[16] = 3
  header[18] = UInt8(truncatingIfNeeded: machine)
  header[19] = UInt8(machine >> 8)
  header[20] = 1
  header[is64Bit ? 52 : 40] = UInt8(size)
  return header
}
