/// The Python version, such as "3.11", that satisfies `requirement`, such as ">=3.9,<3.13".
///
/// This is the version of `interpreter`, the local Python, if it satisfies the requirement. Otherwise it is the lowest
/// that does.
func pythonVersion(for requirement: String?, interpreter: String?) -> String? {
  guard let requirement else { return interpreter }
  var lowest: String? = nil
  var isSuited = true
  for part in requirement.split(separator: ",").map(trimmed) {
    let digits = trimmed(part.drop { !$0.isNumber })
    let limit = digits.split(separator: ".").prefix(2).compactMap { Int($0) }
    guard limit.first == 3, limit.count == 2 else { continue }
    if part.hasPrefix("<") {
      let isUpper = interpreter.map {
        minor($0) < limit[1] || part.hasPrefix("<=") && minor($0) == limit[1]
      }
      isSuited = isSuited && (isUpper ?? false)
    } else if !part.hasPrefix("!") {
      lowest = "3.\(limit[1])"
      isSuited = isSuited && (interpreter.map { minor($0) >= limit[1] } ?? false)
      if part.hasPrefix("==") { isSuited = isSuited && interpreter.map(minor) == limit[1] }
    }
  }
  return isSuited ? interpreter ?? lowest : lowest
}

private func minor(_ version: String) -> Int {
  version.split(separator: ".").dropFirst().first.flatMap { Int($0) } ?? 0
}
