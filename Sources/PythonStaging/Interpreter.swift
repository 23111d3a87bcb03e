import AppSpec
import BuildTools
import ContentHash
import PayloadFormat
import Posix
import Processes

/// A version of Python: "3.11.7".
struct PythonVersion: Comparable, Sendable {
  var major: Int
  var minor: Int
  var patch: Int?

  /// "3.11" or "3.11.7".
  init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard (2...3).contains(parts.count), !parts.contains(nil) else { return nil }
    major = parts[0]!
    minor = parts[1]!
    patch = parts.count > 2 ? parts[2]! : nil
  }

  /// "3.11", as in the names of directories.
  var short: String { "\(major).\(minor)" }
  var description: String { patch.map { "\(short).\($0)" } ?? short }

  /// Whether an interpreter of `version` satisfies a spec that asks for this one.
  func accepts(_ version: PythonVersion) -> Bool {
    major == version.major && minor == version.minor && (patch == nil || patch == version.patch)
  }

  static func < (left: PythonVersion, right: PythonVersion) -> Bool {
    (left.major, left.minor, left.patch ?? 0) < (right.major, right.minor, right.patch ?? 0)
  }
}

/// A packed interpreter, described by its own probe or, for another target, by its files.
struct Interpreter: Sendable {
  /// The program, with symlinks resolved.
  let executable: Path
  let version: PythonVersion
  let prefix: Path
  /// The directory of the standard library.
  let standardLibrary: Path
  /// The standard library's path from the prefix: "lib/python3.11".
  let libraryName: String
  /// The directories of C headers.
  let includes: [Path]
  /// libpython, if it is a shared library.
  let sharedLibrary: Path?
  /// Directories that can hold the libraries it needs.
  let searchDirectories: [Path]
  let hasPip: Bool
  let target: Target
  /// The program that runs helper programs: this interpreter or, if it is for another target, a local one.
  let helper: Path
  /// The interpreter that compiles byte code for it; nil if none on this machine can.
  let compiler: Path?
  /// Nil if it runs on this machine.
  let foreign: ForeignInterpreter?

  /// Asks the interpreter. Returns nil if the program cannot be one.
  ///
  /// - Throws: an error if the program cannot be started or its output is unusable. `why` is the message.
  init(probing program: Path) throws(Failure) {
    let result = try runHelper(program, Helper.probe)
    let facts = Facts(result.output)
    guard result.succeeded, let executable = facts["executable"], let prefix = facts["prefix"],
      let version = facts["version"].flatMap({ PythonVersion($0) }), let stdlib = facts["stdlib"]
    else {
      throw .failed(
        nil,
        "\(program.quoted) does not start as a Python interpreter:\n\(lastLines(result.errors))")
    }
    try Interpreter.check(program, facts["implementation"], version)
    let inside = stdlib.hasPrefix(prefix + "/") ? stdlib.dropFirst(prefix.utf8.count + 1) : ""
    let libraryName =
      inside.isEmpty ? "\(facts["platlibdir"] ?? "lib")/python\(version.short)" : String(inside)
    var includes: [Path] = []
    for name in ["include", "platinclude"] {
      if let place = facts[name], !includes.contains(where: { $0.string == place }) {
        includes.append(Path(place))
      }
    }
    let sharedLibrary = facts["library"].map { Path($0) }
    self.init(
      executable: Path(executable), version: version, prefix: Path(prefix),
      standardLibrary: Path(stdlib), libraryName: libraryName, includes: includes,
      sharedLibrary: sharedLibrary,
      searchDirectories: [Path(prefix).appending("lib")]
        + (facts["libdir"].map { [Path($0)] } ?? []) + (sharedLibrary.map { [$0.parent] } ?? []),
      hasPip: facts["pip"] != nil, target: .native, helper: Path(executable),
      compiler: Path(executable), foreign: nil)
  }

