import AppSpec
import BinaryRelocation
import BuildTools
import PayloadFormat
import Posix
import Processes

/// How an installer on this machine installs for an interpreter that this machine cannot start.
///
/// It installs into a separate directory, and the distributions are then moved into the tree.
struct CrossInstallation: Sendable {
  var target: Target
  var version: PythonVersion
  /// As in wheel tags: "cp311".
  var abi: String
  /// The newest glibc that wheels may need.
  var glibc: GlibcVersion

  /// Nil for an interpreter that runs on this machine. `most` limits the glibc (`python.max-glibc`).
  init?(_ interpreter: Interpreter, most: GlibcVersion?) {
    guard let foreign = interpreter.foreign else { return nil }
    target = interpreter.target
    version = interpreter.version
    abi = "cp\(version.major)\(version.minor)\(foreign.abiFlags)"
    glibc = most.map { min($0, foreign.glibc) } ?? foreign.glibc
  }

  /// The required platform of wheels, for messages.
  var description: String {
    "\(target.processor), Python \(version.short) and glibc \(glibc.description) or older"
  }

  /// Python code that sets the environment markers to the target's.
  var markers: String {
    filledTemplate(
      Helper.markers,
      [
        "@MACHINE@": pythonText(target.processor), "@VERSION@": pythonText(version.description),
      ])
  }

  /// pip as a program for `python -c`.
  ///
  /// pip evaluates markers for the interpreter that runs it and ignores its options for the platform and version. Hence
  /// `markers`.
  var pip: String {
    markers + "\nimport runpy\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
  }

  /// Options that select wheels.
  func selection(_ installer: Installer.Kind) -> [String] {
    switch installer {
    case .pip:
      ["--implementation", "cp", "--python-version", version.description, "--abi", abi]
        + platforms.flatMap { ["--platform", $0] }
    case .uv: ["--python-platform", uvPlatform, "--python-version", version.description]
    }
  }

  /// The platform tags of wheels that run with this glibc, best first (PEP 600).
  private var platforms: [String] {
    // Wheels support glibc 2.5 or newer: manylinux1.
    let levels = stride(from: glibc.minor, through: 5, by: -1).map {
      "manylinux_2_\($0)_\(target.processor)"
    }
    return levels + ["manylinux2014_\(target.processor)", "linux_\(target.processor)"]
  }

  /// uv's name for the newest suitable glibc.
  private var uvPlatform: String {
    let levels = [17, 28] + Array(31...40)
    let level = levels.last { $0 <= glibc.minor } ?? 17
    return "\(target.processor)-manylinux_2_\(level)"
  }

  /// Refuses a wheel whose name is for another target.
  func check(wheel path: Path, _ place: SpecPlace) throws(Failure) {
    let name = String(decoding: path.lastComponent, as: UTF8.self)
    let tag = name.dropLast(".whl".utf8.count).split(separator: "-").last ?? ""
    let suits = tag.split(separator: ".").contains {
      $0 == "any" || ($0.contains("linux") && $0.hasSuffix("_\(target.processor)"))
    }
    guard !suits else { return }
    throw .failed(
      place, "the wheel '\(name)' is for \(tag): one for \(target.processor) is needed")
  }

  /// Moves the distributions installed in `directory` into the tree, and removes the directory.
  func merge(_ directory: Path, into layout: Layout) throws(Failure) {
    let result = try runHelper(
      layout.source, Helper.merge,
      [directory, layout.root].map { ProcessContext.absolutePath($0) }
        + [Path(layout.site), Path(layout.program)])
    guard result.succeeded else {
      throw .failed(
        nil, "cannot move what was installed into the tree:\n\(lastLines(result.errors))")
    }
  }

  /// The unmet requirements of the tree's distributions.
  func problems(in layout: Layout) throws(Failure) -> [RequirementProblem] {
    let result = try runHelper(
      layout.source, Helper.missing,
      [layout.sitePath, Path(version.description), Path(target.processor)])
    guard result.succeeded else {
      throw .failed(nil, "checking the requirements failed:\n\(lastLines(result.errors))")
    }
    return Facts(result.output).lines.map {
      RequirementProblem(kind: $0.name == "conflict" ? .conflict : .missing, text: $0.value)
    }
  }
}

extension Installation {
  /// Installs into the staged interpreter. For another target, installs into a separate directory and moves the result.
  func install(
    _ arguments: [String], _ place: SpecPlace, _ doing: String, variables: [String] = []
  ) throws(Failure) {
    let variables = variables + (arguments.contains("--no-deps") ? [] : constraintVariables)
    guard let cross = installer.cross else {
      return try run(install + arguments, place, doing, variables: variables)
    }
    let directory = scratch.appending("installed")
    try createDirectories(directory)
    let path = ProcessContext.absolutePath(directory).string
    var options = [installer.kind == .pip ? "--target" : "--prefix", path]
    options += cross.selection(installer.kind)
    if installer.kind == .pip && !arguments.contains("--no-deps") {
      options += ["--only-binary", ":all:"]
    }
    try run(install + options + arguments, place, doing, variables: variables)
    try cross.merge(directory, into: layout)
  }
}

extension GlibcVersion {
  /// "2.36".
  var description: String { String(decoding: text, as: UTF8.self) }
}
