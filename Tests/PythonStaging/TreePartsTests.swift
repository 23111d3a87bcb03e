import BuildTools
import Inventory
import Posix
import TestSupport
import Testing

@testable import PythonStaging

/// What an inventory says of a tree that nothing else is known about.
@Suite struct TreePartsTests {
  private func inventory(_ files: [String: String]) throws -> (Inventory, [String]) {
    let directory = try TemporaryDirectory()
    for (path, content) in files {
      let place = directory.path.appending(path)
      try createDirectories(place.parent)
      try writeFile(place, content)
    }
    let parts = try TreeParts(directory.path)
    var builder = InventoryBuilder(name: "app", version: "", parts: parts)
    builder.addInterpreters()
    builder.addDistributions(processor: "x86_64")
    builder.addFiles()
    let result = builder.finished(packer: "0", time: nil, [])
    return (result, builder.warnings)
  }

  private let site = "lib/python3.11/site-packages"
  private let elf = "\u{7F}ELF and more"

  @Test func aTreeWithAnInterpreter() throws {
    let (found, warnings) = try inventory([
      "bin/python3.11": elf, "lib/libpython3.11.so.1.0": elf, "lib/python3.11/os.py": "",
      "\(site)/one-1.dist-info/METADATA": "Name: one\nVersion: 1\n",
      "\(site)/one-1.dist-info/RECORD": "one.py,,\none.libs/libx-0123456789ab.so.3,,\n",
      "\(site)/one.py": "", "\(site)/one.libs/libx-0123456789ab.so.3": elf,
      "\(site)/__pycache__/one.cpython-311.pyc": "", "\(site)/data.txt": "12345",
      "\(site)/tool": elf, "pyvenv.cfg": "", "readme": "123",
    ])
    #expect(warnings == [])
    #expect(
      found.components.map(\.title) == ["CPython 3.11", "one 1", "\(site)/tool", "data files"])
    #expect(found.components[1].parts.map(\.name) == ["libx.so.3"])
    let data = found.components[3]
    #expect(data.property("onefold:files") == "2")
    #expect(data.property("onefold:bytes") == "8")
    #expect(found.components[2].sha256.utf8.count == 64)
  }

  @Test func aTreeOfOtherFiles() throws {
    let (found, _) = try inventory(["run": elf, "lib/a.so": elf, "lib/a.txt": "abc"])
    #expect(found.components.map(\.name) == ["run", "lib/a.so", "data files"])
    #expect(found.dependencies["application"]?.count == 3)
  }

  @Test func twoOfOneNameHaveTheirOwnReferences() throws {
    let metadata = "Name: one\nVersion: 1\n"
    let (found, _) = try inventory([
      "a/one-1.dist-info/METADATA": metadata, "b/one-1.dist-info/METADATA": metadata,
    ])
    #expect(found.components.map(\.reference) == ["pkg:pypi/one@1", "pkg:pypi/one@1#2"])
  }

  @Test func documentsInWheelsBecomeParts() throws {
    let document = """
      {"bomFormat": "CycloneDX", "components": [{"name": "ring", "version": "1", "bom-ref": "r",
        "purl": "pkg:cargo/ring@1"}, {"name": "libc", "bom-ref": "l"}],
       "dependencies": [{"ref": "r", "dependsOn": ["l"]}]}
      """
    let info = "s/one-1.dist-info"
    let (found, warnings) = try inventory([
      "\(info)/METADATA": "Name: one\nVersion: 1\n", "\(info)/sboms/a.cdx.json": document,
      "\(info)/sboms/bad.json": "{",
    ])
    #expect(warnings == ["one-1.dist-info/sboms/bad.json is not a JSON document"])
    let one = try #require(found.components.first { $0.name == "one" })
    #expect(one.parts.map(\.title) == ["ring 1", "libc"])
    #expect(
      found.chains(to: one.parts[1].reference).map { $0.map(\.name) }
        == [["app", "one", "ring", "libc"]])
  }

  @Test func metadataThatIsWrongIsToldOf() throws {
    let (found, warnings) = try inventory([
      "s/one-1.dist-info/METADATA": "Name: two\nVersion: 1\nRequires-Dist: ???\n"
    ])
    #expect(found.components.first?.title == "one 1")
    #expect(
      warnings == [
        "one-1.dist-info/METADATA says that it is of 'two'",
        "one-1.dist-info/METADATA has a requirement that is not one: '???'",
      ])
  }

  @Test(arguments: [
    ("libgfortran-040039e1.so.5.0.0", "libgfortran.so.5.0.0"),
    ("libgfortran-040039e1-0352e75f.so.5", "libgfortran.so.5"), ("libx.so", "libx.so"),
    ("lib-deadbeef", "lib-deadbeef"), ("lib-abc.so", "lib-abc.so"),
  ])
  func namesOfAddedLibraries(_ file: String, _ name: String) { #expect(libraryName(file) == name) }

  @Test func namesOfWheels() throws {
    let wheel = try #require(
      WheelName("numpy-2.0-2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"))
    #expect(wheel.name == "numpy" && wheel.version == "2.0")
    #expect(
      wheel.tags == ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"])
    #expect(WheelName("numpy-2.0.tar.gz") == nil)
    #expect(WheelName("numpy.whl") == nil)
  }

  @Test func copiedLibrariesAreNotedInOneLine() {
    let package = SystemPackage(
      format: .deb, system: "debian", release: "12", name: "zlib1g", version: "1:1.2",
      architecture: "amd64",
      license: "")
    for library in [
      CopiedLibrary(name: "libz.so.1", package: package, neededBy: ["bin/a b", "lib/c"]),
      CopiedLibrary(name: "libz.so.1", package: nil, neededBy: []),
    ] {
      #expect(CopiedLibrary(line: library.line) == library)
    }
    // The note of an older version.
    #expect(CopiedLibrary(line: "libz.so.1").package == nil)
  }
}
