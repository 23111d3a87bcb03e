import AppSpec
import Posix
import Processes

/// Whether a library belongs to glibc. The target system provides glibc: it matches the loader, and cannot be packed.
public func isSystemLibrary(_ name: String) -> Bool {
  if glibcLibraries.contains(name) || name.hasPrefix("ld-linux") { return true }
  return name.hasPrefix("libnss_") && name.hasSuffix(".so.2")
}

/// The libraries of glibc's ABI, including `libnsl.so.1`. `libnsl.so.2` and today's `libcrypt` are separate libraries.
private let glibcLibraries: Set<String> = [
  "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1",
  "libresolv.so.2", "libanl.so.1", "libnsl.so.1", "libmvec.so.1", "libBrokenLocale.so.1",
  "libthread_db.so.1", "libc_malloc_debug.so.0",
]

/// A library of the system that provides the tree's libraries.
struct MachineLibrary: Sendable {
  var path: Path
  var elf: ElfFile
}

/// The libraries of the build machine, found as its loader does; for another target, those of `systemRoot`.
public struct MachineLibraries: Sendable {
  private let target: Target
  private let systemRoot: Path?
  private let searchDirectories: [Path]
  private let root: Path
  /// The table of `ldconfig`: paths by name, in its order.
  private let cache: [String: [Path]]

  /// Asks `ldconfig` for this machine's libraries, if the request is for its own target.
  public init(_ request: RelocationRequest) {
    target = request.target
    systemRoot = request.systemRoot
    searchDirectories = request.searchDirectories
    root = request.root
    cache = target == .native ? MachineLibraries.readCache() : [:]
  }

  private var standardDirectories: [String] {
    [
      "/lib/\(target.multiarch)", "/usr/lib/\(target.multiarch)", "/lib64", "/usr/lib64", "/lib",
      "/usr/lib", "/usr/local/lib",
    ]
  }

  /// The system's file at an absolute path; nil if there is no system.
  private func inSystem(_ path: String) -> Path? {
    systemRoot.map { $0.appending(String(path.drop { $0 == "/" })) }
  }

  /// The library that `binary` would get by this name on this machine; nil if there is none for this architecture.
  ///
  /// Without a binary, searches as for any program.
  func find(_ name: String, for binary: Binary?) throws(Failure) -> MachineLibrary? {
    var candidates: [Path] = []
    for entry in binary?.elf.searchPath ?? [] {
      if entry.hasPrefix("/") && !entry.contains("$") {
        if let directory = inSystem(entry) { candidates.append(directory.appending(name)) }
      } else if let source = binary?.source, let rest = originRelative(entry) {
        candidates.append(
          source.appending(String(rest.drop { $0 == "/" })).appending(name))
      }
    }
    candidates += searchDirectories.map { $0.appending(name) }
    candidates += cache[name] ?? []
    candidates += standardDirectories.compactMap(inSystem).map { $0.appending(name) }
    for path in candidates {
      if let library = try read(path) { return library }
    }
    return nil
  }

  /// The system's library at an absolute path; nil if there is none for the target's architecture.
  func find(at path: String) throws(Failure) -> MachineLibrary? {
    guard let path = inSystem(path) else { return nil }
    return try read(path)
  }

  /// The library at `path`; nil if there is none for the target's architecture.
  func read(_ path: Path) throws(Failure) -> MachineLibrary? {
    let elf: ElfFile?
    do throws(Failure) {
      elf = try ElfFile.read(path)
    } catch {
      // A loader also skips a file that it cannot open or read, and continues its search.
      return nil
    }
    guard let elf, elf.runs(on: target), elf.kind == .shared else { return nil }
    return MachineLibrary(path: path, elf: elf)
  }

  /// The table that `ldconfig -p` prints; empty if it cannot be run.
  private static func readCache() -> [String: [Path]] {
    var cache: [String: [Path]] = [:]
    let name = HostProgram.ldconfig.path
    for program in [
      Path("/sbin").appending(name.bytes), Path("/usr/sbin").appending(name.bytes), name,
    ] {
      let process = Subprocess(program, [Path("-p")], timeout: 60)
      guard let result = try? process.run(), result.succeeded else { continue }
      // "\tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1"
      for line in String(decoding: result.output, as: UTF8.self).split(separator: "\n") {
        // These libraries are for certain newer CPUs only.
        if line.contains("hwcap") { continue }
        let words = line.split { $0 == " " || $0 == "\t" }
        guard words.count >= 4, words[words.count - 2] == "=>" else { continue }
        cache[String(words[0]), default: []].append(Path(String(words[words.count - 1])))
      }
      return cache
    }
    return cache
  }
}
