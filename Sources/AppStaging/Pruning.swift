import AppSpec
import Posix

/// What a pass of pruning removed.
struct PruningReport: Sendable {
  var files = 0
  var bytes: UInt64 = 0
}

/// Removes from a tree what a server never needs: docs/spec.md, `[prune]`.
struct Pruner {
  var spec: Spec
  var layout: Layout
  /// Whether the application's own sources import tkinter.
  var usesTkinter: Bool
  /// Until everything is installed, installers need headers, and may need what the spec removes by itself.
  var isLast: Bool

  private var keep: [Pattern] { spec.prune.keep.map { Pattern($0.value) } }

  /// Removes, and says how much. `distributions` are those in the tree.
  func prune(_ distributions: [Distribution]) throws(StagingError) -> PruningReport {
    let entries = try listTree(layout.root)
    var doomed = Set<String>()
    let distributionFiles = try doomedDistributions(distributions)
    let testDirectories = spec.prune.tests ? try unusedTests(entries) : []
    let remove = isLast ? spec.prune.remove.map { Pattern($0.value) } : []
    let keep = keep
    for entry in entries where entry.status.kind != .directory {
      let path = entry.path.string
      let goes =
        distributionFiles.contains(path) || isByRule(path)
        || testDirectories.contains { path.hasPrefix($0) }
        || remove.contains { $0.matches(entry.path.bytes) }
      if goes && !keep.contains(where: { $0.matches(entry.path.bytes) }) { doomed.insert(path) }
    }
    var report = PruningReport()
    for entry in entries where doomed.contains(entry.path.string) {
      try removeIfPresent(layout.root.appending(entry.path.bytes))
      report.files += 1
      report.bytes += UInt64(max(0, entry.status.size))
    }
    try removeEmptyDirectories(entries, doomed)
    return report
  }

  // MARK: Rules

  /// The rules that need nothing but the path.
  private func isByRule(_ path: String) -> Bool {
    let prune = spec.prune
    let library = layout.standardLibrary + "/"
    let inLibrary = path.hasPrefix(library) && !path.hasPrefix(layout.site + "/")
    let below = inLibrary ? String(path.dropFirst(library.utf8.count)) : ""
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    if prune.installers && inLibrary && below.hasPrefix("ensurepip/") { return true }
    if prune.tests && inLibrary && isLibraryTest(below, name) { return true }
    if prune.headers && isLast && isHeader(path, name) { return true }
    if prune.staticLibraries {
      if name.hasSuffix(".a") || name.hasSuffix(".la") { return true }
      if isLast && inLibrary && below.hasPrefix("config-") { return true }
    }
    if prune.idle && inLibrary {
      for directory in ["idlelib/", "turtledemo/", "pydoc_data/"] where below.hasPrefix(directory) {
        return true
      }
    }
    if prune.tkinter && !usesTkinter && isTkinter(path, below) { return true }
    return false
  }

  private func isLibraryTest(_ below: String, _ name: String) -> Bool {
    let parts = below.split(separator: "/").dropLast()
    if parts.contains(where: { $0 == "test" || $0 == "tests" || $0 == "idle_test" }) { return true }
    guard parts.first == "lib-dynload" else { return false }
    return name.hasPrefix("_test") || name.hasPrefix("_ctypes_test") || name.hasPrefix("_xxtest")
      || name.hasPrefix("xxlimited") || name.hasPrefix("xxsubtype") || name.hasPrefix("_xxinterp")
  }

  private func isHeader(_ path: String, _ name: String) -> Bool {
    if path.hasPrefix("include/") || path.contains("/pkgconfig/") { return true }
    for suffix in [".h", ".hh", ".hpp", ".hxx", ".cuh"] where name.hasSuffix(suffix) { return true }
    return false
  }

  private func isTkinter(_ path: String, _ below: String) -> Bool {
    if below.hasPrefix("tkinter/") || below == "turtle.py" { return true }
    if below.hasPrefix("lib-dynload/_tkinter.") { return true }
    guard path.hasPrefix("lib/") else { return false }
    let name = path.dropFirst(4).lowercased()
    return ["tcl", "tk", "libtcl", "libtk"].contains { prefix in
      name.hasPrefix(prefix)
        && name.dropFirst(prefix.utf8.count).first.map { $0.isNumber || $0 == "/" || $0 == "." }
          ?? false
    }
  }

  // MARK: Distributions

