internal import Licenses
internal import Posix
internal import Reporting

/// Reads documents: those of `onefold`, of other tools, and those in wheels (PEP 770).
extension Inventory {
  /// Parses a document in CycloneDX JSON (1.2 to 1.6) or SPDX 2.2 or 2.3 JSON.
  ///
  /// Keeps what `Component` has members for. Invalid values are left out: the result can always be written.
  ///
  /// - Throws: a text that completes a sentence which begins with the name of the file.
  public init(parsing bytes: [UInt8]) throws(DocumentProblem) {
    guard let root = JSONValue(parsing: bytes) else {
      throw DocumentProblem("is not a JSON document")
    }
    if root["bomFormat"]?.text == "CycloneDX" {
      self.init(cycloneDX: root)
    } else if let version = root["spdxVersion"]?.text {
      guard version.hasPrefix("SPDX-2.") else {
        throw DocumentProblem("is in \(printable(version)), and Onefold reads SPDX 2.2 and 2.3")
      }
      self.init(spdx: root)
    } else {
      throw DocumentProblem("is neither CycloneDX nor SPDX 2 in JSON")
    }
    removeWhatIsUnknown()
  }

  private init(cycloneDX root: JSONValue) {
    var reader = ComponentReader()
    let metadata = root["metadata"]
    let application =
      metadata?["component"].flatMap { reader.component($0) }
      ?? Component(.application, reference: "application", name: "unknown")
    let components = (root["components"]?.items ?? []).compactMap { reader.component($0) }
    self.init(application: application, components: components)
    for entry in root["dependencies"]?.items ?? [] {
      guard let reference = entry["ref"]?.text else { continue }
      let needs = (entry["dependsOn"]?.items ?? []).compactMap(\.text)
      if !needs.isEmpty { dependencies[reference, default: []] += needs }
    }
    if let tool = metadata?["tools"]?["components"]?.items?.first, let name = tool["name"]?.text {
      packer = (name, tool["version"]?.text ?? "")
    }
    time = metadata?["timestamp"]?.text.flatMap(seconds)
    properties = ComponentReader.properties(metadata?["properties"])
  }

  /// Makes references unique, and removes dependencies on components that are not there.
  private mutating func removeWhatIsUnknown() {
    var known: Set<String> = [application.reference]
    func unique(_ components: [Component]) -> [Component] {
      components.compactMap { component in
        guard known.insert(component.reference).inserted else { return nil }
        var copy = component
        copy.parts = unique(copy.parts)
        return copy
      }
    }
    components = unique(components)
    application.parts = unique(application.parts)
    dependencies = dependencies.filter { known.contains($0.key) }.mapValues { needs in
      Set(needs).filter(known.contains).sorted()
    }.filter { !$0.value.isEmpty }
  }
}

/// The reason why a document cannot be read. Completes a sentence that begins with the name of its file.
public struct DocumentProblem: Error, Equatable, Sendable {
  public let text: String

  init(_ text: String) { self.text = text }
}

/// Reads components of CycloneDX.
private struct ComponentReader {
  private var count = 0

  /// Components without a name are left out, with their parts.
  mutating func component(_ value: JSONValue) -> Component? {
    guard let name = value["name"]?.text, !name.isEmpty else { return nil }
    count += 1
    let kind = value["type"]?.text.flatMap(Component.Kind.init(rawValue:)) ?? .library
    var component = Component(
      kind, reference: value["bom-ref"]?.text ?? "component-\(count)", name: name,
      version: value["version"]?.text ?? "")
    component.author =
      value["authors"]?.items?.first?["name"]?.text ?? value["author"]?.text ?? ""
    component.licenses = (value["licenses"]?.items ?? []).compactMap(license)
    let isMixed = component.licenses.count > 1
    for index in component.licenses.indices
    where isMixed && component.licenses[index].kind == .expression {
      component.licenses[index].kind = .name
    }
    let hash = value["hashes"]?.items?.first { $0["alg"]?.text == "SHA-256" }?["content"]?.text
    component.sha256 = hash.flatMap(validSHA256) ?? ""
    component.packageURL = value["purl"]?.text.flatMap { $0.hasPrefix("pkg:") ? $0 : nil } ?? ""
    component.cpe = value["cpe"]?.text.flatMap { $0.hasPrefix("cpe:2.3:") ? $0 : nil } ?? ""
    component.links = (value["externalReferences"]?.items ?? []).compactMap { link in
      guard let type = link["type"]?.text, let url = link["url"]?.text,
        ["website", "vcs", "issue-tracker", "documentation", "distribution"].contains(type)
      else { return nil }
      return Component.Link(type: type, url: url)
    }
    component.locations = (value["evidence"]?["occurrences"]?.items ?? []).compactMap {
      $0["location"]?.text
    }
    component.properties = Self.properties(value["properties"])
    for part in value["components"]?.items ?? [] {
      if let part = self.component(part) { component.parts.append(part) }
    }
    return component
  }

  private func license(_ value: JSONValue) -> License? {
    if let expression = value["expression"]?.text {
      return SPDXLicenses.expression(expression).map { License(.expression, $0) }
        ?? License(.name, expression)
    }
    let text = value["license"]?["text"]
    let content = text?["encoding"] == nil ? text?["content"]?.text : nil
    if let id = value["license"]?["id"]?.text {
      return SPDXLicenses.identifier(id).map { License(.identifier, $0, text: content) }
        ?? License(.name, id, text: content)
    }
    return value["license"]?["name"]?.text.map { License(.name, $0, text: content) }
  }

  static func properties(_ value: JSONValue?) -> [Component.Property] {
    (value?.items ?? []).compactMap { property in
      guard let name = property["name"]?.text, let value = property["value"]?.text else {
        return nil
      }
      return Component.Property(name, value)
    }
  }
}

/// A hash in lower case; nil if it is not one of SHA-256.
func validSHA256(_ text: String) -> String? {
  let lower = text.lowercased()
  let isHash =
    lower.utf8.count == 64 && lower.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
  return isHash ? lower : nil
}

/// Seconds since 1970 of a time in UTC as `dateTime` writes it; nil for other texts.
private func seconds(_ text: String) -> Int64? {
  let parts = text.split { "-T:Z".contains($0) }.compactMap { Int64($0) }
  guard parts.count == 6, text.hasSuffix("Z"), (0...9999).contains(parts[0]),
    (1...12).contains(parts[1]), (1...31).contains(parts[2]), parts[3] < 24, parts[4] < 60,
    parts[5] < 61
  else { return nil }
  // The reverse of `dateTime`.
  let year = parts[0] - (parts[1] <= 2 ? 1 : 0)
  let era = (year >= 0 ? year : year - 399) / 400
  let yearOfEra = year - era * 400
  let month = parts[1] > 2 ? parts[1] - 3 : parts[1] + 9
  let dayOfYear = (153 * month + 2) / 5 + parts[2] - 1
  let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
  let days = era * 146_097 + dayOfEra - 719_468
  return days * 86_400 + parts[3] * 3600 + parts[4] * 60 + parts[5]
}
