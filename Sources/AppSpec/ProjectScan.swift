import Posix

/// The facts about a project in a directory, for a first spec.
struct ProjectScan {
  let directory: Path
  /// Its files and directories without hidden ones, sorted.
  let names: [String]
  private(set) var project: ProjectFile?
  /// The requirements files for running the server.
  private(set) var requirements: [String] = []
  /// The lock file of a project tool.
  private(set) var lock: String?
  /// Normalized names of distributions in the project file and the requirements files.
  private(set) var distributions: Set<String> = []
  /// Directories and files of code, without tests and tools.
  private(set) var packages: [String] = []
  private(set) var modules: [String] = []
  /// Directories without code that servers read.
  private(set) var assets: [String] = []
  private(set) var sources: [PythonSource] = []

  init(_ directory: Path) throws(SpecError) {
    self.directory = directory
    do throws(Failure) {
      // The final slash follows a symlink to a directory.
      let found = try DirectoryHandle.current.names(in: directory.appending(""))
      names = found.map { String(decoding: $0, as: UTF8.self) }.filter { !$0.hasPrefix(".") }
        .sorted()
    } catch { throw SpecError(.none, error.description.string) }
    project = try ProjectFile(
      in: directory, shown: directory.child(SpecFile.projectName).shown)
    requirements = chooseRequirements()
    let locks = ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"]
    lock = (requirements.isEmpty ? locks + ["Pipfile.lock"] : locks).first(where: has)
    distributions = findDistributions().union(lockedDistributions())
    sortCode()
    sources = readSources()
  }

  func has(_ name: String) -> Bool { status(of: directory.appending(name.utf8)) != nil }

  func isDirectory(_ name: String) -> Bool {
    status(of: directory.appending(name.utf8))?.kind == .directory
  }

  func text(_ name: String) -> String {
    let bytes = try? readBytes(directory.appending(name.utf8), shown: name)
    return String(decoding: bytes ?? [], as: UTF8.self)
  }

  /// Whether pip can install the project itself.
  var isInstallable: Bool {
    if has("setup.py") || project?.isBuilt == true { return true }
    // If the project does not say how it is built, setuptools finds the code only if nothing else is there.
    return project?.name != nil && project?.isPackage != false && requirements.isEmpty
      && lock == nil && assets.isEmpty
      && packages.count + modules.count <= 1
  }

  // MARK: Distributions

  private func chooseRequirements() -> [String] {
    let purposes = ["dev", "test", "doc", "lint", "ci", "build"]
    let files = names.filter { name in
      name.hasPrefix("requirements") && name.hasSuffix(".txt")
        && !purposes.contains { name.contains($0) }
    }
    let preferred = ["requirements.lock.txt", "requirements-lock.txt", "requirements.txt"]
    let inDirectory = ["production", "prod", "base"].map { "requirements/\($0).txt" }
    let chosen = preferred.first(where: files.contains) ?? files.first
    return (chosen ?? inDirectory.first(where: has)).map { [$0] } ?? []
  }

