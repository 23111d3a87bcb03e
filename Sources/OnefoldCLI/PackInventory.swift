import BuildTools
import Inventory
import PayloadFormat
import PayloadWriter
import Posix
import PythonStaging

// The software bill of materials that `onefold pack` adds to a tree.

/// The options of `pack` for the software bill of materials.
let inventoryOptions = [
  Option(
    name: "--sbom", value: "FILE", values: .file,
    help: "add the components of a document that another tool made, in CycloneDX or SPDX JSON",
    repeats: true),
  Option(name: "--no-sbom", help: "pack no software bill of materials, and the tree as it is"),
]

/// Documents of `--sbom`, read before anything else is done.
struct GivenDocuments {
  /// Whether a document is packed at all.
  let isWanted: Bool
  private let documents: [Inventory]

  init(_ arguments: Arguments) throws(Failure) {
    isWanted = !arguments.has("--no-sbom")
    guard isWanted || !arguments.has("--sbom") else {
      throw .usage("option '--sbom' does not go with '--no-sbom'")
    }
    documents = try arguments.all("--sbom").map { (path) throws(Failure) in
      let bytes = try readFile(path)
      do throws(DocumentProblem) { return try Inventory(parsing: bytes) } catch {
        throw .failed(
          "option '--sbom': \(path.quoted) \(error.text): give CycloneDX 1.2 to 1.6 or SPDX 2.2 or 2.3, in JSON"
        )
      }
    }
  }

  func add(to builder: inout InventoryBuilder) {
    for document in documents { builder.add(document) }
  }
}

extension InventoryBuilder {
  /// Adds the bootloader, and returns the document as a file to be packed.
  ///
  /// - Parameters:
  ///   - time: seconds since 1970, in the document and as that of the file; nil for none in the document.
  mutating func file(
    for bootloader: Bootloader, _ given: GivenDocuments, time: Int64?,
    _ properties: [Component.Property]
  ) -> AddedFile {
    add(
      Component.bootloader(
        target: "\(bootloader.target)", sha256: bootloader.sha256, libraries: bootloader.libraries))
    given.add(to: &self)
    let inventory = finished(packer: version, time: time, properties)
    let parts = "\(OwnFiles.inventory)".split(separator: "/").map(String.init)
    return AddedFile(
      directory: parts[0], name: parts[1], content: [UInt8](inventory.cycloneDX.utf8),
      modified: FileTime(seconds: time ?? earliestFileTime, nanoseconds: 0),
      directoryTime: FileTime(seconds: earliestFileTime, nanoseconds: 0))
  }
}

/// The property of a build with SOURCE_DATE_EPOCH.
func epochProperty(_ epoch: Int64?) -> [Component.Property] {
  epoch.map { [Component.Property("onefold:source-date-epoch", String($0))] } ?? []
}
