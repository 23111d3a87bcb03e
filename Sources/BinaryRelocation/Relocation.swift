public import AppSpec
public import PayloadFormat
public import Posix

/// The inputs of a `TreeRelocation`.
///
/// Copied libraries go to the tree's `lib`. The tree's files can be hard links to files elsewhere, so none is changed
/// in place.
public struct RelocationRequest: Sendable {
  /// The tree's root. No other process may write into it during the work.
  public var root: Path
  /// The target of the tree.
  public var target: Target
  /// The directory with `lib` and `usr/lib` of a system for `target`; nil if there is none.
  ///
  /// For this machine's own target, its loader's settings apply as well.
  public var systemRoot: Path?
  /// Directories that the tree's files came from. They are searched for missing libraries before those of the system's
  /// loader.
  public var searchDirectories: [Path]
  /// Libraries of the target system besides glibc, by name, such as "libGL.so.1".
  public var systemLibraries: Set<String>
  /// Libraries that no file needs, but that code opens by name. They are copied to the tree's `lib`, where the host
  /// finds them.
  public var libraries: [ListedLibrary]
  /// The role of a binary, given its path in the tree.
  public var role: @Sendable (Path, ElfFile) -> BinaryRole
  /// Whether to strip debug symbols and symbol tables, which no loader reads.
  public var stripDebug: Bool
  /// Whether a file, given by its path in the tree, keeps its symbols.
  public var keep: @Sendable (Path) -> Bool
  /// The number of threads, at least 1.
  public var workers: Int

  public init(
    root: Path, target: Target = .native, systemRoot: Path? = Path("/"),
    searchDirectories: [Path] = [], systemLibraries: Set<String> = [],
    libraries: [ListedLibrary] = [],
    role: @escaping @Sendable (Path, ElfFile) -> BinaryRole = { _, _ in BinaryRole() },
    stripDebug: Bool = true, keep: @escaping @Sendable (Path) -> Bool = { _ in false },
    workers: Int = ProcessContext.processorCount
  ) {
    self.root = root
    self.target = target
    self.systemRoot = systemRoot
    self.searchDirectories = searchDirectories
    self.systemLibraries = systemLibraries
    self.libraries = libraries
    self.role = role
    self.stripDebug = stripDebug
    self.keep = keep
    self.workers = workers
  }
}

/// The changes and findings of a `TreeRelocation`.
///
/// Paths are relative to the tree's root unless stated otherwise. Lists are sorted by name.
public struct RelocationReport: Sendable {
  /// A library that was copied into the tree's `lib`.
  public struct Copied: Sendable {
    public var name: String
    /// Its path on the build machine.
    public var from: Path
    public var neededBy: [Path]
  }

  /// A library that neither the tree nor the build machine has.
  public struct Missing: Sendable {
    public var name: String
    public var neededBy: [Path]
    /// All binaries that cannot be loaded if the target system lacks this library, including those of `neededBy`.
    public var dependents: [Path]
    /// Whether the host itself is one of them.
    public var stopsHost: Bool
  }

  /// A library in the tree that no search path leads to: its package loads it first.
  public struct FoundElsewhere: Sendable {
    public var name: String
    public var at: Path
    public var neededBy: [Path]
  }

  /// A file that keeps its symbols.
  public struct Unstrippable: Sendable {
    public var path: Path
    /// Completes a sentence that begins with the path.
    public var reason: String
  }

  /// The oldest glibc that every file of the tree runs on.
  public struct GlibcFloor: Sendable {
    public var version: GlibcVersion
    /// A file that needs it. Of several, the first by path.
    public var path: Path
  }

  public var copied: [Copied] = []
  public var missing: [Missing] = []
  public var foundElsewhere: [FoundElsewhere] = []
  /// Files whose search path was changed.
  public var relinked: [Path] = []
  /// Files whose search path should have changed, but that have appended data, which would not survive the change.
  public var unpatchable: [Path] = []
  public var strippedFiles = 0
  /// The size of the stripped files in bytes, before and after.
  public var strippedBytes: (before: UInt64, after: UInt64) = (0, 0)
  /// Files that keep their symbols, sorted by path.
  public var unstrippable: [Unstrippable] = []
  /// Nil if no file needs a version of glibc.
  public var glibc: GlibcFloor?
  /// Files that need glibc's private symbols, and so perhaps exactly the build machine's glibc.
  public var needPrivateGlibc: [Path] = []
  /// Damaged files with an ELF header, and the reasons. They were left as they are.
  public var damaged: [String] = []

  /// One line for each finding that may need a maintainer's attention, without missing libraries.
  public var warnings: [String] {
    var lines: [String] = []
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

/// Makes a staged tree run in any place, on any Linux system with the glibc that the report names.
///
/// Strips symbols if requested, and copies libraries to the tree's `lib` that neither the tree nor every system has.
/// Programs and libraries get a search path relative to themselves, but only if they need one.
/// docs/decisions/0009-relocation.md explains this. The same tree and the same machine give the same bytes.
public struct TreeRelocation {
  private let request: RelocationRequest
  private let damaged: [String]
  /// Binaries for other architectures, sorted by path. They stay as they are.
  public let others: [Binary]
  /// Binaries for the target, sorted by path, followed by the copied libraries.
  public private(set) var binaries: [Binary]
  private var report: RelocationReport?

  /// Reads every program and library of the tree.
  ///
  /// - Throws: a system call's failure, but no error for a damaged file.
  public init(_ request: RelocationRequest) throws(Failure) {
    self.request = request
    let found = try findBinaries(in: request)
    binaries = found.native
    others = found.others
    damaged = found.damaged
  }

  /// Resolves each binary's needs, and copies missing libraries to the tree's `lib`.
  ///
  /// - Throws: an error if a listed library cannot be copied, or a system call's failure.
  public mutating func resolveLibraries() throws(Failure) {
    var resolver = LibraryResolver(request, binaries)
    report = try resolver.resolveAll()
    binaries = resolver.binaries
  }

  /// Strips the binaries and writes their search paths.
  ///
  /// - Precondition: `resolveLibraries` has been called.
  /// - Throws: an error if there is no patchelf or it damaged a file, or a system call's failure.
  public func rewrite() throws(Failure) -> RelocationReport {
    var report = report ?? RelocationReport()
    report.damaged = damaged
    try BinaryRelocation.rewrite(binaries, request, &report)
    let sorted = binaries.sorted { $0.path.precedes($1.path) }
    report.needPrivateGlibc = sorted.filter(\.elf.needsPrivateGlibc).map(\.path)
    report.glibc = floor(sorted)
    return report
  }

  /// The files that need a glibc newer than `most`, including copied libraries; nil if there are none.
  ///
  /// - Throws: a system call's failure.
  public func glibcExcess(over most: GlibcVersion) throws(Failure) -> GlibcExcess? {
    try GlibcExcess(over: most, binaries, in: request.root)
  }
}
