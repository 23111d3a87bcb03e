import Posix

/// The parts of a `pyproject.toml` that a spec uses
/// (https://packaging.python.org/en/latest/specifications/pyproject-toml/).
struct ProjectFile: Sendable {
  /// The file's name in messages.
  let file: String
  let document: TOMLTable

  /// Nil if there is no such file.
  init?(in directory: Path, shown: String) throws(SpecError) {
    let path = directory.appending(SpecFile.projectName.utf8)
    guard status(of: path)?.kind == .file else { return nil }
    self.init(
      file: shown, document: try TOMLTable(parsing: readBytes(path, shown: shown), file: shown))
  }

  init(file: String, document: TOMLTable) {
    self.file = file
    self.document = document
  }

  private var project: TOMLTable? { document.table("project") }
  /// The table that Poetry before 2.0 uses for the same data.
  private var poetry: TOMLTable? { document.table("tool")?.table("poetry") }

  var name: String? { project?.string("name") ?? poetry?.string("name") }
  var version: String? { project?.string("version") ?? poetry?.string("version") }
  /// Whether only the build backend knows the version.
  var isVersionDynamic: Bool { project?.strings("dynamic").contains("version") ?? false }
  /// Whether only the build backend knows the dependencies.
  var areDependenciesDynamic: Bool {
    project?.strings("dynamic").contains("dependencies") ?? false
  }
  var requiredPython: String? {
    project?.string("requires-python") ?? poetry?.table("dependencies")?.string("python")
  }
  /// Whether the file says how the project is built, so that it is more than a folder of scripts.
  var isBuilt: Bool { document.table("build-system") != nil && isPackage }
  /// Whether the project is a package: false if Poetry or uv is told that it is not.
  var isPackage: Bool {
    let settings = [
      poetry?["package-mode"], document.table("tool")?.table("uv")?["package"],
    ]
    return !settings.contains {
      if case .boolean(false)? = $0?.value.content { true } else { false }
    }
  }

  /// Requirements such as "uvicorn[standard]>=0.30".
  var dependencies: [String] {
    (project?.strings("dependencies") ?? [])
      + (poetry?.table("dependencies")?.members.map(\.key) ?? [])
  }

  /// The dependencies as requirements of PEP 508. A text is nil if Poetry takes the dependency from a source other than
  /// an index.
  var requirements: [(name: String, text: String?)] {
    if let project, project["dependencies"] != nil {
      return project.strings("dependencies").map { ($0, $0) }
    }
    let members = poetry?.table("dependencies")?.members ?? []
    return members.filter { $0.key != "python" }.compactMap { member in
      switch member.value.content {
      case .string(let version):
        return (member.key, poetryVersion(version).map { member.key + $0 })
      case .table(let table):
        if case .boolean(true)? = table["optional"]?.value.content { return nil }
        let extras = table.strings("extras")
        let name = member.key + (extras.isEmpty ? "" : "[\(extras.joined(separator: ","))]")
        let marker = table.string("markers").map { " ; \($0)" } ?? ""
        let version = table.string("version").flatMap(poetryVersion)
        return (member.key, version.map { name + $0 + marker })
      default: return (member.key, nil)
      }
    }
  }

  /// Console scripts: names and "package.module:function".
  var scripts: [(name: String, function: String)] {
    let table = project?.table("scripts") ?? poetry?.table("scripts") ?? TOMLTable()
    return table.members.compactMap { member in
      guard case .string(let function) = member.value.content else { return nil }
      return (member.key, function)
    }
  }

  /// The table `tool.onefold`.
  var spec: TOMLTable.Member? { document.table("tool")?["onefold"] }
}

/// Converts a Poetry version to a specifier of PEP 440 (https://python-poetry.org/docs/dependency-specification/).
///
/// "^1.2" becomes ">=1.2,<2", "~1.2" becomes ">=1.2,<1.3", "1.2" becomes "==1.2", and "*" becomes "". Returns nil for a
/// version with alternatives.
func poetryVersion(_ text: String) -> String? {
  var parts: [String] = []
  for part in text.split(separator: ",").map(trimmed) where part != "*" {
    guard !part.contains("|") else { return nil }
    guard let first = part.first, first == "^" || first == "~" && !part.hasPrefix("~=") else {
      parts.append(part.first?.isNumber == true ? "==\(part)" : String(part.filter { $0 != " " }))
      continue
    }
    let lower = trimmed(part.dropFirst())
    let numbers = lower.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 }
    guard !numbers.isEmpty else { return nil }
    // The number that must not grow: with "^" the first that is not 0, with "~" the second, if any.
    let fixed =
      first == "^"
      ? numbers.firstIndex { $0 != 0 } ?? numbers.count - 1 : min(1, numbers.count - 1)
    let upper = numbers[..<fixed] + [numbers[fixed] + 1]
    parts.append(">=\(lower),<\(upper.map(String.init).joined(separator: "."))")
  }
  return parts.joined(separator: ",")
}
