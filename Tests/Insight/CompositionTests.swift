import Inventory
import PayloadFormat
import Reporting
import TestSupport
import Testing

@testable import Insight

@Suite struct CompositionTests {
  private let site = "lib/python3.11/site-packages"

  private func tree(_ files: [String: [UInt8]]) throws -> MeasuredTree {
    let manifest = try Manifest(parsing: Onefile(files: files).manifest())
    return MeasuredTree(manifest) { owner($0) }
  }

  /// "a 1.0" for files of a distribution, and "lib/" for others.
  private func owner(_ path: [UInt8]) -> [UInt8] {
    let text = String(decoding: path, as: UTF8.self)
    guard text.hasPrefix(site + "/") else { return [UInt8]("lib/".utf8) }
    let name = text.dropFirst(site.utf8.count + 1).prefix { $0 != "/" && $0 != "-" }
    return [UInt8]("\(name) 1.0".utf8)
  }

  private func composition(_ tree: MeasuredTree, _ inventory: Inventory?) -> Composition {
    Composition(
      tree, inventory, kindOf: { $0 == [UInt8]("lib/".utf8) ? .files : .distribution },
      ownerOf: owner)
  }

  private func distribution(_ name: String, license: String = "MIT") -> Component {
    Component(
      .library, reference: name, name: name.uppercased(), version: "1.0",
      licenses: [License(.name, license)], locations: ["\(site)/\(name)-1.0.dist-info"])
  }

  private func files(_ sizes: [String: Int]) -> [String: [UInt8]] {
    sizes.mapValues { [UInt8](repeating: 1, count: $0) }
  }

  @Test func aLibraryGoesWithTheOnlyDistributionThatNeedsIt() throws {
    let tree = try tree(
      files(["\(site)/a/x": 100, "\(site)/b/x": 10, "lib/libc.so.1": 7, "lib/libd.so": 5]))
    let library = Component(
      .library, reference: "lib/libc.so.1", name: "libc.so.1", version: "2",
      packageURL: "pkg:deb/debian/libc%2B%2B1@2?arch=amd64", locations: ["lib/libc.so.1"])
    let shared = Component(
      .library, reference: "lib/libd.so", name: "libd.so", locations: ["lib/libd.so"])
    let inventory = Inventory(
      application: Component(.application, reference: "application", name: "app"),
      components: [distribution("a"), distribution("b"), library, shared],
      dependencies: [
        "application": ["a"], "a": ["b", "lib/libd.so"],
        "b": ["lib/libc.so.1", "lib/libd.so", "gone"],
      ])
    let found = composition(tree, inventory)
    let rows = Dictionary(uniqueKeysWithValues: found.rows.map { ($0.name, $0) })
    #expect(rows["A"]?.saving?.size == Composition.Size(unpacked: 122, packed: 122))
    #expect(rows["A"]?.saving?.names == ["B 1.0", "libc.so.1 2", "libd.so"])
    #expect(rows["B"]?.saving?.size == Composition.Size(unpacked: 17, packed: 17))
    #expect(rows["B"]?.saving?.others == 1)
    #expect(rows["B"]?.requiredBy == ["A 1.0"])
    #expect(rows["B"]?.licenses == "MIT")
    #expect(rows["lib/"]?.saving == nil)
    #expect(found.libraries.map(\.package) == ["deb/debian/libc++1", ""])
    #expect(found.libraries.map(\.requiredBy) == [["B 1.0"], ["A 1.0", "B 1.0"]])
  }

  @Test func withoutADocumentRowsHaveNamesAndSizes() throws {
    let found = composition(try tree(files(["\(site)/a/x": 100, "lib/y": 3])), nil)
    #expect(!found.hasInventory)
    #expect(found.rows.map(\.title).sorted() == ["a 1.0", "lib/"])
    #expect(
      found.rows.allSatisfy { $0.saving == nil && $0.requiredBy.isEmpty && $0.licenses.isEmpty })
    #expect(found.rows.first { $0.name == "a" }?.version == "1.0")
  }

  @Test func longLicencesAreCut() throws {
    let inventory = Inventory(
      application: Component(.application, reference: "application", name: "app"),
      components: [distribution("a", license: String(repeating: "x", count: 100_000))])
    let found = composition(try tree(files(["\(site)/a/x": 1])), inventory)
    #expect(found.rows[0].licenses.count == 201)
  }

  @Test func whatCannotBeSeenIsWrittenOut() {
    #expect(visibleText("a\u{202E}b") == "a\\u202eb")
    #expect(visibleText("a\nb\u{9B}") == "a\\u000ab\\u009b")
    #expect(visibleText([0x61, 0xFF, 0x62]) == "a\\xffb")
    #expect(visibleText("é ‘ü’ 😀") == "é ‘ü’ 😀")
  }

  @Test func theDataIsJSONOfAllFiles() throws {
    let tree = try tree(files(["lib/a\"</script>": 3, "lib/b.py": 4, "lib/libx.so.1": 5]))
    let data = PageData(tree, tree.owners.map { visibleText($0) }).bytes
    let root = try #require(JSONValue(parsing: data))
    let names = root["files"]?["name"]?.items?.compactMap(\.text)
    // The last name has a directory above it.
    #expect(names == ["b.py", "libx.so.1", "script>"])
    #expect(root["files"]?["kind"]?.text == "120")
    #expect(root["owners"]?.items?.compactMap(\.text) == ["lib/"])
    #expect(root["folders"]?["name"]?.items?.count == 3)
  }

  @Test func sizesAreRoundedDown() {
    #expect(sizeText(999) == "999 bytes")
    #expect(sizeText(1999) == "1.9 kB")
    #expect(sizeText(39_990_000) == "39.9 MB")
    #expect(sizeText(12_345_678_901) == "12.3 GB")
  }
}
