import AppSpec

/// A problem that an installer finds in the installed distributions.
struct RequirementProblem: Equatable, Sendable {
  enum Kind: Sendable {
    case missing
    /// Another distribution excludes the installed version.
    case conflict
  }

  var kind: Kind
  /// The installer's text.
  var text: String
}

/// The problems that `pip check` or `uv pip check` reports.
///
/// Returns nil if the text has an unknown line or no problem: the check failed in another way, and its result is
/// unknown.
func requirementProblems(in text: String) -> [RequirementProblem]? {
  var problems: [RequirementProblem] = []
  var announced: Int? = nil
  for line in text.split(separator: "\n").map({ trimmed($0) }) where !line.isEmpty {
    if isRemark(line) { continue }
    if let count = announcedProblems(line) {
      announced = count
    } else if let kind = problemKind(line) {
      problems.append(RequirementProblem(kind: kind, text: line))
    } else {
      return nil
    }
  }
  guard !problems.isEmpty, announced == nil || announced == problems.count else { return nil }
  return problems
}

private func problemKind(_ line: String) -> RequirementProblem.Kind? {
  // pip: "a 1.0 requires b, which is not installed." and "a 1.0 has requirement b>=2, but you have b 1.0."
  if line.contains(" requires ") && line.hasSuffix(", which is not installed.") { return .missing }
  if line.contains(" has requirement ") && line.contains(", but you have ") && line.hasSuffix(".") {
    return .conflict
  }
  // uv: "The package `a` requires `b>=2`, but it's not installed", or "..., but `1.0` is installed".
  guard line.hasPrefix("The package `"), line.contains("` requires ") else { return nil }
  if line.hasSuffix(", but it's not installed") { return .missing }
  return line.contains(", but `") && line.hasSuffix("` is installed") ? .conflict : nil
}

/// uv: "Found 2 incompatibilities".
private func announcedProblems(_ line: String) -> Int? {
  let words = line.split(separator: " ")
  guard words.count == 3, words[0] == "Found", words[2].hasPrefix("incompatibilit") else {
    return nil
  }
  return Int(words[1])
}

/// Other lines that pip or uv print.
private func isRemark(_ line: String) -> Bool {
  ["WARNING: ", "DEPRECATION: ", "[notice] ", "warning: ", "Using Python ", "Checked "].contains {
    line.hasPrefix($0)
  }
}
