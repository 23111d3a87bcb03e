import AppSpec

extension Spec.Launch {
  /// Replaces the placeholder `{data}`. The launch record does not have it: only the packer knows the place of data
  /// files.
  mutating func replaceDataRoot(_ root: String) {
    let values = ["data": root]
    arguments = arguments.map { filled($0, values, doubled: .areLiteral) }
    environment = environment.map {
      ($0.name, filled($0.value, values, doubled: .areLiteral))
    }
  }
}

/// The treatment of a name between two braces on each side.
enum DoubledBraces {
  /// `{{name}}` becomes the literal text `{name}`.
  case areLiteral
  /// The outer braces stay, and the name is replaced.
  case stay
}

/// Replaces `{name}` by the value of that name. Other braces stay. Inserted values are not searched again.
func filled(_ text: String, _ values: [String: String], doubled: DoubledBraces) -> String {
  var result = ""
  var rest = text[...]
  search: while let brace = rest.firstIndex(of: "{") {
    result += rest[..<brace]
    rest = rest[brace...]
    for (name, value) in values {
      if doubled == .areLiteral, rest.hasPrefix("{{\(name)}}") {
        result += "{\(name)}"
        rest = rest.dropFirst(name.count + 4)
        continue search
      }
      if rest.hasPrefix("{\(name)}") {
        result += value
        rest = rest.dropFirst(name.count + 2)
        continue search
      }
    }
    result.append(rest.removeFirst())
  }
  return result + rest
}
