public import AppSpec
import BuildTools
public import Posix
import Processes

/// The facts about a package of an index that are needed to pack it without a spec.
public struct FoundPackage: Sendable {
  /// A program that pip installs beside the interpreter.
  public struct Command: Sendable {
    public var name: String
    /// "package.module:function" of a console script; nil for other programs.
    public var function: String?
  }

  /// The name as the package writes it.
  public var name: String
  /// Nil if the requirement's marker excludes it.
  public var version: String?
  /// A requirement for exactly this version.
  public var pinned: String
  /// Sorted by name.
  public var commands: [Command] = []
}

/// Asks the index for the packages of `dependencies.packages`.
///
/// The installer chooses each version for the spec's interpreter. Dependencies are ignored.
///
/// - Parameters:
///   - scratch: a download directory, which the caller removes.
/// - Returns: one package per requirement, in the same order.
/// - Throws: an error with the package's line if it is unavailable, or a system call's failure.
public func findPackages(_ spec: Spec, scratch: Path) throws(Failure) -> [FoundPackage] {
  guard let python = spec.python else { return [] }
  let interpreter = try findInterpreter(python, of: spec, unpacked: nil)
  let installer = try Installer(spec, interpreter: interpreter)
  let requirements = spec.dependencies.packages.map(\.value)
  let directory = ProcessContext.absolutePath(scratch).appending("packages")
  var arguments = ["install", "--quiet", "--no-deps", "--target", directory.string]
  arguments += installer.kind == .pip ? ["--no-compile", "--progress-bar", "off"] : []
  arguments += installer.cross?.selection(installer.kind) ?? []
  try installer.run(
    arguments + requirements, for: interpreter.executable, in: spec.directory, place: spec.place,
    doing: "looking for \(requirements.map { "'\($0)'" }.joined(separator: ", "))")
  let result = try runHelper(
    interpreter.helper, Helper.package, [directory] + requirements.map { Path($0) })
  guard result.succeeded else {
    throw .failed(spec.place, "cannot read the package:\n\(lastLines(result.errors, count: 1))")
  }
  return FoundPackage.all(Facts(result.output), requirements)
}

extension FoundPackage {
  /// Reads the facts of `package.py`. A "package" line begins each package.
  fileprivate static func all(_ facts: Facts, _ requirements: [String]) -> [FoundPackage] {
    var found: [FoundPackage] = []
    for (fact, value) in facts.lines {
      if fact == "package" {
        found.append(FoundPackage(name: value, version: nil, pinned: requirements[found.count]))
        continue
      }
      let last = found.count - 1
      switch fact {
      case "version": found[last].version = value
      case "pinned": found[last].pinned = value
      case "command": found[last].commands.append(Command(name: value))
      case "function": found[last].commands[found[last].commands.count - 1].function = value
      default: break
      }
    }
    return found
  }
}

/// Chooses the interpreter for an application that requires versions of Python, such as ">=3.12". Returns a version
/// such as "3.12".
///
/// - Parameters:
///   - preferred: the version to take if it is suitable; nil for none. Otherwise the newest suitable one is taken.
/// - Throws: an error with the found versions if no local interpreter is suitable, or `interrupted`.
public func choosePython(_ required: Located<String>?, preferred: String?) throws(Failure)
  -> String
{
  var tried: [PythonVersion] = []
  for group in [preferred.map { [$0] } ?? [], newerFirst] {
    for version in group.compactMap({ PythonVersion($0) }) {
      guard let found = try lookUpIfThere(version), !tried.contains(found.version) else { continue }
      tried.append(found.version)
      if try suits(found, required) { return version.short }
    }
  }
  let found = tried.sorted().map(\.description).joined(separator: ", ")
  let there = tried.isEmpty ? "there is none" : "found \(found)"
  let wanted = required.map { "'\($0.value)'" } ?? "an interpreter"
  throw .failed(
    required?.place,
    "needs Python \(wanted), and no interpreter on this machine suits (\(there)): install one (pyenv install, "
      + "uv python install), or name one with --python")
}

/// All possible versions from 3.8 on, newest first.
private var newerFirst: [String] { (8...29).reversed().map { "3.\($0)" } }

private func lookUpIfThere(_ version: PythonVersion) throws(Failure) -> Interpreter? {
  do throws(Failure) { return try lookUp(version, .none) } catch {
    if error.kind == .interrupted { throw error }
    return nil
  }
}

private func suits(_ interpreter: Interpreter, _ required: Located<String>?) throws(Failure)
  -> Bool
{
  guard let required else { return true }
  let result = try runHelper(
    interpreter.executable, Helper.suits,
    [Path(required.value), Path(interpreter.version.description)])
  guard result.succeeded else {
    throw .failed(
      required.place, "'requires-python': \(lastLines(result.errors, count: 1).drop { $0 == " " })")
  }
  return !Facts(result.output).all("suits").isEmpty
}
