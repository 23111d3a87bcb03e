import Reporting
import Testing

@testable import Inventory

/// Documents that are written and read again, and those of other tools.
@Suite struct DocumentTests {
  private var inventory: Inventory {
    var found = Inventory(
      application: Component(.application, reference: "application", name: "demo", version: "1.0"),
      components: [
        Component(
          .library, reference: "pkg:pypi/one@1", name: "One", version: "1",
          author: "J\u{7F}\n\"é\"",
          licenses: [License(.expression, "MIT OR Apache-2.0")],
          sha256: String(repeating: "ab", count: 32), packageURL: "pkg:pypi/one@1",
          links: [Component.Link(type: "website", url: "https://example.org")],
          locations: ["lib/one-1.dist-info"],
          properties: [Component.Property("onefold:commit", "0123")],
          parts: [Component(.file, reference: "one/1", name: "libone.so")]),
        Component.bootloader(
          target: "x86_64-linux", sha256: "",
          libraries: [("musl", "1.2.3"), ("xz", "5.4.1"), ("other", "")]),
      ],
      dependencies: [
        "application": ["pkg:pypi/one@1", Component.bootloaderReference],
        "pkg:pypi/one@1": ["one/1"],
      ],
      packer: ("onefold", "9.9"), time: 1_700_000_000,
      properties: [Component.Property("onefold:spec:sha256", "00")])
    // Readers keep them sorted.
    found.dependencies["application"]?.sort()
    return found
  }

  private func parsed(_ text: String) throws(DocumentProblem) -> Inventory {
    try Inventory(parsing: [UInt8](text.utf8))
  }

  @Test func cycloneDXIsReadAsItWasWritten() throws {
    let text = inventory.cycloneDX
    #expect(try parsed(text) == inventory)
    #expect(try parsed(text).cycloneDX == text)
    #expect(text.contains("\"timestamp\": \"2023-11-14T22:13:20Z\""))
  }

  @Test func theSerialNumberIsThatOfTheContent() throws {
    var other = inventory
    other.components[0].version = "2"
    let numbers = [inventory, inventory, other].map {
      JSONValue(parsing: [UInt8]($0.cycloneDX.utf8))?["serialNumber"]?.text
    }
    #expect(numbers[0] == numbers[1])
    #expect(numbers[0] != numbers[2])
    let form = #/urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/#
    #expect(numbers[0]?.wholeMatch(of: form) != nil)
  }

  @Test func spdxHasTheSameComponents() throws {
    let found = try parsed(inventory.spdx)
    #expect(found.application.title == "demo 1.0")
    #expect(
      Set(found.components.map(\.title))
        == ["One 1", "libone.so", "onefold-bootloader", "musl 1.2.3", "xz 5.4.1", "other"])
    let one = try #require(found.components.first { $0.name == "One" })
    #expect(one.packageURL == "pkg:pypi/one@1")
    #expect(one.licenses == [License(.expression, "MIT OR Apache-2.0")])
    #expect(one.sha256 == String(repeating: "ab", count: 32))
    let xz = try #require(found.components.first { $0.name == "xz" })
    #expect(xz.licenses == [License(.name, "Public domain")])
  }

  @Test func everyLibraryOfTheBootloaderHasItsNotice() {
    let names = ["musl", "openssl", "xz", "zstd"]
    let parts = Component.bootloader(
      target: "", sha256: "", libraries: names.map { ($0, "1.0") }
    ).parts
    for part in parts { #expect(part.licenses.first?.text?.isEmpty == false, "\(part.name)") }
    #expect(parts.map(\.name) == names)
  }

  @Test(arguments: [
    ("", "is not a JSON document"), ("[]", "is neither CycloneDX nor SPDX 2 in JSON"),
    ("{\"bomFormat\": \"other\"}", "is neither CycloneDX nor SPDX 2 in JSON"),
    (
      "{\"spdxVersion\": \"SPDX-3.0\\u001b\"}",
      "is in SPDX-3.0\\x1b, and Onefold reads SPDX 2.2 and 2.3"
    ),
  ])
  func otherDocuments(_ text: String, _ problem: String) {
    #expect(throws: DocumentProblem(problem)) { try parsed(text) }
  }

  @Test func wrongValuesAreLeftOut() throws {
    let text = """
      {"bomFormat": "CycloneDX", "components": [
        {"name": "a", "bom-ref": "x", "type": "nonsense", "purl": "no", "cpe": "no",
         "licenses": [{"license": {"id": "Nonsense"}}, {"expression": "MIT OR"}, 5],
         "hashes": [{"alg": "SHA-256", "content": "zz"}],
         "externalReferences": [{"type": "nonsense", "url": "x"}]},
        {"name": "b", "bom-ref": "x"}, {"name": ""}, {}, 7],
       "dependencies": [{"ref": "x", "dependsOn": ["x", "gone"]}, {"ref": "gone", "dependsOn": ["x"]}]}
      """
    let found = try parsed(text)
    #expect(found.components.map(\.name) == ["a"])
    let a = found.components[0]
    #expect(a.kind == .library)
    #expect(a.licenses == [License(.name, "Nonsense"), License(.name, "MIT OR")])
    #expect(a.sha256 == "" && a.packageURL == "" && a.cpe == "" && a.links == [])
    #expect(found.dependencies == ["x": ["x"]])
    #expect(JSONValue(parsing: [UInt8](found.cycloneDX.utf8)) != nil)
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"),
    (951_782_400, "2000-02-29T00:00:00Z"), (4_102_444_800, "2100-01-01T00:00:00Z"),
    (315_662_400, "1980-01-02T12:00:00Z"),
  ])
  func times(_ seconds: Int64, _ text: String) throws {
    #expect(dateTime(seconds) == text)
    var other = inventory
    other.time = seconds
    #expect(try parsed(other.cycloneDX).time == seconds)
  }

  @Test func packageURLsAreEncoded() {
    #expect(
      PackageURL.make(
        "deb", namespace: "debian", name: "libstdc++6", version: "1:2~a+b",
        qualifiers: [("arch", "amd64"), ("distro", "")])
        == "pkg:deb/debian/libstdc%2B%2B6@1:2~a%2Bb?arch=amd64")
    #expect(PackageURL.make("pypi", name: "é/x", version: "") == "pkg:pypi/%C3%A9%2Fx")
  }
}