  init(
    executable: Path, version: PythonVersion, prefix: Path, standardLibrary: Path,
    libraryName: String, includes: [Path], sharedLibrary: Path?, searchDirectories: [Path],
    hasPip: Bool, target: Target, helper: Path, compiler: Path?, foreign: ForeignInterpreter?
  ) {
    self.executable = executable
    self.version = version
    self.prefix = prefix
    self.standardLibrary = standardLibrary
    self.libraryName = libraryName
    self.includes = includes
    self.sharedLibrary = sharedLibrary
    self.searchDirectories = searchDirectories
    self.hasPip = hasPip
    self.target = target
    self.helper = helper
    self.compiler = compiler
    self.foreign = foreign
  }

  /// Refuses an interpreter that cannot be packed.
  static func check(_ program: Path, _ implementation: String?, _ version: PythonVersion)
    throws(Failure)
  {
    guard implementation == "cpython" else {
      throw .failed(
        nil,
        "\(program.quoted) is \(implementation ?? "unknown"): only CPython can be packed")
    }
    guard version >= PythonVersion("3.8")! else {
      throw .failed(
        nil,
        "\(program.quoted) is Python \(version.description): 3.8 is the oldest that can be packed")
    }
  }

  /// Distinguishes this interpreter from others and from itself after an update.
  ///
  /// The digest covers the paths, sizes and times of all copied files.
  func identity() throws(Failure) -> Digest {
    var text = "\(version.description) \(executable.string) \(prefix.string) \(libraryName)\n"
    let entries = try listTree(standardLibrary) { path in
      let name = String(decoding: path.lastComponent, as: UTF8.self)
      return !Self.isLeftOut(name)
    }
    let programs = [executable] + (sharedLibrary.map { [$0] } ?? [])
    for program in programs {
      let status = try DirectoryHandle.current.status(of: program, follow: true)
      text += "\(status.size) \(status.modified.seconds) \(status.modified.nanoseconds)\n"
    }
    for entry in entries where entry.status.kind != .directory {
      text += "\(entry.path.string) \(entry.status.size) \(entry.status.modified.seconds)\n"
    }
    return SHA256Hasher.digest(of: [UInt8](text.utf8).span)
  }

  /// Whether a name in a standard library's directory is not part of it: installed packages, byte code, and the note
  /// that blocks installers.
  static func isLeftOut(_ name: String) -> Bool {
    switch name {
    case "__pycache__", "site-packages", "dist-packages", "EXTERNALLY-MANAGED",
      "sitecustomize.py", "usercustomize.py":
      true
    default: false
    }
  }
}

// MARK: Finding

/// Finds the interpreter that a spec names, by `prefix` or by `version`.
///
/// An archive must already be unpacked to `unpacked`.
func findInterpreter(_ python: Spec.Python, of spec: Spec, unpacked: Path?)
  throws(Failure) -> Interpreter
{
  let wanted = python.version.flatMap { PythonVersion($0.value) }
  let interpreter: Interpreter
  if let place = unpacked ?? python.prefix.map({ spec.resolve($0.value) }) {
    let origin =
      (unpacked == nil ? python.prefix : python.archive)?.place ?? python.archiveURL?.place
      ?? python.place
    interpreter = try located(origin) { () throws(Failure) in
      let program = try findProgram(below: place, version: wanted)
      try checkArchitecture(program, spec.target)
      if spec.target == .native { return try Interpreter(probing: program) }
      return try Interpreter(reading: program, for: spec.target, spec: spec, place: origin)
    }
    if let version = python.version, let wanted, !wanted.accepts(interpreter.version) {
      throw .failed(
        version.place,
        "the spec asks for Python \(wanted.description), but \(interpreter.executable.quoted) is "
          + "\(interpreter.version.description): change one of them")
    }
  } else {
    guard let version = python.version, let wanted else {
      throw .failed(python.place, "no interpreter: give python.version, prefix or archive")
    }
    guard spec.target == .native else {
      throw .failed(
        version.place,
        "an interpreter for \(spec.target.name) can't be looked up on this machine: give its prefix or archive, "
          + "in [python] or in [python.\(spec.target.name)]")
    }
    interpreter = try lookUp(wanted, version.place)
  }
  return interpreter
}

