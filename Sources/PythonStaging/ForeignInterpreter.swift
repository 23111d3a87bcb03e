import AppSpec
import BinaryRelocation
import BuildTools
import PayloadFormat
import Posix
import Processes

/// The facts about an interpreter for another target, read from its files because this machine cannot run it.
struct ForeignInterpreter: Sendable {
  /// The directory of distributions, from the prefix: "lib/python3.11/site-packages".
  var site: String
  /// The flags in the ABI tag of wheels: "t" for the free-threaded build.
  var abiFlags: String
  /// The root of the system that has the interpreter, such as the parent of a root file system's `usr`; nil for a
  /// relocatable one.
  var systemRoot: Path?
  /// The newest glibc that wheels may need: that of the interpreter's system. For a relocatable interpreter, 2.28 or
  /// its own requirement.
  var glibc: GlibcVersion
  /// The facts that `askStaged` returns for a local interpreter.
  var facts: Facts
}

/// A local interpreter, for work that the packed one cannot do here.
struct HostInterpreter: Sendable {
  var executable: Path
  /// Whether it has the requested minor version, so that its byte code is valid.
  var isSameMinor: Bool

  /// Finds an interpreter of the same minor version, or any other.
  ///
  /// - Throws: the message, if there is no interpreter.
  init(for version: PythonVersion, place: SpecPlace) throws(Failure) {
    do throws(Failure) {
      let same = try lookUp(PythonVersion(version.short)!, place)
      executable = same.executable
      isSameMinor = true
      return
    } catch {
      if error.kind == .interrupted { throw error }
    }
    for program in helperPythons() + [Path("/usr/bin/python3")] {
      do throws(Failure) {
        executable = try Interpreter(probing: program).executable
        isSameMinor = false
        return
      } catch {
        if error.kind == .interrupted { throw error }
      }
    }
    throw .failed(
      place,
      "there is no Python on this machine, which packing for another target needs: install Python "
        + "\(version.short) (pyenv install, uv python install, apt-get install python3)")
  }
}

extension Interpreter {
  /// Reads the interpreter's files without executing its code.
  init(reading program: Path, for target: Target, spec: Spec, place: SpecPlace)
    throws(Failure)
  {
    guard let short = minorVersion(of: program) else {
      throw .failed(
        nil,
        "\(program.quoted) does not say by its name which Python it is: name bin/python3.N itself")
    }
    let host = try HostInterpreter(for: short, place: place)
    let root = systemRoot(of: program)
    let result = try runHelper(
      host.executable, Helper.foreign, [program, Path(short.short), root ?? Path()])
    let facts = Facts(result.output)
    guard result.succeeded, let executable = facts["executable"], let prefix = facts["prefix"],
      let version = facts["version"].flatMap({ PythonVersion($0) }), let stdlib = facts["stdlib"],
      let site = facts["site"]
    else {
      throw .failed(
        nil,
        "\(program.quoted) can't be read as a Python interpreter:\n\(lastLines(result.errors, count: 3))"
      )
    }
    try Interpreter.check(program, facts["implementation"], version)
    self.init(
      executable: Path(executable), version: version, prefix: Path(prefix),
      standardLibrary: Path(stdlib), libraryName: String(stdlib.dropFirst(prefix.utf8.count + 1)),
      includes: [], sharedLibrary: facts["library"].map { Path($0) },
      searchDirectories: ["lib", "lib/\(target.multiarch)", "lib64"].map {
        Path(prefix).appending($0)
      }, hasPip: false, target: target, helper: host.executable,
      compiler: Interpreter.compiles(facts, host) ? host.executable : nil,
      foreign: ForeignInterpreter(
        site: site, abiFlags: facts["abiflags"] ?? "", systemRoot: root,
        glibc: facts["glibc"].flatMap { GlibcVersion(parsing: [UInt8]($0.utf8).span) }
          ?? usualGlibc(program),
        facts: facts))
    guard compiler != nil || spec.prune.dropByteCode else {
      throw .failed(
        place,
        "there is no Python \(version.short) on this machine to compile byte code for \(target.name): install it "
          + "(pyenv install, uv python install, apt-get install python\(version.short)), or leave byte code "
          + "out with prune.byte-code = \"drop\", which slows every start")
    }
  }

  /// Whether the host's byte code is valid for the target: the same minor version and, if it can be read, the same
  /// magic number.
  ///
  /// The magic number changes between prereleases of Python.
  private static func compiles(_ facts: Facts, _ host: HostInterpreter) -> Bool {
    guard host.isSameMinor else { return false }
    if let magic = facts["magic"] { return magic == facts["own_magic"] }
    return facts["level"] == nil && facts["own_level"] == nil
  }
}

/// Refuses an interpreter for another target. Accepts scripts, such as a shim of pyenv, on this machine.
func checkArchitecture(_ program: Path, _ target: Target) throws(Failure) {
  let elf: ElfFile?
  do throws(Failure) { elf = try ElfFile.read(program) } catch {
    // Starting it shows more.
    if target == .native { return }
    throw error
  }
  guard let elf else {
    if target == .native { return }
    throw .failed(
      nil,
      "\(program.quoted) is not a program for \(target.processor): name the interpreter itself, such as bin/python3.11"
    )
  }
  guard !elf.runs(on: target), let processor = elf.processorName else { return }
  let fitting = Target.all.first { elf.runs(on: $0) }
  let hint = fitting.map { ", or pack for \($0.name) (--target)" } ?? ""
  throw .failed(
    nil,
    "\(program.quoted) is an interpreter for \(processor), not for \(target.processor): "
      + "give one for \(target.name)\(hint)")
}

/// The version in the interpreter's name, or in the name of a file that it links to, such as 3.11.
///
/// Otherwise it is the version of the only standard library beside it.
private func minorVersion(of program: Path) -> PythonVersion? {
  var path = program
  for _ in 0..<8 {
    if let version = namedVersion(path) { return version }
    guard let target = try? DirectoryHandle.current.symlinkTarget(of: path) else { break }
    path = target.isAbsolute ? target : path.parent.appending(target.bytes)
  }
  var found: [String: PythonVersion] = [:]
  for directory in ["lib", "lib64"] {
    let place = program.parent.parent.appending(directory)
    for name in (try? DirectoryHandle.current.names(in: place)) ?? [] {
      guard exists(place.appending(name).appending("os.py")) else { continue }
      if let version = namedVersion(Path(name)) { found[version.short] = version }
    }
  }
  return found.count == 1 ? found.values.first : nil
}

/// 3.11 for "python3.11", also with the suffix letters of other builds.
private func namedVersion(_ path: Path) -> PythonVersion? {
  let name = String(decoding: path.lastComponent, as: UTF8.self)
  guard name.hasPrefix("python3.") else { return nil }
  return PythonVersion("3." + name.dropFirst("python3.".utf8.count).prefix { $0.isNumber })
}

/// The usual glibc of packages' wheels today (manylinux_2_28), or a newer one if the program itself needs it.
private func usualGlibc(_ program: Path) -> GlibcVersion {
  let usual = GlibcVersion(2, 28)!
  return (try? ElfFile.read(program))?.glibc.map { max($0, usual) } ?? usual
}

/// The root of the system with this interpreter in `usr/bin` or `usr/local/bin`; nil for other places.
private func systemRoot(of program: Path) -> Path? {
  var directory = program.parent.parent
  if let real = try? realPath(directory) { directory = Path(real) }
  if String(decoding: directory.lastComponent, as: UTF8.self) == "local" {
    directory = directory.parent
  }
  return String(decoding: directory.lastComponent, as: UTF8.self) == "usr" ? directory.parent : nil
}
