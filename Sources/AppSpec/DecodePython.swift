import Posix

/// The suffixes of interpreter archives.
public let archiveSuffixes = [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar"]

// The tables [python], [dependencies] and [prune].

extension SpecDecoder {
  mutating func python() -> Spec.Python? {
    guard let table = root.table("python") else {
      if !root.has("python") && needsPython {
        report(
          root.place,
          "there is no table [python]: give the interpreter's 'version', 'prefix' or 'archive'")
      }
      return nil
    }
    var python = Spec.Python(place: table.place)
    python.version = table.text("version")
    python.systemLibraries = table.texts("system-libraries").map(\.value)
    python.libraries = table.paths("libraries")
    for library in python.libraries { checkLibrary(library, python.systemLibraries) }
    let own = table.table(target.name)
    let source = own ?? table
    let path = own == nil ? "python" : "python.\(target.name)"
    python.prefix = source.path("prefix")
    if let archive = source.text("archive"), isURL(archive.value) {
      python.archiveURL = archive
    } else {
      python.archive = source.path("archive")
    }
    if own == nil, !table.has("version"), !table.has("prefix"), !table.has("archive") {
      report(
        table.place, "one of 'python.version', 'python.prefix' or 'python.archive' is needed")
    }
    checkSource(source, path)
    // A mistake in another target's table is reported on this machine too.
    for other in Target.all where other != target {
      if let table = table.table(other.name) { checkSource(table, "python.\(other.name)") }
    }
    if let version = python.version, !isPythonVersion(version.value) {
      report(
        version.place,
        "'python.version' must be such as 3.11 or 3.11.7, not \(quoted(version.value))")
    }
    if let prefix = python.prefix { require(prefix, "\(path).prefix", nil) }
    checkArchive(source, path, &python)
    python.maxGlibc = glibcVersion("max-glibc", table, "python")
    for name in table.texts("system-libraries") where name.value.contains("/") || name.value.isEmpty
    {
      report(
        name.place,
        "'python.system-libraries' holds names such as libGL.so.1, not \(quoted(name.value))")
    }
    return python
  }

  /// Checks an item of `python.libraries`.
  private mutating func checkLibrary(_ library: Located<Path>, _ systemLibraries: [String]) {
    let name = String(decoding: library.value.lastComponent, as: UTF8.self)
    if name.firstRange(of: ".so") == nil {
      report(
        library.place,
        "'python.libraries' holds names such as libpango-1.0.so.0, and paths of libraries, not "
          + library.value.quoted.string)
    } else if systemLibraries.contains(name) {
      report(
        library.place,
        "'python.libraries' and 'python.system-libraries' exclude each other for \(quoted(name))")
    } else if library.value.bytes.contains(UInt8(ascii: "/")) {
      require(library, "python.libraries", .file)
    }
  }

  /// Checks a table with a target's interpreter, or [python] itself.
  private mutating func checkSource(_ table: SpecTable, _ path: String) {
    if path != "python", !table.has("prefix"), !table.has("archive") {
      report(table.place, "one of '\(path).prefix' and '\(path).archive' is needed")
    }
    if table.has("prefix") && table.has("archive") {
      report(
        table.place(of: "archive"), "'\(path).prefix' and '\(path).archive' exclude each other")
    }
  }

  private mutating func checkArchive(
    _ table: SpecTable, _ path: String, _ python: inout Spec.Python
  ) {
    if let archive = table.text("archive") {
      let name = archive.value.prefix { python.archiveURL == nil || ($0 != "?" && $0 != "#") }
      if !archiveSuffixes.contains(where: name.hasSuffix) {
        report(
          archive.place,
          "'\(path).archive' must end with .tar.gz, .tar.zst, .tar.xz or .tar, not "
            + quoted(archive.value))
      } else if let file = python.archive {
        require(file, "\(path).archive", .file)
      } else if !table.has("sha256") {
        report(
          archive.place, "'\(path).archive' is a URL and needs '\(path).sha256', which is missing")
      }
    }
    guard let hash = table.text("sha256") else { return }
    if !table.has("archive") {
      report(hash.place, "'\(path).sha256' is the hash of '\(path).archive', which is missing")
    }
    guard let digits = normalizedSHA256(hash.value) else {
      report(
        hash.place,
        "'\(path).sha256' must be 64 hexadecimal digits, not \(quoted(hash.value))")
      return
    }
    python.sha256 = Located(digits, hash.place)
  }

  /// Whether the text has a scheme that can be downloaded.
  private func isURL(_ text: String) -> Bool {
    ["https://", "http://", "file://"].contains { text.lowercased().hasPrefix($0) }
  }

  /// A version of glibc. Reports other texts.
  mutating func glibcVersion(_ key: String, _ table: SpecTable, _ path: String) -> Located<String>?
  {
    let version = table.text(key)
    if let version, !isGlibcVersion(version.value) {
      report(
        version.place, "'\(path).\(key)' must be such as 2.31, not \(quoted(version.value))")
    }
    return version
  }

  private func isGlibcVersion(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { part in
        (1...3).contains(part.utf8.count) && part.utf8.allSatisfy { (48...57).contains($0) }
          && (part == "0" || part.utf8.first != 48)
      }
  }

  /// Whether the spec needs Python. A program among the data files starts without it.
  private var needsPython: Bool {
    guard let launch = root.table("launch"), launch.has("executable") else { return true }
    return root.has("dependencies") || root.has("prune")
  }

  mutating func dependencies() -> Spec.Dependencies {
    var result = Spec.Dependencies()
    guard let table = root.table("dependencies") else { return result }
    result.requirements = table.paths("requirements")
    for path in result.requirements { require(path, "dependencies.requirements", .file) }
    result.packages = table.texts("packages")
    for package in result.packages where !isRequirement(package.value) {
      report(
        package.place,
        "'dependencies.packages' holds requirements such as datasette==0.65.1, not \(quoted(package.value)): "
          + "give a file in 'dependencies.requirements', a directory or wheel in 'dependencies.project'"
      )
    }
    result.script = table.path("script")
    if let script = result.script, require(script, "dependencies.script", .file) {
      let path = resolve(script.value)
      _ = collecting { () throws(SpecError) in
        try ScriptMetadata(of: path, shown: script.value.shown)
      }
    }
    result.lock = table.path("lock")
    if let lock = result.lock { require(lock, "dependencies.lock", .file) }
    result.project = table.path("project")
    result.installer =
      table.text("installer").flatMap { .init(rawValue: $0.value) } ?? result.installer
    let projectFile = result.project.flatMap { checkProject($0) }
    let hasLock = table.has("lock") || result.requirements.contains { isLock($0.value) }
    if !table.has("project") && !hasLock && table.has("extras") {
      report(
        table.place(of: "extras"),
        "'dependencies.extras' are those of 'dependencies.project' or 'dependencies.lock', which are missing"
      )
    }
    let extras = distributionNames(table.texts("extras"), "dependencies.extras", "extra")
    result.extras = extras.map(\.value)
    let groups = distributionNames(table.texts("groups"), "dependencies.groups", "group")
    result.groups = groups.map(\.value)
    result.exclude = distributionNames(
      table.texts("exclude"), "dependencies.exclude", "distribution")
    result.allowConflicts = distributionNames(
      table.texts("allow-conflicts"), "dependencies.allow-conflicts", "distribution")
    let own = projectFile?.name.flatMap(normalizedDistributionName)
    for name in result.exclude where name.value == own {
      report(
        name.place, "\(quoted(name.value)) is excluded, but it is 'dependencies.project' itself")
    }
    return result
  }

  /// Whether a file is a lock by its name. `requirements` can name a lock too.
  private func isLock(_ path: Path) -> Bool {
    let name = String(decoding: path.lastComponent, as: UTF8.self)
    return (name.hasSuffix(".lock") && name != "requirements.lock")
      || (name.hasPrefix("pylock.") && name.hasSuffix(".toml"))
  }

  /// Returns the normalized names. Reports invalid and repeated ones.
  private mutating func distributionNames(
    _ names: [Located<String>], _ key: String, _ kind: String
  ) -> [Located<String>] {
    var result: [Located<String>] = []
    for name in names {
      guard let normalized = normalizedDistributionName(name.value) else {
        report(name.place, "'\(key)' holds names of \(kind)s alone, not \(quoted(name.value))")
        continue
      }
      if let first = result.first(where: { $0.value == normalized }) {
        report(
          name.place,
          "\(quoted(name.value)) is in '\(key)' twice, first in line \(first.place.line)")
        continue
      }
      result.append(Located(normalized, name.place))
    }
    return result
  }

  /// Checks `dependencies.project`. Returns the project's own file, if it has one.
  private mutating func checkProject(_ path: Located<Path>) -> ProjectFile? {
    guard require(path, "dependencies.project", nil) else { return nil }
    let full = resolve(path.value)
    if status(of: full)?.kind == .directory {
      let hasSetup = status(of: full.appending("setup.py")) != nil
      let shown = path.value.child(SpecFile.projectName).shown
      let project = collecting { () throws(SpecError) in try ProjectFile(in: full, shown: shown) }
      // The outer value is nil if the file is invalid, which is already reported.
      if case .some(nil) = project, !hasSetup {
        report(
          path.place,
          "'dependencies.project': there is no pyproject.toml and no setup.py in "
            + path.value.quoted.string)
      }
      return project ?? nil
    }
    if !path.value.shown.hasSuffix(".whl") {
      report(
        path.place,
        "'dependencies.project' must be a directory or a wheel (.whl), not "
          + path.value.quoted.string)
    }
    return nil
  }

  mutating func prune() -> Spec.Prune {
    var prune = Spec.Prune()
    guard let table = root.table("prune") else { return prune }
    prune.installers = table.boolean("installers") ?? prune.installers
    prune.tests = table.boolean("tests") ?? prune.tests
    prune.headers = table.boolean("headers") ?? prune.headers
    prune.staticLibraries = table.boolean("static-libraries") ?? prune.staticLibraries
    prune.idle = table.boolean("idle") ?? prune.idle
    prune.tkinter = table.boolean("tkinter") ?? prune.tkinter
    prune.debugSymbols = table.boolean("debug-symbols") ?? prune.debugSymbols
    prune.dropSources = table.text("sources")?.value == "drop"
    prune.dropByteCode = table.text("byte-code")?.value == "drop"
    if prune.dropSources && prune.dropByteCode {
      report(
        table.place(of: "byte-code"),
        "'prune.sources' and 'prune.byte-code' can't both be \"drop\": nothing would be left to run"
      )
    }
    prune.remove = patterns("remove", table, "prune")
    prune.keep = patterns("keep", table, "prune")
    return prune
  }
}