/// Adds the spec's line to an error that has none.
func located<Result>(_ place: SpecPlace, _ body: () throws(Failure) -> Result)
  throws(Failure) -> Result
{
  do throws(Failure) { return try body() } catch {
    let hasPlace = error.kind == .refused && error.subject != nil
    if hasPlace || error.kind == .interrupted { throw error }
    throw .failed(place, error.description.string)
  }
}

/// The interpreter at `place`, or installed below it.
private func findProgram(below place: Path, version: PythonVersion?) throws(Failure) -> Path {
  guard exists(place) else { throw .failed(nil, "\(place.quoted) does not exist") }
  guard isDirectory(place) else { return place }
  var names = ["bin/python3", "bin/python", "python/bin/python3", "install/bin/python3"]
  if let version { names.insert("bin/python\(version.short)", at: 0) }
  for name in names where exists(place.appending(name)) {
    return place.appending(name)
  }
  throw .failed(nil, "there is no interpreter in \(place.quoted): bin/python3 is missing")
}

/// Searches the directories of pyenv and uv, then the `PATH`, the usual places, and the environment that has `onefold`.
///
/// If one place has several, the newest patch release is taken. See docs/packing.md, "The interpreter".
func lookUp(_ wanted: PythonVersion, _ place: SpecPlace) throws(Failure) -> Interpreter {
  var found: [String] = []
  var failures: [String] = []
  for group in candidates(wanted) {
    var best: Interpreter? = nil
    for path in group where exists(path) {
      do throws(Failure) {
        let interpreter = try Interpreter(probing: path)
        guard wanted.accepts(interpreter.version) else {
          found.append("\(interpreter.version.description) (\(path.string))")
          continue
        }
        if best.map({ $0.version < interpreter.version }) ?? true { best = interpreter }
      } catch {
        if error.kind == .interrupted { throw error }
        failures.append(error.description.string)
      }
    }
    if let best { return best }
  }
  var message = "there is no Python \(wanted.description) on this machine"
  if !found.isEmpty { message += " (found \(found.joined(separator: ", ")))" }
  message +=
    ": install it (pyenv install, uv python install, apt-get install python\(wanted.short)), "
    + "or name one with python.prefix or python.archive"
  if !failures.isEmpty { message += "\n" + failures.joined(separator: "\n") }
  throw .failed(place, message)
}

private func candidates(_ wanted: PythonVersion) -> [[Path]] {
  var groups: [[Path]] = []
  let home = ProcessContext.environment("HOME")
  func add(_ root: Path?, matching test: (String) -> Bool) {
    guard let root, let names = try? DirectoryHandle.current.names(in: root) else { return }
    let matching = names.map { String(decoding: $0, as: UTF8.self) }.filter(test).sorted()
    groups.append(matching.map { root.appending($0).appending("bin/python\(wanted.short)") })
  }
  let pyenv = ProcessContext.environment("PYENV_ROOT") ?? home?.appending(".pyenv")
  add(pyenv?.appending("versions")) {
    $0 == wanted.short || $0.hasPrefix(wanted.short + ".")
  }
  let data = ProcessContext.environment("XDG_DATA_HOME") ?? home?.appending(".local/share")
  add(ProcessContext.environment("UV_PYTHON_INSTALL_DIR") ?? data?.appending("uv/python")) {
    $0.hasPrefix("cpython-\(wanted.short)")
  }
  let path = ProcessContext.environment("PATH").map { $0.string } ?? ""
  for directory in path.split(separator: ":").map(String.init) + ["/usr/local/bin", "/usr/bin"] {
    // A shim of pyenv starts the interpreter of pyenv's settings, whatever its own name.
    guard !directory.hasSuffix("/shims") else { continue }
    groups.append([Path(directory).appending("python\(wanted.short)")])
  }
  // The interpreter of pipx or `uv tool` that runs `onefold` may be in no other place.
  groups.append([findBesideOnefold("python\(wanted.short)")].filter(\.isAbsolute))
  return groups
}
