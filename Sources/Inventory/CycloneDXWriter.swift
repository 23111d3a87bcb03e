internal import ContentHash
internal import PayloadFormat
internal import Posix
internal import Reporting

/// CycloneDX 1.6 (ECMA-424, https://cyclonedx.org/docs/1.6/json).
extension Inventory {
  /// The document. The same inventory always gives the same one.
  ///
  /// Its serial number is made from the hash of everything else.
  public var cycloneDX: String {
    let rest = cycloneDXMembers
    let text = [UInt8](JSON.object(rest).encoded.utf8)
    var members = rest
    members.insert(("serialNumber", .string(uuid(of: text))), at: 3)
    return JSON.object(members).encoded
  }

  private var cycloneDXMembers: [(String, JSON)] {
    [
      ("$schema", .string("http://cyclonedx.org/schema/bom-1.6.schema.json")),
      ("bomFormat", .string("CycloneDX")),
      ("specVersion", .string("1.6")),
      ("version", .number(1)),
      ("metadata", metadata),
      ("components", .array(components.map(json))),
      ("dependencies", .array(dependencyList)),
    ]
  }

  private var metadata: JSON {
    var members: [(String, JSON)] = []
    if let time { members.append(("timestamp", .string(dateTime(time)))) }
    if let packer {
      let tool = JSON.object([
        ("type", .string("application")), ("name", .string(packer.name)),
        ("version", .string(packer.version)),
      ])
      members.append(("tools", .object([("components", .array([tool]))])))
    }
    members.append(("component", json(application)))
    if !properties.isEmpty { members.append(("properties", json(properties))) }
    return .object(members)
  }

  /// One entry for each component, as scanners expect.
  private var dependencyList: [JSON] {
    ([application] + allComponents).map(\.reference).sorted().map { reference in
      var members: [(String, JSON)] = [("ref", .string(reference))]
      if let needs = dependencies[reference], !needs.isEmpty {
        members.append(("dependsOn", .array(Set(needs).sorted().map { .string($0) })))
      }
      return .object(members)
    }
  }

  private func json(_ component: Component) -> JSON {
    var members: [(String, JSON)] = [
      ("type", .string(component.kind.rawValue)), ("bom-ref", .string(component.reference)),
    ]
    func add(_ name: String, _ value: String) {
      if !value.isEmpty { members.append((name, .string(value))) }
    }
    if !component.author.isEmpty {
      members.append(("authors", .array([.object([("name", .string(component.author))])])))
    }
    add("name", component.name)
    add("version", component.version)
    if !component.sha256.isEmpty {
      let hash = JSON.object([
        ("alg", .string("SHA-256")), ("content", .string(component.sha256)),
      ])
      members.append(("hashes", .array([hash])))
    }
    if !component.licenses.isEmpty { members.append(("licenses", json(component.licenses))) }
    add("cpe", component.cpe)
    add("purl", component.packageURL)
    if !component.links.isEmpty {
      let links = component.links.map { link in
        JSON.object([("type", .string(link.type)), ("url", .string(link.url))])
      }
      members.append(("externalReferences", .array(links)))
    }
    if !component.parts.isEmpty {
      members.append(("components", .array(component.parts.map(json))))
    }
    if !component.locations.isEmpty {
      let places = component.locations.map { JSON.object([("location", .string($0))]) }
      members.append(("evidence", .object([("occurrences", .array(places))])))
    }
    if !component.properties.isEmpty { members.append(("properties", json(component.properties))) }
    return .object(members)
  }

  private func json(_ properties: [Component.Property]) -> JSON {
    .array(
      properties.map {
        .object([("name", .string($0.name)), ("value", .string($0.value))])
      })
  }

  /// Either one expression alone, or any number of licences.
  private func json(_ licenses: [License]) -> JSON {
    if licenses.count == 1, licenses[0].kind == .expression {
      return .array([.object([("expression", .string(licenses[0].value))])])
    }
    return .array(
      licenses.map { license in
        let key = license.kind == .identifier ? "id" : "name"
        var members: [(String, JSON)] = [(key, .string(license.value))]
        if let text = license.text {
          members.append(("text", .object([("content", .string(text))])))
        }
        return .object([("license", .object(members))])
      })
  }
}

/// A UUID of version 8 (RFC 9562) from the hash of a text.
func uuid(of bytes: [UInt8]) -> String {
  var id = Array(SHA256Hasher.digest(of: bytes.span).bytes.prefix(16))
  id[6] = id[6] & 0x0F | 0x80
  id[8] = id[8] & 0x3F | 0x80
  let digits = hexText(id).string
  var text = "urn:uuid:"
  for (index, digit) in digits.enumerated() {
    if [8, 12, 16, 20].contains(index) { text += "-" }
    text.append(digit)
  }
  return text
}

/// "2026-11-29T18:59:37Z" (RFC 3339) for seconds since 1970.
func dateTime(_ seconds: Int64) -> String {
  let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
  let clock = seconds - days * 86_400
  // Counts years from March, so that leap days are last (Howard Hinnant, "chrono-Compatible Low-Level Date
  // Algorithms").
  let shifted = days + 719_468
  let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
  let dayOfEra = shifted - era * 146_097
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let month = (5 * dayOfYear + 2) / 153
  let day = dayOfYear - (153 * month + 2) / 5 + 1
  let civilMonth = month < 10 ? month + 3 : month - 9
  let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
  func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
  return "\(padded(year, 4))-\(padded(civilMonth, 2))-\(padded(day, 2))T"
    + "\(padded(clock / 3600, 2)):\(padded(clock / 60 % 60, 2)):\(padded(clock % 60, 2))Z"
}
