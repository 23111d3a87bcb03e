public import AppSpec
public import PayloadFormat
public import Posix

/// What a `TreeRelocation` works on.
///
/// Libraries that are copied into the tree go to its `lib`. The tree's files may be hard links to files elsewhere: none is
/// changed in place.
public struct RelocationRequest: Sendable {
  /// The tree's root. Nothing else may write into it meanwhile.
  public var root: Path
  /// What the tree is to run on.
  public var target: Target
  /// The directory that holds `lib` and `usr/lib` of a system for `target`; nil if there is none. For this machine's own
  /// target its loader's settings count as well.
  public var systemRoot: Path?
  /// Where libraries that the tree lacks are looked for before the places that the system's loader knows:
  /// directories that the tree's files came from.
  public var searchDirectories: [Path]
  /// Names of libraries, such as "libGL.so.1", that are the target system's, beside those of glibc.
  public var systemLibraries: Set<String>
  /// Libraries that nothing needs but that code opens by their names. They are copied to the tree's `lib`, where the host
  /// finds them.
  public var libraries: [ListedLibrary]
  /// What a binary, given by its path in the tree, is to the tree.
  public var role: @Sendable (Path, ElfFile) -> BinaryRole
  /// Whether debug symbols and symbol tables are stripped, which no loader reads.
  public var stripDebug: Bool
  /// Whether a file, given by its path in the tree, keeps its symbols.
  public var keep: @Sendable (Path) -> Bool
  /// Threads to use, at least 1.
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

/// What a `TreeRelocation` did and found. Paths are relative to the tree's root where nothing else is said; lists
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
    /// All binaries that can't be loaded where the target system has no such library, those of `neededBy` among them.
    public var dependents: [Path]
    /// Whether the host itself is one of them.
    public var stopsHost: Bool
  }

  /// A library that no search path leads to, but that lies in the tree: its package loads it beforehand.
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
  /// Files that begin as ELF files do, but are damaged; why. They were left as they are.
  public var damaged: [String] = []

  /// One line for each finding but missing libraries that a maintainer may have to do something about.
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

/// Makes a staged tree run wherever it is put, on any Linux system with the glibc that the report names.
///
/// Strips symbols where asked, copies the libraries that neither the tree nor every system has to the tree's
/// `lib`, and gives programs and libraries a search path relative to themselves, only where they need one:
/// docs/decisions/0009-relocation.md says how and why. The same tree and the same machine give the same bytes.
public struct TreeRelocation {
  private let request: RelocationRequest
  private let damaged: [String]
  /// Binaries for other processors, sorted by path. They stay as they are.
  public let others: [Binary]
  /// Binaries for the target, sorted by path; after them libraries that were copied.
  public private(set) var binaries: [Binary]
  private var report: RelocationReport?

  /// Reads every program and library of the tree.
  ///
  /// - Throws: a system call's failure; a damaged file is none.
  public init(_ request: RelocationRequest) throws(Failure) {
    self.request = request
    let found = try findBinaries(in: request)
    binaries = found.native
    others = found.others
    damaged = found.damaged
  }

  /// Finds what each binary needs, and copies to the tree's `lib` what the tree lacks.
  ///
  /// - Throws: why a listed library can't be copied, or a system call's failure.
  public mutating func resolveLibraries() throws(Failure) {
    var resolver = LibraryResolver(request, binaries)
    report = try resolver.resolveAll()
    binaries = resolver.binaries
  }

  /// Strips the binaries and writes their search paths. `resolveLibraries` must have been called.
  ///
  /// - Throws: that there is no patchelf, that it damaged a file, or a system call's failure.
  public func rewrite() throws(Failure) -> RelocationReport {
    var report = report ?? RelocationReport()
    report.damaged = damaged
    try BinaryRelocation.rewrite(binaries, request, &report)
    let sorted = binaries.sorted { $0.path.precedes($1.path) }
    report.needPrivateGlibc = sorted.filter(\.elf.needsPrivateGlibc).map(\.path)
    report.glibc = floor(sorted)
    return report
  }

  /// The files that need a newer glibc than `most`, copied libraries among them; nil if there are none.
  ///
  /// - Throws: a system call's failure.
  public func glibcExcess(over most: GlibcVersion) throws(Failure) -> GlibcExcess? {
    try GlibcExcess(over: most, binaries, in: request.root)
  }
}
