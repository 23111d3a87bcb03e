internal import AppSpec

/// A requirement as PEP 508 defines it, such as `httpx[http2]>=0.27; python_version < "3.13"`.
public struct Requirement: Equatable, Sendable {
  /// Normalized (PEP 503).
  public var name: String
  /// Normalized.
  public var extras: [String]
  /// The environment in which it counts; nil for every one.
  public var marker: Marker?

  /// Parses a requirement; nil if it is not one. The versions are not kept.
  public init?(_ text: String) {
    var rest = trimmed(text)[...]
    let end = rest.firstIndex { !Requirement.isNameCharacter($0) } ?? rest.endIndex
    guard let name = normalizedDistributionName(String(rest[..<end])) else { return nil }
    self.name = name
    extras = []
    rest = trimmed(rest[end...])[...]
    if rest.first == "[" {
      guard let close = rest.firstIndex(of: "]") else { return nil }
      let names = rest[rest.index(after: rest.startIndex)..<close].split(separator: ",")
      extras = names.map { normalizedName(trimmed($0)) }.filter { !$0.isEmpty }
      rest = trimmed(rest[rest.index(after: close)...])[...]
    }
    // A URL may hold semicolons: its marker begins after white space.
    let isURL = rest.first == "@"
    let starts = rest.indices.filter { rest[$0] == ";" }
    let start = starts.first { index in
      !isURL || index > rest.startIndex && rest[rest.index(before: index)].isWhitespace
    }
    if let start {
      marker = Marker(String(rest[rest.index(after: start)...]))
      if marker == nil { return nil }
      rest = rest[..<start]
    }
    guard let first = rest.first else { return }
    guard "@(<>=!~".contains(first) else { return nil }
  }

  private static func isNameCharacter(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || "-_.".contains(character))
  }
}
