internal import AppSpec
internal import Licenses

/// The core metadata of a Python distribution: the file `METADATA`
/// (https://packaging.python.org/en/latest/specifications/core-metadata).
///
/// Any bytes can be parsed: `problems` lists what is wrong with them.
public struct DistributionMetadata: Equatable, Sendable {
  /// As `METADATA` writes it; see `name(ofDirectory:)`.
  public private(set) var name = ""
  public private(set) var version = ""
  public private(set) var licenses: [License] = []
  public private(set) var author = ""
  public private(set) var links: [Component.Link] = []
  /// `Requires-Dist`: requirements with markers.
  public private(set) var requirements: [Requirement] = []
  /// Completions of sentences that begin with the name of the file.
  public private(set) var problems: [String] = []

  /// The most characters of a text that are kept. Longer ones are in the file itself.
  static let longest = 200

  /// Parses the headers of `METADATA`. Bytes that are not UTF-8 are replaced.
  ///
  /// - Parameter directory: the name of the `.dist-info` directory. The installer took it from the wheel's file name,
  ///   which is the name that the index served, so it overrides the name and version in the file.
  public init(parsing bytes: [UInt8], directory: String) {
    if String(validating: bytes, as: UTF8.self) == nil { problems.append("is not UTF-8") }
    let headers = Self.headers(String(decoding: bytes, as: UTF8.self))
    func all(_ name: String) -> [String] {
      headers.filter { $0.name == name }.map(\.value).filter { !$0.isEmpty && $0 != "UNKNOWN" }
    }
    name = all("name").first ?? ""
    version = all("version").first ?? ""
    checkName(directory)
    licenses = Self.licenses(
      expression: all("license-expression").first, text: all("license").first,
      classifiers: all("classifier"), problems: &problems)
    author = Self.shortened(
      all("author").first ?? all("author-email").first ?? all("maintainer").first
        ?? all("maintainer-email").first ?? "")
    links = Self.links(homepage: all("home-page").first, projects: all("project-url"))
    for text in all("requires-dist") {
      if let requirement = Requirement(text) {
        requirements.append(requirement)
      } else {
        problems.append("has a requirement that is not one: '\(Self.shortened(text))'")
      }
    }
  }

  private mutating func checkName(_ directory: String) {
    let suffix = ".dist-info"
    let stem = directory.hasSuffix(suffix) ? directory.dropLast(suffix.utf8.count) : directory[...]
    let parts = stem.split(separator: "-", maxSplits: 1).map(String.init)
    if let expected = parts.first, !expected.isEmpty {
      if name.isEmpty {
        problems.append("has no name")
        name = expected
      } else if normalizedName(name) != normalizedName(expected) {
        problems.append("says that it is of '\(Self.shortened(name))'")
        name = expected
      }
    }
    if let expected = parts.dropFirst().first {
      if version.isEmpty {
        problems.append("has no version")
        version = expected
      } else if Self.comparable(version) != Self.comparable(expected) {
        problems.append("says that it is of version '\(Self.shortened(version))'")
        version = expected
      }
    }
    name = Self.shortened(name)
    version = Self.shortened(version)
  }

  /// Wheels write "1.0+local.1" as "1.0+local.1" or "1.0_local_1", and "1!2.0" also as "1_2.0".
  private static func comparable(_ version: String) -> String {
    String(version.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "." })
  }

  /// The headers before the first empty line. Names are in lower case. Lines that continue a value keep their line
  /// ends.
  private static func headers(_ text: String) -> [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: isLineEnd) {
      if line.isEmpty { break }
      if line.first == " " || line.first == "\t" {
        guard !headers.isEmpty else { continue }
        headers[headers.count - 1].value += "\n" + trimmed(line)
        continue
      }
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers.append(
        (line[..<colon].lowercased(), trimmed(line[line.index(after: colon)...])))
    }
    return headers
  }

  /// Other characters that Unicode counts as newlines may be in values.
  private static func isLineEnd(_ character: Character) -> Bool {
    character == "\n" || character == "\r\n" || character == "\r"
  }

  /// The stated licences: the expression, or else the classifiers, or else the field.
  private static func licenses(
    expression: String?, text: String?, classifiers: [String], problems: inout [String]
  ) -> [License] {
    if let expression {
      if let valid = SPDXLicenses.expression(expression) { return [License(.expression, valid)] }
      problems.append("has a licence expression that is not one: '\(shortened(expression))'")
      return [License(.name, shortened(expression))]
    }
    let classified = classifiers.compactMap(License.init(classifier:))
    if let text, let id = SPDXLicenses.identifier(text) {
      // The field is more exact than a classifier such as "BSD License".
      let isKnown = classified.allSatisfy { $0.kind == .name || $0.value == id }
      if isKnown { return [License(.identifier, id)] }
    }
    if !classified.isEmpty {
      var seen: Set<String> = []
      return classified.filter { seen.insert($0.value).inserted }
    }
    guard let text else { return [] }
    if let valid = SPDXLicenses.expression(text) { return [License(.expression, valid)] }
    return [License(.name, shortened(text))]
  }

  private static func links(homepage: String?, projects: [String]) -> [Component.Link] {
    var links: [Component.Link] = []
    func add(_ type: String, _ url: String) {
      guard isURL(url), !links.contains(where: { $0.url == url }) else { return }
      links.append(Component.Link(type: type, url: url))
    }
    if let homepage { add("website", homepage) }
    for project in projects {
      guard let comma = project.firstIndex(of: ",") else { continue }
      let url = trimmed(project[project.index(after: comma)...])
      switch project[..<comma].lowercased().filter({ $0.isLetter }) {
      case "homepage": add("website", url)
      case "source", "sourcecode", "repository", "github", "code": add("vcs", url)
      default: break
      }
    }
    return links
  }

  private static func isURL(_ text: String) -> Bool {
    (text.hasPrefix("https://") || text.hasPrefix("http://")) && text.utf8.count <= 2000
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}".utf8.contains($0) }
  }

  /// The first line that is not empty, cut at `longest` characters.
  static func shortened(_ text: String) -> String {
    let line =
      text.split(whereSeparator: \.isNewline).map { trimmed($0) }.first { !$0.isEmpty } ?? ""
    return line.count > longest ? String(line.prefix(longest)) + "..." : line
  }
}
