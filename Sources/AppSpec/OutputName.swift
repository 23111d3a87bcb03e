import Posix

/// Expands the pattern of a file's path: replaces `{name}`, `{version}` and `{target}`.
///
/// Each value stays one component of the path: a `/` becomes `-`. Versions from branches contain one, such as
/// "feature/login-3-gabc".
///
/// - Throws: an error at `place`, for another placeholder, a stray brace, `{version}` without a version, or a path that
///   names no file.
public func expandOutputName(
  _ pattern: String, name: String, version: String, target: String, at place: SpecPlace = .none
) throws(SpecError) -> String {
  let values = [("name", name), ("version", version), ("target", target)]
  var result = ""
  var rest = pattern[...]
  while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
    result += rest[..<brace]
    let placeholder = rest[rest.index(after: brace)...].prefix { $0 != "{" && $0 != "}" }
    guard rest[brace] == "{", placeholder.endIndex < rest.endIndex,
      rest[placeholder.endIndex] == "}"
    else {
      throw SpecError(
        place, "the file name \(quoted(pattern)) has a brace that belongs to no placeholder")
    }
    guard let value = values.first(where: { $0.0 == placeholder })?.1 else {
      throw SpecError(
        place,
        "the file name \(quoted(pattern)) has the unknown placeholder "
          + "\(quoted("{\(placeholder)}")); valid are {name}, {version} and {target}")
    }
    if value.isEmpty {
      throw SpecError(
        place, "the file name \(quoted(pattern)) needs a version: give 'app.version'")
    }
    result += String(value.map { $0 == "/" ? "-" : $0 })
    rest = rest[rest.index(after: placeholder.endIndex)...]
  }
  result += rest
  let last = result.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
  if ["", ".", ".."].contains(last) || result.unicodeScalars.contains(where: isControl) {
    throw SpecError(place, "the file name \(quoted(pattern)) names no file")
  }
  return result
}
