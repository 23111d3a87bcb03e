import AppSpec

extension Spec.Launch {
  /// Replaces the placeholder `{data}`. The launch record has none of this name: only the packer knows where data files are.
  mutating func replaceDataRoot(_ root: String) {
    arguments = arguments.map { replacingDataRoot($0, root) }
    environment = environment.map { ($0.name, replacingDataRoot($0.value, root)) }
  }
}

/// Replaces `{data}` by `root`, and `{{data}}` by the literal text.
func replacingDataRoot(_ text: String, _ root: String) -> String {
  var result = ""
  var rest = text[...]
  while let first = rest.first {
    if rest.hasPrefix("{{data}}") {
      result += "{data}"
      rest = rest.dropFirst("{{data}}".count)
    } else if rest.hasPrefix("{data}") {
      result += root
      rest = rest.dropFirst("{data}".count)
    } else {
      result.append(first)
      rest = rest.dropFirst()
    }
  }
  return result
}
