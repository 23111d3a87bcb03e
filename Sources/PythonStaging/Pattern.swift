import AppSpec

/// A shell pattern for paths: `*` and `?` match within a component, `**` matches any number of components.
///
/// A pattern also matches everything below a matched path.
struct Pattern: Sendable {
  private let components: [[UInt8]]

  init(_ text: String) {
    var components = text.utf8.split(separator: UInt8(ascii: "/")).map { [UInt8]($0) }
    components.removeAll { $0 == [UInt8(ascii: ".")] }
    self.components = components
  }

  /// Whether the path, or a directory above it, matches.
  func matches(_ path: some Sequence<UInt8>) -> Bool {
    let parts = [UInt8](path).split(separator: UInt8(ascii: "/")).map { [UInt8]($0) }
    return matches(components[...], parts[...])
  }

  private func matches(_ pattern: ArraySlice<[UInt8]>, _ path: ArraySlice<[UInt8]>) -> Bool {
    guard let first = pattern.first else { return true }
    let rest = pattern.dropFirst()
    if first == [UInt8]("**".utf8) {
      // A final `**` matches everything below.
      if rest.isEmpty { return !path.isEmpty }
      return (path.startIndex...path.endIndex).contains { matches(rest, path[$0...]) }
    }
    guard let component = path.first, matchesGlob(first[...], component[...]) else { return false }
    return matches(rest, path.dropFirst())
  }
}
