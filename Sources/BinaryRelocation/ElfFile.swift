public import PayloadFormat
public import Posix

/// What the loader reads of an ELF program or library, and what decides whether it can be stripped.
///
/// The format: System V ABI, "Object Files" and "Dynamic Linking", with the GNU extensions of the Linux
/// Standard Base (symbol versions). Texts that are not UTF-8 are repaired.
public struct ElfFile: Sendable {
  public enum Kind: Equatable, Sendable {
    /// `ET_EXEC`: a program at a fixed address.
    case executable
    /// `ET_DYN`: a library, or a position-independent program, which has an `interpreter`.
    case shared
    /// `ET_REL`: an object file, which no loader loads.
    case relocatable
    /// A core dump, or something of another system.
    case other
  }

  /// The number of the processor, `e_machine`.
  public struct Machine: Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }
  }

  /// A program header.
  public struct Segment: Equatable, Sendable {
    /// `p_type`: 1 is `PT_LOAD`.
    public var type: UInt32
    public var flags: UInt32
    /// Bytes from the start of the file.
    public var offset: UInt64
    public var address: UInt64
    /// Bytes in the file.
    public var fileSize: UInt64
    /// Bytes in memory.
    public var memorySize: UInt64
    public var alignment: UInt64

    public var isLoaded: Bool { type == 1 }
  }

  /// The versions that are needed of one library.
  public struct RequiredVersions: Equatable, Sendable {
    /// The library's name, as in `needed`.
    public var library: String
    /// Names such as "GLIBC_2.17", without those marked weak, which the loader does not insist on.
    public var names: [String]
  }

  public internal(set) var is64Bit = false
  public internal(set) var isLittleEndian = false
  public internal(set) var machine = Machine(rawValue: 0)
  public internal(set) var kind = Kind.other
  public internal(set) var entryAddress: UInt64 = 0
  public internal(set) var segments: [Segment] = []
  /// Whether there is a dynamic section: false for static programs and object files.
  public internal(set) var isDynamic = false
  /// The path of the loader, `PT_INTERP`.
  public internal(set) var interpreter: Path?
  /// `DT_NEEDED`, in order.
  public internal(set) var needed: [String] = []
  /// `DT_SONAME`.
  public internal(set) var soname: String?
  /// The directories of `DT_RPATH`; nil where there is none.
  public internal(set) var rpath: [String]?
  /// The directories of `DT_RUNPATH`, for which a loader ignores `rpath`; nil where there is none.
  public internal(set) var runpath: [String]?
  public internal(set) var requiredVersions: [RequiredVersions] = []
  /// Whether there is a `DT_RELR`.
  public internal(set) var hasRelativeRelocations = false
  /// Whether there are sections with debug information.
  public internal(set) var hasDebugSections = false
  /// Whether there is no symbol table but the dynamic one.
  public internal(set) var isStripped = true
  /// Whether bytes other than a few zeros follow that belong to no header, section or segment, as in a self-extracting program.
  /// Tools that rewrite ELF files lose or move them.
  public internal(set) var hasAppendedData = false
  /// The addresses of the sections that are loaded.
  var loadedSections: [Range<UInt64>] = []
  /// Where the section headers are in the file.
  var sectionHeaders: Range<UInt64> = 0..<0
  /// The end of all headers, sections and segments in the file.
  var unclaimedStart = UInt64.max

  /// The search path that counts: that of `runpath`, else that of `rpath`.
  public var searchPath: [String] { runpath ?? rpath ?? [] }

  var isNativeOrder: Bool { isLittleEndian == (1.littleEndian == 1) }

  /// Whether a kernel or loader starts it as a program.
  public var isProgram: Bool { kind == .executable || interpreter != nil }

  /// The oldest glibc that has all versions which are needed; nil where none is asked for.
  public var glibc: GlibcVersion? {
    var highest = hasRelativeRelocations ? GlibcVersion(2, 36) : nil
    for name in requiredVersions.lazy.flatMap(\.names) {
      guard let version = GlibcVersion(symbolVersion: name) else { continue }
      if let known = highest, version <= known { continue }
      highest = version
    }
    return highest
  }

  /// Whether it needs symbols that glibc keeps for itself, so that it works only with the glibc it was built
  /// with.
  public var needsPrivateGlibc: Bool {
    requiredVersions.contains { $0.names.contains("GLIBC_PRIVATE") }
  }
}

extension ElfFile.Machine {
  public static var x86_64: ElfFile.Machine { ElfFile.Machine(rawValue: 62) }

  /// The processor's name where Linux distributions run on it; nil for graphics processors, virtual machines
  /// and the like, whose code is data to the system.
  public var processor: String? {
    switch rawValue {
    case 3: return "i686"
    case 8: return "mips"
    case 20: return "ppc"
    case 21: return "ppc64"
    case 22: return "s390x"
    case 40: return "arm"
    case 62: return "x86_64"
    case 183: return "aarch64"
    case 243: return "riscv"
    case 258: return "loongarch"
    default: return nil
    }
  }
}
