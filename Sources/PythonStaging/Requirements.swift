import AppSpec
import BuildTools
import Posix
import Processes

/// The requirements from the spec's requirements files, lock and project.
struct Requirements: Sendable {
  /// The requirements for the index, in one file without includes.
  var file: Path
  /// Whether all have hashes, so that the same distributions are installed every time.
  var isLocked: Bool
  var count: Int
  /// Requirements with an address but no hash, such as a commit, if the rest has hashes; nil for none.
  var beside: Path?
  /// Options of the requirements files that each installer call needs, such as --index-url.
  var options: Path
  /// Local projects, each after those that build it.
  var locals: [LocalProject]
  /// Requirements left out because they, or all distributions that need them, are excluded.
  var dropped: [String]
  /// Normalized names that the user asked for, without dependencies.
  var asked: Set<String>
  /// The spec's line.
  var place: SpecPlace
  /// The source of each line of `file`: "requirements.txt:3".
  var origins: [String]
  /// The lock found beside the project, if the spec does not name it.
  var foundLock: String?
  /// Hashes (SHA-256) of archives that locks name, each with the file's name or, if a requirement allows only that one
  /// archive, with the normalized name of its distribution.
  var archives: [(sha256: String, name: String)]
  var warnings: [String]
  /// Whether the spec's project is a wheel. No other member contains it.
  var hasProjectWheel: Bool

  /// Whether there is anything to install.
  var needsInstaller: Bool {
    count > 0 || beside != nil || !locals.isEmpty || hasProjectWheel
  }

  /// An installer's message with the user's files and lines instead of this file's.
  func translated(_ message: String) -> String {
    let path = file.string
    var result = ""
    var rest = message[...]
    while let found = rest.firstRange(of: path) {
      result += rest[..<found.lowerBound]
      rest = rest[found.upperBound...]
      // pip: "-r FILE (line 3)" and "line 3 of FILE".
      let following = rest.hasPrefix(" (line ") ? rest.dropFirst(7).prefix { $0.isNumber } : ""
      let before =
        result.hasSuffix(" of ") ? result.dropLast(4).reversed().prefix { $0.isNumber } : []
      if let origin = origin(following) {
        result += origin
        rest = rest[following.endIndex...].dropFirst()
      } else if let origin = origin(Substring(String(before.reversed()))) {
        result.removeLast(" of ".count + before.count)
        if result.hasSuffix("line ") { result.removeLast("line ".count) }
        result += origin
      } else {
        result += path
      }
    }
    return result + rest
  }

  private func origin(_ line: Substring) -> String? {
    guard let number = Int(line), origins.indices.contains(number - 1) else { return nil }
    return origins[number - 1]
  }
}

/// A local project to build and, unless it only builds others, to install.
struct LocalProject: Sendable {
  /// Absolute, without symlinks.
  var path: Path
  /// The place that names it: "requirements.txt:3", or the spec's project.
  var place: String
  /// Normalized; empty if only its build backend knows the name.
  var name: String
  var extras: [String]
  var isNeeded: Bool

  /// Reads the facts of `requirements.py`. A "local" line begins each project.
  static func all(_ facts: Facts) -> [LocalProject] {
    var found: [LocalProject] = []
    for (fact, value) in facts.lines {
      switch fact {
      case "local":
        found.append(
          LocalProject(path: Path(value), place: "", name: "", extras: [], isNeeded: true))
      case "local_place" where !found.isEmpty: found[found.count - 1].place = value
      case "local_name" where !found.isEmpty: found[found.count - 1].name = value
      case "local_extras" where !found.isEmpty:
        found[found.count - 1].extras = value.split(separator: ",").map(String.init)
      case "local_needed" where !found.isEmpty: found[found.count - 1].isNeeded = value == "yes"
      default: break
      }
    }
    return found
  }
}

/// Reads the spec's requirements. If the spec has none but a lock is beside it, adds a warning.
///
/// - Parameter admit: called with the requirements that have no hash.
func readRequirements(
  _ spec: Spec, for interpreter: Interpreter, to file: Path,
  admit: ([UnhashedRequirement]) throws(Failure) -> Void
) throws(Failure) -> Requirements {
  let given = spec.dependencies
  let places =
    given.requirements.map(\.place) + given.packages.map(\.place)
    + [given.lock?.place, given.script?.place, given.project?.place]
  let place = places.lazy.compactMap { $0 }.first ?? spec.place
  let result = try runHelper(
    interpreter.helper, Helper.requirements, flattenArguments(spec, interpreter, file))
  guard result.succeeded else {
    throw .failed(place, "cannot read the requirements:\n\(lastLines(result.errors, count: 1))")
  }
  let facts = Facts(result.output)
  if let required = facts["required"] {
    let parts = required.split(separator: " ", maxSplits: 1).map(String.init)
    let entry = given.exclude.first { $0.value == parts[0] }
    throw .failed(
      entry?.place ?? place,
      "'\(parts[0])' is excluded, but \(parts.last ?? "") requires it: remove one of them")
  }
  try admit(UnhashedRequirement.all(facts))
  if let unhashed = facts["unhashed"] {
    throw .failed(
      place,
      "some requirements have hashes and some have none (\(unhashed)): give all of them hashes, or none"
    )
  }
  return Requirements(
    file: file, isLocked: facts["hashed"] == "yes", count: Int(facts["count"] ?? "") ?? 0,
    beside: facts["beside"] == "0" ? nil : Path(file.string + ".beside"),
    options: Path(file.string + ".options"), locals: LocalProject.all(facts),
    dropped: facts.all("dropped"), asked: spec.projectWheelName.union(facts.all("asked")),
    place: place, origins: facts.all("line"),
    foundLock: facts["lock"],
    archives: facts.all("archive").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
      return parts.count == 2 ? (parts[0], parts[1]) : nil
    }, warnings: facts.all("warning"),
    hasProjectWheel: given.project != nil && spec.projectDirectory == nil)
}

extension Spec {
  /// `dependencies.project`, unless it is a wheel.
  var projectDirectory: Path? {
    guard let project = dependencies.project else { return nil }
    let path = resolve(project.value)
    return isDirectory(path) ? path : nil
  }
}

extension Spec {
  /// The distribution's name if `dependencies.project` is a wheel; empty otherwise.
  fileprivate var projectWheelName: Set<String> {
    guard projectDirectory == nil, let project = dependencies.project else { return [] }
    let file = String(decoding: project.value.lastComponent, as: UTF8.self)
    return Set(file.split(separator: "-").prefix(1).map { normalizedName(String($0)) })
  }
}

private func flattenArguments(_ spec: Spec, _ interpreter: Interpreter, _ file: Path) -> [Path] {
  let given = spec.dependencies
  var arguments = [
    Path("flatten"), file, Path(given.exclude.map(\.value).joined(separator: ",")),
    Path("--directory"), ProcessContext.absolutePath(spec.directory),
    Path("--python"), Path(interpreter.version.description),
    Path("--machine"), Path(interpreter.target.processor),
  ]
  if let lock = given.lock { arguments += [Path("--lock"), spec.resolve(lock.value)] }
  if let project = spec.projectDirectory { arguments += [Path("--project"), project] }
  if let script = given.script { arguments += [Path("--script"), spec.resolve(script.value)] }
  for package in given.packages {
    arguments += [Path("--package"), Path(package.place.description), Path(package.value)]
  }
  for extra in given.extras { arguments += [Path("--extra"), Path(extra)] }
  for group in given.groups { arguments += [Path("--group"), Path(group)] }
  return arguments + [Path("--")] + given.requirements.map { spec.resolve($0.value) }
}
