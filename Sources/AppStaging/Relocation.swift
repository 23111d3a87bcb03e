public import AppSpec
import BinaryInspection
public import PayloadFormat
public import Posix

/// What `makeRelocatable` works on.
///
/// The tree has the layout of an installed interpreter: `bin/pythonX.Y`, `lib/libpythonX.Y.so.1.0`,
/// `lib/pythonX.Y/lib-dynload` and `lib/pythonX.Y/site-packages`. Its files may be hard links to files elsewhere:
/// none is changed in place.
public struct RelocationRequest: Sendable {
  /// The tree's root. Nothing else may write into it meanwhile.
  public var root: Path
  /// What the tree is to run on.
  public var target: Target
  /// The directory that holds `lib` and `usr/lib` of a system for `target`; nil if there is none. For this machine's own
  /// target its loader's settings count as well.
  public var systemRoot: Path?
  /// Where libraries that the tree lacks are looked for before the places that the system's loader knows:
  /// directories of the source interpreter, such as its `LIBDIR`.
  public var searchDirectories: [Path]
  /// Names of libraries, such as "libGL.so.1", that are the target system's, beside those of glibc.
  public var systemLibraries: Set<String>
  /// Libraries that nothing needs but that code opens by their names: names, or absolute paths. They are copied to the
  /// tree's `lib`, where the interpreter finds them.
  public var libraries: [Located<Path>]
  /// Whether debug symbols and symbol tables are stripped, which no loader reads.
  public var stripDebug: Bool
  /// Whether a file, given by its path in the tree, keeps its symbols.
  public var keep: @Sendable (Path) -> Bool
  /// The newest glibc that a file may need; nil for no limit. A file that needs a newer one is an error.
  public var maxGlibc: GlibcVersion?
  /// Threads to use, at least 1.
  public var workers: Int

  public init(
    root: Path, target: Target = .native, systemRoot: Path? = Path("/"),
    searchDirectories: [Path] = [], systemLibraries: Set<String> = [],
    libraries: [Located<Path>] = [],
    stripDebug: Bool = true, keep: @escaping @Sendable (Path) -> Bool = { _ in false },
    maxGlibc: GlibcVersion? = nil, workers: Int = ProcessContext.processorCount
  ) {
    self.root = root
    self.target = target
    self.systemRoot = systemRoot
    self.searchDirectories = searchDirectories
    self.systemLibraries = systemLibraries
    self.libraries = libraries
    self.stripDebug = stripDebug
    self.keep = keep
    self.maxGlibc = maxGlibc
    self.workers = workers
  }
}

/// What `makeRelocatable` did and found. Paths are relative to the tree's root where nothing else is said; lists
/// are sorted by name.
public struct RelocationReport: Sendable {
  /// A library that was copied into the tree's `lib`.
  public struct Copied: Sendable {
    public var name: String
    /// Where it was on the build machine.
    public var from: Path
    public var neededBy: [Path]
  }

  /// A library that was found neither in the tree nor on the build machine.
  public struct Missing: Sendable {
    public var name: String
    public var neededBy: [Path]
    /// Modules of the standard library that can't be imported where the target system has no such library.
    public var modules: [String]
    /// Whether the interpreter itself does not start where the target system has no such library.
    public var stopsInterpreter: Bool
  }

  /// A library that no search path leads to, but that lies in the tree: its distribution loads it beforehand.
  public struct FoundElsewhere: Sendable {
    public var name: String
    public var at: Path
    public var neededBy: [Path]
  }

  /// A file whose symbols stay.
  public struct Unstrippable: Sendable {
    public var path: Path
    /// Completes a sentence that begins with the path.
    public var reason: String
  }

  /// The oldest glibc that every file of the tree runs on.
  public struct GlibcFloor: Sendable {
    public var version: GlibcVersion
    /// The file that asks for it, the first by path where several do.
    public var path: Path
  }

  public var copied: [Copied] = []
  public var missing: [Missing] = []
  public var foundElsewhere: [FoundElsewhere] = []
  /// Files whose search path was changed.
  public var relinked: [Path] = []
  /// Files whose search path should have been changed, but that have data appended, which would not survive it.
  public var unpatchable: [Path] = []
  public var strippedFiles = 0
  /// Bytes of the stripped files, before and after.
  public var strippedBytes: (before: UInt64, after: UInt64) = (0, 0)
  /// Files whose symbols stay, sorted by path.
  public var unstrippable: [Unstrippable] = []
  /// Nil where no file needs a version of glibc.
  public var glibc: GlibcFloor?
  /// Files that need glibc's private symbols and so, perhaps, the very glibc of the build machine.
  public var needPrivateGlibc: [Path] = []
  /// Programs and libraries for another processor, in distributions that also have some for this one.
  public var foreign: [Path] = []
  /// Files that begin as ELF files do, but are damaged; why. They were left as they are.
  public var damaged: [String] = []
  /// Whether the tree is for another target than this machine, whose libraries were not looked at.
  public var isForeign = false

  /// One line for each finding that a maintainer may have to do something about.
  public var warnings: [String] {
    var lines: [String] = []
    for library in missing {
      let why =
        "\(library.name) is neither in the tree nor "
        + (isForeign ? "beside the interpreter" : "on this machine")
      if library.stopsInterpreter {
        lines.append(
          "the interpreter will not start where the system has no \(library.name): \(why)")
      } else if !library.modules.isEmpty {
        let names = library.modules.joined(separator: ", ")
        lines.append("\(names) can't be imported where the system has no \(library.name): \(why)")
      } else if isForeign, let path = library.neededBy.first {
        // Perhaps nothing tests it before its users do.
        lines.append("\(path.quoted) needs \(library.name) of the system: \(why)")
      }
    }
    for path in unpatchable {
      lines.append(
        "\(path.quoted) has data appended, as self-extracting programs do, and keeps its search path: "
          + "it may need libraries of the system")
    }
    for path in needPrivateGlibc {
      lines.append(
        "\(path.quoted) uses private symbols of glibc and may not run with another glibc")
    }
    return lines + damaged
  }
}

/// Makes a staged tree run wherever it is put, on any Linux system with the glibc that the report names.
///
/// Strips symbols where asked, copies the libraries that neither the tree nor every system has to the tree's
/// `lib`, and gives programs and libraries a search path relative to themselves, only where they need one:
/// docs/decisions/0009-relocation.md says how and why. The same tree and the same machine give the same bytes.
public func makeRelocatable(_ request: RelocationRequest) throws(Failure) -> RelocationReport {
  var binaries = try findBinaries(in: request)
  try refuseForeign(&binaries, request)
  var resolver = LibraryResolver(request, binaries.native)
  var report = try resolver.resolveAll()
  report.isForeign = request.target != .native
  report.damaged = binaries.damaged
  report.foreign = binaries.foreign
  let limit = request.maxGlibc.map {
    GlibcLimit(most: $0, option: "python.max-glibc", root: request.root)
  }
  if let message = try limit?.message(resolver.binaries) { throw .failed(nil, message) }
  try rewrite(resolver.binaries, request, &report)
  addGlibc(resolver.binaries, &report)
  return report
}

private func addGlibc(_ binaries: [Binary], _ report: inout RelocationReport) {
  let sorted = binaries.sorted { $0.path.precedes($1.path) }
  report.needPrivateGlibc = sorted.filter(\.elf.needsPrivateGlibc).map(\.path)
  report.glibc = floor(sorted)
}
