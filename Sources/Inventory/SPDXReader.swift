internal import Licenses
internal import Reporting

/// SPDX 2.2 and 2.3 in JSON (https://spdx.github.io/spdx-spec/v2.3).
extension Inventory {
  init(spdx root: JSONValue) {
    let names = Self.extractedLicenses(root)
    var described = Set((root["documentDescribes"]?.items ?? []).compactMap(\.text))
    var needs: [String: [String]] = [:]
    for relationship in root["relationships"]?.items ?? [] {
      guard let from = relationship["spdxElementId"]?.text,
        let to = relationship["relatedSpdxElement"]?.text
      else { continue }
      switch relationship["relationshipType"]?.text {
      case "DESCRIBES": if from == "SPDXRef-DOCUMENT" { described.insert(to) }
      case "DEPENDS_ON", "CONTAINS": needs[from, default: []].append(to)
      case "DEPENDENCY_OF", "CONTAINED_BY": needs[to, default: []].append(from)
      default: break
      }
    }
    var components = (root["packages"]?.items ?? []).compactMap { Self.component($0, names) }
    let first = components.firstIndex { described.contains($0.reference) }
    let application =
      first.map { components.remove(at: $0) }
      ?? Component(
        .application, reference: "SPDXRef-DOCUMENT", name: root["name"]?.text ?? "unknown")
    self.init(application: application, components: components, dependencies: needs)
  }

  private static func component(_ value: JSONValue, _ names: [String: String]) -> Component? {
    guard let reference = value["SPDXID"]?.text, let name = value["name"]?.text, !name.isEmpty
    else { return nil }
    var component = Component(
      .library, reference: reference, name: name, version: value["versionInfo"]?.text ?? "")
    for key in ["licenseDeclared", "licenseConcluded"] where component.licenses.isEmpty {
      guard let text = value[key]?.text, text != "NOASSERTION", text != "NONE" else { continue }
      if let name = names[text] {
        component.licenses = [License(.name, name)]
      } else if let expression = SPDXLicenses.expression(text) {
        component.licenses = [License(.expression, expression)]
      }
    }
    for checksum in value["checksums"]?.items ?? [] where checksum["algorithm"]?.text == "SHA256" {
      component.sha256 = checksum["checksumValue"]?.text.flatMap(validSHA256) ?? ""
    }
    for reference in value["externalRefs"]?.items ?? [] {
      guard let locator = reference["referenceLocator"]?.text else { continue }
      switch reference["referenceType"]?.text {
      case "purl": component.packageURL = locator.hasPrefix("pkg:") ? locator : ""
      case "cpe23Type": component.cpe = locator.hasPrefix("cpe:2.3:") ? locator : ""
      default: break
      }
    }
    return component
  }

  /// Names of licences that are not in SPDX's list, by their reference.
  private static func extractedLicenses(_ root: JSONValue) -> [String: String] {
    var names: [String: String] = [:]
    for license in root["hasExtractedLicensingInfos"]?.items ?? [] {
      guard let id = license["licenseId"]?.text else { continue }
      names[id] = license["name"]?.text ?? id
    }
    return names
  }
}
