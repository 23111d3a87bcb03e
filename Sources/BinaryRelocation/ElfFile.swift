public import PayloadFormat
public import Posix

/// The parts of an ELF program or library that a loader reads, and those that decide whether it can be stripped.
///
/// The format is that of the System V ABI, "Object Files" and "Dynamic Linking", with the GNU extensions of the Linux
/// Standard Base (symbol versions). Texts with invalid UTF-8 are repaired.
public struct ElfFile: Sendable {
  /// The type of a file (`e_type`).
  public enum Kind: Equatable, Sendable {
    /// `ET_EXEC`: a program at a fixed address.
    case executable
    /// `ET_DYN`: a library, or a position-independent program, which has an `interpreter`.
    case shared
    /// `ET_REL`: an object file, which no loader loads.
    case relocatable
    /// A core dump, or a file of another system.
    case other
  }

  /// The number of the CPU architecture, `e_machine`.
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

  /// The required versions of one library.
  public struct RequiredVersions: Equatable, Sendable {
    /// The library's name, as in `needed`.
    public var library: String
    /// Names such as "GLIBC_2.17". Weak ones are left out, because the loader does not require them.
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
  /// The directories of `DT_RPATH`; nil if the file has none.
  public internal(set) var rpath: [String]?
  /// The directories of `DT_RUNPATH`, which makes a loader ignore `rpath`; nil if the file has none.
  public internal(set) var runpath: [String]?
  public internal(set) var requiredVersions: [RequiredVersions] = []
  /// Whether there is a `DT_RELR`.
  public internal(set) var hasRelativeRelocations = false
  /// Whether there are sections with debug information.
  public internal(set) var hasDebugSections = false
  /// Whether there is no symbol table other than the dynamic one.
  public internal(set) var isStripped = true
  /// Whether the file ends with bytes that belong to no header, section or segment, other than a few zeros.
  ///
  /// Self-extracting programs have such data. Tools that rewrite ELF files lose or move it.
  public internal(set) var hasAppendedData = false
  /// The addresses of the sections that are loaded.
  var loadedSections: [Range<UInt64>] = []
  /// The file range of the section headers.
  var sectionHeaders: Range<UInt64> = 0..<0
  /// The end of all headers, sections and segments in the file.
  var unclaimedStart = UInt64.max

  /// The effective search path: `runpath`, or `rpath` if there is none.
  public var searchPath: [String] { runpath ?? rpath ?? [] }

  var isNativeOrder: Bool { isLittleEndian == (1.littleEndian == 1) }

  /// Whether a kernel or loader starts it as a program.
  public var isProgram: Bool { kind == .executable || interpreter != nil }

  /// The oldest glibc that has all required versions; nil if none is required.
  public var glibc: GlibcVersion? {
    var highest = hasRelativeRelocations ? GlibcVersion(2, 36) : nil
    for name in requiredVersions.lazy.flatMap(\.names) {
      guard let version = GlibcVersion(symbolVersion: name) else { continue }
      if let known = highest, version <= known { continue }
      highest = version
    }
    return highest
  }

  /// Whether it needs glibc's private symbols, so that it works only with the glibc it was built with.
  public var needsPrivateGlibc: Bool {
    requiredVersions.contains { $0.names.contains("GLIBC_PRIVATE") }
  }
}

extension ElfFile.Machine {
  public static var x86_64: ElfFile.Machine { ElfFile.Machine(rawValue: 62) }

  /// The architecture's name if Linux distributions support it.
  ///
  /// Nil for graphics processors, virtual machines and similar: their code is data to the system.
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
