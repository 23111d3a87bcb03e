import Inventory
import Licenses
import Posix

/// A document is read or refused with a text that can be shown. What was read can be written in both formats and read again, and
/// writing it again gives the same bytes. Each component has chains without repeated members.
public func checkInventory(_ bytes: [UInt8]) {
  checkMetadata(bytes)
  do throws(DocumentProblem) {
    let found = try Inventory(parsing: bytes)
    let text = found.cycloneDX
    let again = try Inventory(parsing: [UInt8](text.utf8))
    precondition(again.cycloneDX == text, "another document")
    _ = try Inventory(parsing: [UInt8](found.spdx.utf8))
    for component in found.allComponents.prefix(20) {
      for chain in found.chains(to: component.reference) {
        precondition(chain.first?.reference == found.application.reference)
        precondition(Set(chain.map(\.reference)).count == chain.count, "a chain with a cycle")
      }
    }
  } catch {
    precondition(!error.text.isEmpty && error.text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
  }
}

/// Any bytes are METADATA, with texts of a limited length.
private func checkMetadata(_ bytes: [UInt8]) {
  let metadata = DistributionMetadata(parsing: bytes, directory: "demo-1.0.dist-info")
  precondition(metadata.name == "demo" || metadata.name.lowercased() == "demo", metadata.name)
  let graph = DistributionGraph(
    [metadata], asked: [], variables: markerVariables(python: "3.11.7", processor: "x86_64"))
  precondition(graph.roots == [0] && graph.needs == [[]])
  for license in metadata.licenses {
    if license.kind == .name { precondition(license.value.count <= 203) }
    let expression = LicenseExpression(named: license.value)
    precondition(expression != nil || license.kind == .name, license.value)
    precondition(expression?.unavoidable { _ in true }.isEmpty != true, license.value)
  }
}