  private func findDistributions() -> Set<String> {
    let lines = requirements.flatMap {
      text($0).split(whereSeparator: \.isNewline).map(String.init)
    }
    var result: Set<String> = []
    for requirement in (project?.dependencies ?? []) + lines {
      let name = requirement.prefix {
        $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0))
      }
      guard let normalized = normalizedDistributionName(String(name)) else { continue }
      result.insert(normalized)
      // These extras bring a server.
      if ["fastapi", "litestar"].contains(normalized) && requirement.contains("[") {
        result.insert("uvicorn")
      }
      if normalized == "quart" { result.insert("hypercorn") }
    }
    return result
  }

  /// The names in the lock, found by lines alone: `name = "uvicorn"`, and keys of Pipenv's JSON.
  private func lockedDistributions() -> [String] {
    guard let lock else { return [] }
    return text(lock).split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(whereSeparator: { " \t\"".contains($0) })
      guard let first = words.first else { return nil }
      let isName = first == "name" && words.count == 3 && words[1] == "="
      let isKey = lock == "Pipfile.lock" && words.count == 3 && words[1] == ":" && words[2] == "{"
      return isName
        ? normalizedDistributionName(String(words[2]))
        : isKey ? normalizedDistributionName(String(first)) : nil
    }
  }

  /// The modules that the code needs, except its own and those in `standardLibrary`, sorted.
  ///
  /// Empty if something may name the distributions that provide them.
  func unprovidedModules(_ standardLibrary: Set<String>) -> [String] {
    let isUnknown = has("setup.py") || has("setup.cfg") || project?.areDependenciesDynamic == true
    // Poetry lists Python's version among the dependencies.
    guard distributions.isSubset(of: ["python"]), !isUnknown else { return [] }
    let paths = sources.map(\.file) + names
    let own = paths.flatMap { path in
      path.split(separator: "/").map { String($0.hasSuffix(".py") ? $0.dropLast(3) : $0) }
    }
    let needed = sources.reduce(into: Set<String>()) { $0.formUnion($1.neededImports) }
    return needed.subtracting(own).subtracting(standardLibrary).subtracting([".", "__main__"])
      .sorted()
  }

  // MARK: Node.js

  /// The script that `package.json` starts: its script `start` if that is `node FILE`, then `main`, then `server.js` or
  /// `index.js`.
  var nodeScript: String? {
    guard has("package.json") else { return nil }
    let text = text("package.json")
    let names = ["\"start\"", "\"main\""].compactMap { key -> String? in
      guard let at = text.firstRange(of: key) else { return nil }
      let rest = text[at.upperBound...].drop { $0 == ":" || $0.isWhitespace }
      guard rest.first == "\"" else { return nil }
      let value = rest.dropFirst().prefix { $0 != "\"" && $0 != "\\" }
      return value.split(separator: " ").first { $0.hasSuffix("js") }.map(String.init)
    }
    let found = (names + ["server.js", "index.js", "app.js"]).map { name in
      name.hasPrefix("./") ? String(name.dropFirst(2)) : name
    }
    return found.first { !$0.hasPrefix("/") && !$0.contains("..") && has($0) }
  }

  // MARK: Code

  private mutating func sortCode() {
    let others = ["test", "tests", "docs", "doc", "venv", "env", "build", "dist", "node_modules"]
    let tools = ["setup.py", "conftest.py", "noxfile.py", "manage.py", "fabfile.py"]
    let readByServers = ["static", "staticfiles", "templates", "assets", "public", "locale"]
    for name in names where !name.hasPrefix("_") {
      switch status(of: directory.appending(name.utf8))?.kind {
      case .directory?:
        if others.contains(name) || has("\(name)/pyvenv.cfg") { continue }
        if readByServers.contains(name) {
          assets.append(name)
        } else if holdsCode(name) {
          packages.append(name)
        }
      case .file? where name.hasSuffix(".py"):
        let isTest = name.hasPrefix("test_") || name.hasSuffix("_test.py")
        if !isTest && !tools.contains(name) { modules.append(name) }
      default: break
      }
    }
  }

  private func holdsCode(_ name: String) -> Bool {
    list(name).contains { $0.hasSuffix(".py") } || (name == "src" && !list(name).isEmpty)
  }

  private func list(_ name: String) -> [String] {
    let found = try? DirectoryHandle.current.names(in: directory.appending(name.utf8))
    return (found ?? []).map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  /// Top-level files come first, and among them those with the usual names.
  private func readSources() -> [PythonSource] {
    var files = usualFirst(modules).map { (file: $0, root: "") }
    for package in packages {
      let below = package == "src" ? list("src").map { "src/\($0)" } : []
      for folder in [package] + below {
        let names = usualFirst(list(folder).filter { $0.hasSuffix(".py") })
        files += names.map { ("\(folder)/\($0)", package == "src" ? "src/" : "") }
      }
    }
    return files.prefix(200).map { file, root in
      let module = file.dropFirst(root.count).dropLast(".py".count).split(separator: "/")
      let name = (module.last == "__init__" ? module.dropLast() : module[...]).joined(
        separator: ".")
      return PythonSource(file: file, module: name, text: text(file))
    }
  }

  private func usualFirst(_ names: [String]) -> [String] {
    let usual = ["main.py", "app.py", "server.py", "api.py", "wsgi.py", "asgi.py", "run.py"]
    return usual.filter(names.contains) + names.filter { !usual.contains($0) }
  }
}
