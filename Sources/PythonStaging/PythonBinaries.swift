import AppSpec
public import BinaryRelocation
public import PayloadFormat
public import Posix

// What the programs and libraries of a tree are to Python.

/// Whether distributions are installed in directories of this name: "site-packages", or Debian's "dist-packages".
func isPackageDirectory(_ name: Substring) -> Bool {
  name == "site-packages" || name == "dist-packages"
}

extension BinaryRole {
  /// What a binary at `path` in a tree is to Python. The tree has the layout of an installed interpreter: `bin/pythonX.Y`,
  /// `lib/libpythonX.Y.so.1.0`, `lib/pythonX.Y/lib-dynload` and `lib/pythonX.Y/site-packages`.
  @Sendable public static func python(_ path: Path, _ elf: ElfFile) -> BinaryRole {
    let parts = path.string.split(separator: "/")
    let name = String(parts.last ?? "")
    let isInterpreter = elf.isProgram && parts.count == 2 && path.string.hasPrefix("bin/python")
    return BinaryRole(
      package: package(parts), isHost: isInterpreter,
      // glibc ends a thread with the help of libgcc, and the whole process where there is none. Python before 3.14 ends its
      // daemon threads so. glibc looks for it along the interpreter's `DT_RPATH`.
      lateNeeds: isInterpreter && elf.isDynamic ? ["libgcc_s.so.1"] : [],
      opensLibrariesByName: name.hasPrefix("_ctypes.") || name.hasPrefix("_cffi_backend."))
  }

  /// The top-level name in a directory of packages without what distributions add for their libraries ("numpy" for
  /// "numpy.libs"); empty for the interpreter's own.
  private static func package(_ parts: [Substring]) -> String {
    guard let packages = parts.lastIndex(where: isPackageDirectory), packages + 1 < parts.count
    else { return "" }
    return parts[packages + 1].split(separator: ".").first.map(String.init) ?? ""
  }
}

extension RelocationReport.Missing {
  /// Modules of the standard library that can't be imported where the target system has no such library, sorted.
  var modules: [String] {
    dependents.compactMap { path in
      let parts = path.string.split(separator: "/")
      guard parts.count > 1, parts[parts.count - 2] == "lib-dynload" else { return nil }
      return parts[parts.count - 1].split(separator: ".").first.map(String.init)
    }.sorted()
  }
}

/// What `relocatePython` did and found.
public struct PythonRelocation: Sendable {
  public internal(set) var report: RelocationReport
  /// Programs and libraries for another processor, in distributions that also have some for this one.
  public internal(set) var foreign: [Path]
  /// One line for each finding that a maintainer may have to do something about.
  public internal(set) var warnings: [String]
}

/// Makes the binaries of a tree with an interpreter relocatable (`TreeRelocation`).
///
/// - Parameters:
///   - request: its `role` does not count.
///   - most: the newest glibc that a file may need (`python.max-glibc`); nil for no limit.
/// - Throws: that a distribution is for another processor, that a file needs a newer glibc than `most`, or what
///   `TreeRelocation` throws.
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

/// A line for each missing library that somebody may lack. For another target this machine's libraries were not looked at.
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
      // Perhaps nothing tests it before its users do.
      lines.append("\(path.quoted) needs \(library.name) of the system: \(why)")
    }
  }
  return lines
}
