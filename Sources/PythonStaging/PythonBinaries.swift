import AppSpec
public import BinaryRelocation
public import PayloadFormat
public import Posix

// The roles of a tree's programs and libraries in Python.

/// Whether distributions are installed in directories of this name: "site-packages", or Debian's "dist-packages".
func isPackageDirectory(_ name: Substring) -> Bool {
  name == "site-packages" || name == "dist-packages"
}

extension BinaryRole {
  /// The role in Python of the binary at `path` in a tree.
  ///
  /// The tree has the layout of an installed interpreter: `bin/pythonX.Y`, `lib/libpythonX.Y.so.1.0`,
  /// `lib/pythonX.Y/lib-dynload` and `lib/pythonX.Y/site-packages`.
  @Sendable public static func python(_ path: Path, _ elf: ElfFile) -> BinaryRole {
    let parts = path.string.split(separator: "/")
    let name = String(parts.last ?? "")
    let isInterpreter = elf.isProgram && parts.count == 2 && path.string.hasPrefix("bin/python")
    return BinaryRole(
      package: package(parts), isHost: isInterpreter,
      // glibc needs libgcc to end a thread, and ends the whole process without it. Python before 3.14 ends its daemon
      // threads this way. glibc searches the interpreter's `DT_RPATH`.
      lateNeeds: isInterpreter && elf.isDynamic ? ["libgcc_s.so.1"] : [],
      opensLibrariesByName: name.hasPrefix("_ctypes.") || name.hasPrefix("_cffi_backend."))
  }

  /// The top-level name in a directory of packages, without the suffix for a distribution's libraries ("numpy" for
  /// "numpy.libs").
  ///
  /// Empty for the interpreter's own files.
  private static func package(_ parts: [Substring]) -> String {
    guard let packages = parts.lastIndex(where: isPackageDirectory), packages + 1 < parts.count
    else { return "" }
    return parts[packages + 1].split(separator: ".").first.map(String.init) ?? ""
  }
}

extension RelocationReport.Missing {
  /// Standard library modules that cannot be imported if the target system lacks this library, sorted.
  var modules: [String] {
    dependents.compactMap { path in
      let parts = path.string.split(separator: "/")
      guard parts.count > 1, parts[parts.count - 2] == "lib-dynload" else { return nil }
      return parts[parts.count - 1].split(separator: ".").first.map(String.init)
    }.sorted()
  }
}

/// The changes and findings of `relocatePython`.
public struct PythonRelocation: Sendable {
  public internal(set) var report: RelocationReport
  /// Programs and libraries for other CPU architectures, in distributions that also have some for this one.
  public internal(set) var foreign: [Path]
  /// One line for each finding that may need a maintainer's attention.
  public internal(set) var warnings: [String]
}

/// Makes the binaries of a tree with an interpreter relocatable (`TreeRelocation`).
///
/// - Parameters:
///   - request: its `role` is ignored.
///   - most: the newest glibc that a file may need (`python.max-glibc`); nil for no limit.
/// - Throws: an error if a distribution is for another architecture or a file needs a newer glibc than `most`, and the
///   errors of `TreeRelocation`.
public func relocatePython(_ request: RelocationRequest, most: GlibcVersion? = nil)
  throws(Failure) -> PythonRelocation
{
  var request = request
  request.role = BinaryRole.python
  var tree = try TreeRelocation(request)
  let foreign = try listForeign(tree, request)
  try tree.resolveLibraries()
  if let most, let excess = try tree.glibcExcess(over: most) {
    throw GlibcLimit(most: most, option: "python.max-glibc", root: request.root).failure(excess)
  }
  let report = try tree.rewrite()
  let missing = missingLibraries(report, isForeign: request.target != .native)
  return PythonRelocation(
    report: report, foreign: foreign, warnings: missing + report.warnings)
}

/// A line for each missing library that a user may lack. For another target, this machine's libraries were not
/// searched.
private func missingLibraries(_ report: RelocationReport, isForeign: Bool) -> [String] {
  var lines: [String] = []
  for library in report.missing {
    let why =
      "\(library.name) is neither in the tree nor "
      + (isForeign ? "beside the interpreter" : "on this machine")
    let modules = library.modules
    if library.stopsHost {
      lines.append(
        "the interpreter will not start where the system has no \(library.name): \(why)")
    } else if !modules.isEmpty {
      let names = modules.joined(separator: ", ")
      lines.append("\(names) can't be imported where the system has no \(library.name): \(why)")
    } else if isForeign, let path = library.neededBy.first {
      // Perhaps no test loads it before the users do.
      lines.append("\(path.quoted) needs \(library.name) of the system: \(why)")
    }
  }
  return lines
}