  /// Files of installers that nothing requires.
  private func doomedDistributions(_ distributions: [Distribution]) throws(StagingError) -> Set<
    String
  > {
    guard spec.prune.installers else { return [] }
    let installers: Set = ["pip", "setuptools", "wheel"]
    var needed = Set<String>()
    var grew = true
    while grew {
      grew = false
      for distribution in distributions
      where !installers.contains(distribution.name) || needed.contains(distribution.name) {
        for name in distribution.requires where needed.insert(name).inserted { grew = true }
      }
    }
    var files = Set<String>()
    for distribution in distributions
    where installers.contains(distribution.name) && !needed.contains(distribution.name) {
      files.formUnion(distribution.files)
    }
    return files
  }

  // MARK: Tests of packages

  /// Directories with the tests of a package, each with a "/" at its end: named `tests` or `test`, with test modules, and imported by
  /// nothing outside of such directories.
  private func unusedTests(_ entries: [TreeEntry]) throws(StagingError) -> [String] {
    let site = layout.site + "/"
    var candidates = Set<String>()
    for entry in entries where entry.status.kind == .file {
      let path = entry.path.string
      guard path.hasPrefix(site) else { continue }
      let parts = path.split(separator: "/")
      let name = parts.last ?? ""
      guard name.hasSuffix(".py") else { continue }
      guard name.hasPrefix("test_") || name.hasSuffix("_test.py") || name == "conftest.py" else {
        continue
      }
      for depth in parts.indices.dropLast() where parts[depth] == "tests" || parts[depth] == "test"
      {
        let directory = parts[...depth].joined(separator: "/") + "/"
        if directory.utf8.count > site.utf8.count { candidates.insert(directory) }
        break
      }
    }
    guard !candidates.isEmpty else { return [] }
    var left = candidates
    for entry in entries where entry.status.kind == .file {
      let path = entry.path.string
      guard path.hasPrefix(site), path.hasSuffix(".py"),
        !candidates.contains(where: { path.hasPrefix($0) })
      else { continue }
      let source = try readFile(layout.root.appending(entry.path.bytes))
      for directory in left where imports(source, at: path, directory, site) {
        left.remove(directory)
      }
    }
    return left.sorted()
  }

  /// Whether a source seems to import the package in a directory. Text in comments counts as well: what is kept needlessly does
  /// no harm.
  private func imports(_ source: [UInt8], at path: String, _ directory: String, _ site: String)
    -> Bool
  {
    let below = directory.dropFirst(site.utf8.count).dropLast()
    let module = below.split(separator: "/").joined(separator: ".")
    if module.contains("."), contains(source, module) { return true }
    let parent = directory.dropLast().split(separator: "/").dropLast().joined(separator: "/") + "/"
    guard path.hasPrefix(parent), let name = module.split(separator: ".").last else { return false }
    return contains(source, ".\(name) import") || contains(source, ".\(name).")
      || contains(source, ". import \(name)")
  }
}

/// Whether `text` occurs in `bytes`.
func contains(_ bytes: [UInt8], _ text: String) -> Bool {
  let wanted = [UInt8](text.utf8)
  guard let first = wanted.first, bytes.count >= wanted.count else { return false }
  return bytes.withUnsafeBufferPointer { bytes in
    var index = 0
    let last = bytes.count - wanted.count
    while index <= last {
      if bytes[index] == first {
        var length = 1
        while length < wanted.count && bytes[index + length] == wanted[length] { length += 1 }
        if length == wanted.count { return true }
      }
      index += 1
    }
    return false
  }
}

extension Pruner {
  /// Removes directories that hold nothing any more; those that held nothing before stay.
  private func removeEmptyDirectories(_ entries: [TreeEntry], _ doomed: Set<String>)
    throws(StagingError)
  {
    var touched = Set<String>()
    for path in doomed {
      var parts = path.split(separator: "/").dropLast()
      while !parts.isEmpty, touched.insert(parts.joined(separator: "/")).inserted {
        parts = parts.dropLast()
      }
    }
    // Those below come after those above.
    for entry in entries.reversed()
    where entry.status.kind == .directory && touched.contains(entry.path.string) {
      let path = layout.root.appending(entry.path.bytes)
      do throws(SystemError) { try DirectoryHandle.current.removeDirectory(path) } catch {
        if error.errno != .notEmpty && error.errno != .exists { throw .system(error) }
      }
    }
  }
}
