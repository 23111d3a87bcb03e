import Posix

/// What a `pyproject.toml` says of its project, as far as a spec is concerned
/// (https://packaging.python.org/en/latest/specifications/pyproject-toml/).
struct ProjectFile: Sendable {
  /// As messages name it.
  let file: String
  let document: TOMLTable

  /// Nil where there is no such file.
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
  /// Where Poetry before 2.0 keeps the same.
  private var poetry: TOMLTable? { document.table("tool")?.table("poetry") }

  var name: String? { project?.string("name") ?? poetry?.string("name") }
  var version: String? { project?.string("version") ?? poetry?.string("version") }
  /// Whether the version is known only to what builds the project.
  var isVersionDynamic: Bool { project?.strings("dynamic").contains("version") ?? false }
  var requiredPython: String? {
    project?.string("requires-python") ?? poetry?.table("dependencies")?.string("python")
  }
  /// Whether it says how it is built, and so is more than a folder of scripts.
  var isBuilt: Bool { document.table("build-system") != nil && isPackage }
  /// Whether Poetry or uv is told that it is no package.
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
