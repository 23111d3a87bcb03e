public import PayloadFormat
public import Posix

/// Files of a tree that need a newer glibc than allowed.
public struct GlibcExcess: Sendable {
  /// The file that needs the newest glibc. Of several, the first by path.
  public let worst: Path
  /// The glibc that it needs.
  public let version: GlibcVersion
  /// The reason for that version, to be read after "needs glibc 2.28": "symbol statx@GLIBC_2.28".
  public let reason: String
  /// Whether it was copied from the build machine.
  public let isCopied: Bool
  /// All files that need a newer glibc, including `worst`.
  public let paths: [Path]

  /// Nil if no file needs a glibc newer than `most`.
  init?(over most: GlibcVersion, _ binaries: [Binary], in root: Path) throws(Failure) {
    let late = binaries.filter { ($0.elf.glibc ?? most) > most }
    let worst = late.min { left, right in
      let (a, b) = (left.elf.glibc!, right.elf.glibc!)
      return a == b ? left.path.precedes(right.path) : a > b
    }
    guard let worst, let version = worst.elf.glibc else { return nil }
    self.worst = worst.path
    self.version = version
    reason = try Self.reason(worst, version, root.appending(worst.path.bytes))
    isCopied = worst.source != nil
    paths = late.map(\.path)
  }

  private static func reason(_ binary: Binary, _ version: GlibcVersion, _ path: Path)
    throws(Failure) -> String
  {
    let names = binary.elf.requiredVersions.flatMap(\.names)
    guard let name = names.first(where: { GlibcVersion(symbolVersion: $0) == version }) else {
      return "for its DT_RELR relocations"
    }
    let symbol = try binary.elf.symbol(needing: name, in: path)
    return "\(symbol.map { "symbol \($0)@" } ?? "symbol version ")\(name)"
  }
}

/// The glibc that any tree requires of the system.
public struct TreeGlibc: Sendable {
  /// The oldest glibc that every program and library runs on; nil if none needs glibc.
  public let floor: GlibcRequirement?
  /// The files that need a newer glibc than allowed; nil if there are none.
  public let excess: GlibcExcess?

  /// Reads every program and library of a tree, for any CPU architecture, on at most `workers` threads.
  ///
  /// - Parameter most: the newest glibc that a file may need; nil for no limit.
  /// - Throws: a system call's failure.
  public init(ofTree root: Path, most: GlibcVersion?, workers: Int) throws(Failure) {
    let found = try findBinaries(in: RelocationRequest(root: root, workers: workers))
    let all = (found.native + found.others).sorted { $0.path.precedes($1.path) }
    excess = try most.flatMap { (most) throws(Failure) in
      try GlibcExcess(over: most, all, in: root)
    }
    floor = BinaryRelocation.floor(all).map {
      GlibcRequirement(version: $0.version, file: [UInt8]($0.path.bytes))
    }
  }
}

/// The file that needs the newest glibc. Of several, the first.
func floor(_ binaries: [Binary]) -> RelocationReport.GlibcFloor? {
  var result: RelocationReport.GlibcFloor?
  for binary in binaries {
    guard let version = binary.elf.glibc else { continue }
    if let known = result, version <= known.version { continue }
    result = RelocationReport.GlibcFloor(version: version, path: binary.path)
  }
  return result
}
