import Inventory
import OutputFiles
import PayloadFormat
import PayloadReader
import Posix
import Reporting

// What `onefold inspect` shows of the software bill of materials in a onefile.

/// Shows the document, the licences or the reasons, if an option asks for one of them. Returns whether one does.
func showInventory(_ payload: Payload, _ manifest: Manifest, _ arguments: Arguments)
  throws(Failure) -> Bool
{
  if arguments.has("--sbom") {
    try writeDocument(payload, manifest, try arguments.word("--format") ?? "cyclonedx")
  } else if arguments.has("--licenses") || arguments.has("--license-texts") {
    let licenses = try LicenseList(payload, manifest)
    if let directory = arguments.value("--license-texts") {
      try licenses.writeTexts(to: directory, arguments)
    } else {
      try writeData(arguments.has("--json") ? licenses.json.encoded : licenses.table)
    }
  } else if let name = arguments.value("--requires") {
    let inventory = try readInventory(payload, manifest)
    try writeReasons(inventory, name, payload, json: arguments.has("--json"))
  } else {
    return false
  }
  return true
}

/// The document's bytes.
///
/// - Throws: a failure if the file holds none, or is damaged.
private func readDocument(_ payload: Payload, _ manifest: Manifest) throws(Failure) -> [UInt8] {
  guard let entry = manifest.file(at: OwnFiles.inventory) else {
    throw .failed(
      "\(payload.path.quoted) holds no software bill of materials: it was packed with --no-sbom or by an older onefold; "
        + "pack it again")
  }
  guard entry.size <= 64 << 20 else {
    throw .failed("the software bill of materials in \(payload.path.quoted) is larger than 64 MiB")
  }
  var bytes: [UInt8] = []
  try readContent(of: entry, in: payload, manifest) { (part) throws(Failure) in bytes += part }
  return bytes
}

func readInventory(_ payload: Payload, _ manifest: Manifest) throws(Failure) -> Inventory {
  let bytes = try readDocument(payload, manifest)
  do throws(DocumentProblem) { return try Inventory(parsing: bytes) } catch {
    throw .failed("'\(OwnFiles.inventory)' in \(payload.path.quoted) \(error.text)")
  }
}

private func writeDocument(_ payload: Payload, _ manifest: Manifest, _ format: String)
  throws(Failure)
{
  if format == "spdx" {
    try writeData(try readInventory(payload, manifest).spdx)
  } else {
    try writeData(String(decoding: try readDocument(payload, manifest), as: UTF8.self))
  }
}

// MARK: Reasons

private func writeReasons(
  _ inventory: Inventory, _ name: Path, _ payload: Payload, json: Bool
) throws(Failure) {
  let found = inventory.components(named: name.string)
  guard !found.isEmpty else {
    let near = inventory.nearestName(to: name.string).map { "; did you mean '\(printable($0))'?" }
    throw .failed(
      "nothing in \(payload.path.quoted) has the name \(name.quoted): 'onefold inspect --licenses' lists what it holds"
        + (near ?? ""))
  }
  let reasons = found.map { (component: $0, chains: inventory.chains(to: $0.reference)) }
  guard json else {
    let text = reasons.map { reasonText($0.component, $0.chains) }.joined()
    return try writeData(text)
  }
  let members = reasons.map { reason in
    JSON.object([
      ("name", .string(reason.component.name)), ("version", .string(reason.component.version)),
      ("chains", .array(reason.chains.map { .array($0.map { .string($0.title) }) })),
    ])
  }
  try writeData(JSON.object([("components", .array(members))]).encoded)
}

/// A heading, and a line for each chain.
private func reasonText(_ component: Component, _ chains: [[Component]]) -> String {
  let title = printable(component.title)
  guard !chains.isEmpty else { return "\(title)\n  part of a component that nothing requires\n" }
  return "\(title)\n"
    + chains.map { "  " + $0.map { printable($0.title) }.joined(separator: " > ") + "\n" }.joined()
}
