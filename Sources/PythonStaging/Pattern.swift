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
    guard let component = path.first, Self.matches(first[...], component[...]) else { return false }
    return matches(rest, path.dropFirst())
  }

  private static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
    // Greedy with one backtracking point: linear except for the last star.
    var pattern = pattern
    var text = text
    var retry: (pattern: ArraySlice<UInt8>, text: ArraySlice<UInt8>)? = nil
    while true {
      if pattern.first == UInt8(ascii: "*") {
        pattern = pattern.dropFirst()
        retry = (pattern, text)
      } else if let byte = text.first {
        if let wanted = pattern.first, wanted == byte || wanted == UInt8(ascii: "?") {
          pattern = pattern.dropFirst()
          text = text.dropFirst()
        } else if let (old, from) = retry, !from.isEmpty {
          pattern = old
          text = from.dropFirst()
          retry = (old, text)
        } else {
          return false
        }
      } else {
        return pattern.isEmpty
      }
    }
  }
}
