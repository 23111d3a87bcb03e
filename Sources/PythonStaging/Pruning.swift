import AppSpec
import BuildTools
import Posix

/// The pruned files of one distribution, of the interpreter or of the application.
public struct PrunedRow: Equatable, Sendable {
  /// "numpy 2.4.6", "python 3.11", or "application" for files of no distribution.
  public var name: String
  public var files: Int
  /// Bytes of the files, unpacked.
  public var bytes: UInt64
}

/// The files that a pass of pruning removed.
struct PruningReport: Sendable {
  var rows: [PrunedRow] = []

  mutating func add(_ name: String, bytes: UInt64, files: Int = 1) {
    if let index = rows.firstIndex(where: { $0.name == name }) {
      rows[index].files += files
      rows[index].bytes += bytes
    } else {
      rows.append(PrunedRow(name: name, files: files, bytes: bytes))
    }
  }

  mutating func add(_ other: PruningReport) {
    for row in other.rows { add(row.name, bytes: row.bytes, files: row.files) }
  }
}

/// Removes files that a server never needs: docs/spec.md, `[prune]`.
struct Pruner {
  var spec: Spec
  var layout: Layout
  /// Whether the tree shows windows with tkinter.
  var usesTkinter: Bool
  /// The source that makes the interpreter's headers stay; nil if there is none.
  var compiles: String?
  /// Normalized names of distributions that the user asked for.
  var asked: Set<String> = []
  /// Whether this is the last pass. Until everything is installed, installers need headers, and may need files that the
  /// spec removes by itself.
  var isLast: Bool

  private var keep: [Pattern] { spec.prune.keep.map { Pattern($0.value) } }

  /// Removes the files and reports their sizes. `distributions` are those in the tree.
  func prune(_ distributions: [Distribution]) throws(Failure) -> PruningReport {
    let entries = try listTree(layout.root)
    var doomed = Set<String>()
    let distributionFiles = try doomedDistributions(distributions)
    let testDirectories = spec.prune.tests ? try unusedTests(entries) : []
    let owners = owners(distributions)
    var report = PruningReport()
    let dropsHeaders = spec.prune.headers && isLast && compiles == nil
    let remove = isLast ? spec.prune.remove.map { Pattern($0.value) } : []
    let keep = keep
    for entry in entries where entry.status.kind != .directory {
      let path = entry.path.string
      let goes =
        distributionFiles.contains(path) || isByRule(path)
        || (dropsHeaders && owners[path] == nil && isHeader(path))
        || testDirectories.contains { path.hasPrefix($0) }
        || remove.contains { $0.matches(entry.path.bytes) }
      if goes && !keep.contains(where: { $0.matches(entry.path.bytes) }) { doomed.insert(path) }
    }
    for entry in entries where doomed.contains(entry.path.string) {
      try removeIfPresent(layout.root.appending(entry.path.bytes))
      let path = entry.path.string
      let site = path.hasPrefix(layout.site + "/")
      let owner = owners[path] ?? (site ? "application" : "python \(layout.version.short)")
      report.add(owner, bytes: UInt64(max(0, entry.status.size)))
    }
    try removeEmptyDirectories(entries, doomed)
    return report
  }

  // MARK: Rules

  /// The rules that depend only on the path.
  private func isByRule(_ path: String) -> Bool {
    let prune = spec.prune
    let library = layout.standardLibrary + "/"
    let inLibrary = path.hasPrefix(library) && !path.hasPrefix(layout.site + "/")
    let below = inLibrary ? String(path.dropFirst(library.utf8.count)) : ""
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    if prune.installers && inLibrary && below.hasPrefix("ensurepip/") { return true }
    if prune.tests && inLibrary && isLibraryTest(below, name) { return true }
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

  /// Whether a file of no distribution is one of the interpreter's headers, or tells compilers about them.
  private func isHeader(_ path: String) -> Bool {
    guard !path.hasPrefix(layout.site + "/") else { return false }
    if path.hasPrefix("include/") || path.contains("/pkgconfig/") { return true }
    return [".h", ".hh", ".hpp", ".hxx"].contains { path.hasSuffix($0) }
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

  /// The distribution of each file.
  private func owners(_ distributions: [Distribution]) -> [String: String] {
    var owners: [String: String] = [:]
    for distribution in distributions {
      let name = "\(distribution.name) \(distribution.version)"
      for file in distribution.files { owners[file] = name }
    }
    return owners
  }

  /// The files of unneeded installers: neither the user nor a distribution with any extra requires them.
  ///
  /// Unchosen extras do no harm, because their requirements would not be in the tree. Extras of installers are ignored:
  /// installers name each other there for their own tests.
  func doomedDistributions(_ distributions: [Distribution]) throws(Failure) -> Set<
    String
  > {
    guard spec.prune.installers else { return [] }
    let installers: Set = ["pip", "setuptools", "wheel"]
    var needed = asked
    var grew = true
    while grew {
      grew = false
      for distribution in distributions
      where !installers.contains(distribution.name) || needed.contains(distribution.name) {
        let optional = installers.contains(distribution.name) ? [] : distribution.optional
        for name in distribution.requires + optional
        where needed.insert(name).inserted { grew = true }
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

  /// Directories with the tests of a package, each with a final "/".
  ///
  /// They are named `tests` or `test` and have test modules. Nothing outside of such directories imports them.
  private func unusedTests(_ entries: [TreeEntry]) throws(Failure) -> [String] {
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

  /// Whether a source seems to import the package in a directory. A match in a comment counts as well: an unneeded file
  /// does no harm.
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
  /// Removes directories that have become empty. Directories that were empty before stay.
  private func removeEmptyDirectories(_ entries: [TreeEntry], _ doomed: Set<String>)
    throws(Failure)
  {
    var touched = Set<String>()
    for path in doomed {
      var parts = path.split(separator: "/").dropLast()
      while !parts.isEmpty, touched.insert(parts.joined(separator: "/")).inserted {
        parts = parts.dropLast()
      }
    }
    // Reversed, so that children come before their parents.
    for entry in entries.reversed()
    where entry.status.kind == .directory && touched.contains(entry.path.string) {
      let path = layout.root.appending(entry.path.bytes)
      do throws(Failure) { try DirectoryHandle.current.removeDirectory(path) } catch {
        if error.errno != .notEmpty && error.errno != .exists { throw error }
      }
    }
  }
}
