internal import Licenses
internal import Reporting

/// SPDX 2.3 in JSON (https://spdx.github.io/spdx-spec/v2.3).
extension Inventory {
  /// The document. The same inventory always gives the same one.
  public var spdx: String {
    var writer = SPDXWriter(self)
    return writer.document().encoded
  }
}

private struct SPDXWriter {
  let inventory: Inventory
  /// The application first.
  let components: [Component]
  let ids: [String: String]
  /// Names of licences that are not in SPDX's list, by their reference.
  var extracted: [(id: String, name: String)] = []

  init(_ inventory: Inventory) {
    self.inventory = inventory
    components = inventory.application.withParts + inventory.allComponents
    var ids: [String: String] = [:]
    var used: Set<String> = []
    for component in components {
      let base = "SPDXRef-" + idText(component.title)
      var id = base
      var number = 2
      while !used.insert(id).inserted {
        id = "\(base)-\(number)"
        number += 1
      }
      ids[component.reference] = id
    }
    self.ids = ids
  }

  mutating func document() -> JSON {
    let packages = components.map { package($0) }
    let rest: [(String, JSON)] = [
      ("name", .string(inventory.application.title)),
      (
        "creationInfo",
        .object([
          // The format requires a time.
          ("created", .string(dateTime(inventory.time ?? 0))),
          ("creators", .array([.string(tool)])),
        ])
      ),
      ("packages", .array(packages)),
      ("hasExtractedLicensingInfos", .array(extracted.map(json))),
      ("relationships", .array(relationships)),
    ]
    let namespace = uuid(of: [UInt8](JSON.object(rest).encoded.utf8))
    return .object(
      [
        ("spdxVersion", .string("SPDX-2.3")), ("dataLicense", .string("CC0-1.0")),
        ("SPDXID", .string("SPDXRef-DOCUMENT")), ("documentNamespace", .string(namespace)),
      ] + rest)
  }

  private var tool: String {
    guard let packer = inventory.packer else { return "Tool: unknown" }
    return "Tool: \(packer.name)-\(packer.version)"
  }

  private mutating func package(_ component: Component) -> JSON {
    var members: [(String, JSON)] = [
      ("SPDXID", .string(ids[component.reference] ?? "")), ("name", .string(component.name)),
    ]
    if !component.version.isEmpty { members.append(("versionInfo", .string(component.version))) }
    if !component.author.isEmpty {
      // "Person:" or "Organization:" would be a guess.
      members.append(("comment", .string("author: \(component.author)")))
    }
    members += [
      ("downloadLocation", .string("NOASSERTION")), ("filesAnalyzed", .bool(false)),
    ]
    if !component.sha256.isEmpty {
      let checksum = JSON.object([
        ("algorithm", .string("SHA256")), ("checksumValue", .string(component.sha256)),
      ])
      members.append(("checksums", .array([checksum])))
    }
    if let page = component.links.first(where: { $0.type == "website" }) {
      members.append(("homepage", .string(page.url)))
    }
    members += [
      ("licenseConcluded", .string("NOASSERTION")),
      ("licenseDeclared", .string(declared(component.licenses))),
      ("copyrightText", .string("NOASSERTION")),
    ]
    let texts = component.licenses.compactMap(\.text)
    if !texts.isEmpty { members.append(("attributionTexts", .array(texts.map { .string($0) }))) }
    let references = externalReferences(component)
    if !references.isEmpty { members.append(("externalRefs", .array(references))) }
    members.append(("primaryPackagePurpose", .string(purpose(component.kind))))
    return .object(members)
  }

  private func externalReferences(_ component: Component) -> [JSON] {
    func reference(_ category: String, _ type: String, _ locator: String) -> JSON {
      .object([
        ("referenceCategory", .string(category)), ("referenceType", .string(type)),
        ("referenceLocator", .string(locator)),
      ])
    }
    var references: [JSON] = []
    if !component.packageURL.isEmpty {
      references.append(reference("PACKAGE-MANAGER", "purl", component.packageURL))
    }
    if !component.cpe.isEmpty {
      references.append(reference("SECURITY", "cpe23Type", component.cpe))
    }
    return references
  }

  private func purpose(_ kind: Component.Kind) -> String {
    switch kind {
    case .application, .framework, .library, .container, .firmware, .file, .device:
      kind.rawValue.uppercased()
    case .operatingSystem: "OPERATING-SYSTEM"
    default: "OTHER"
    }
  }

  /// All licences apply, because nothing says which one may be chosen.
  private mutating func declared(_ licenses: [License]) -> String {
    guard !licenses.isEmpty else { return "NOASSERTION" }
    let parts = licenses.map { license in
      switch license.kind {
      case .identifier: return license.value
      case .expression:
        for name in SPDXLicenses.names(in: license.value) where name.hasPrefix("LicenseRef-") {
          note(id: name, name)
        }
        return licenses.count > 1 ? "(\(license.value))" : license.value
      case .name:
        let id = "LicenseRef-" + idText(license.value)
        note(id: id, license.value)
        return id
      }
    }
    var seen: Set<String> = []
    return parts.filter { seen.insert($0).inserted }.joined(separator: " AND ")
  }

  private mutating func note(id: String, _ name: String) {
    if !extracted.contains(where: { $0.id == id }) { extracted.append((id, name)) }
  }

  private func json(_ license: (id: String, name: String)) -> JSON {
    .object([
      ("licenseId", .string(license.id)), ("name", .string(license.name)),
      // The format requires a text; the packages have theirs as files in the tree.
      ("extractedText", .string(license.name)),
    ])
  }

  private var relationships: [JSON] {
    var lines: [JSON] = []
    func add(_ from: String, _ type: String, _ to: String) {
      lines.append(
        .object([
          ("spdxElementId", .string(from)), ("relationshipType", .string(type)),
          ("relatedSpdxElement", .string(to)),
        ]))
    }
    let application = ids[inventory.application.reference] ?? ""
    add("SPDXRef-DOCUMENT", "DESCRIBES", application)
    for component in inventory.components {
      add(application, "CONTAINS", ids[component.reference] ?? "")
    }
    for component in components {
      let id = ids[component.reference] ?? ""
      for part in component.parts { add(id, "CONTAINS", ids[part.reference] ?? "") }
      for need in (inventory.dependencies[component.reference] ?? []).sorted() {
        if let other = ids[need] { add(id, "DEPENDS_ON", other) }
      }
    }
    return lines
  }
}

/// A text with only the characters that SPDX allows in identifiers.
private func idText(_ text: String) -> String {
  let characters = text.prefix(100).map { character -> Character in
    let isPlain =
      character.isASCII && (character.isLetter || character.isNumber || "-.".contains(character))
    return isPlain ? character : "-"
  }
  return characters.isEmpty ? "unnamed" : String(characters)
}
