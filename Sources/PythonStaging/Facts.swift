import BuildTools
import Posix
import Processes

/// The output of a helper program in `Python/`: lines "NAME VALUE".
struct Facts {
  private(set) var lines: [(name: String, value: String)] = []

  init(_ output: [UInt8]) {
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let space = line.firstIndex(of: UInt8(ascii: " ")) ?? line.endIndex
      let value = line[space...].dropFirst()
      lines.append(
        (String(decoding: line[..<space], as: UTF8.self), String(decoding: value, as: UTF8.self)))
    }
  }

  /// The value of the first line with that name; nil if there is none or it is empty.
  subscript(_ name: String) -> String? {
    lines.first { $0.name == name && !$0.value.isEmpty }?.value
  }

  func all(_ name: String) -> [String] { lines.filter { $0.name == name }.map(\.value) }
}

/// The texts of the helper programs in `Python/`.
enum Helper {
  static let probe = text(PackageResources.probe_py)
  static let staged = text(PackageResources.staged_py)
  static let compile = text(PackageResources.compile_py)
  static let requirements = program(
    PackageResources.requirements_py,
    modules: [
      evaluation, ("requirement_lines", PackageResources.requirement_lines_py),
      ("projects", PackageResources.projects_py), ("locks", PackageResources.locks_py),
    ])
  static let localWheel = program(PackageResources.local_wheel_py, modules: [records])
  static let download = text(PackageResources.download_py)
  static let distributions = program(PackageResources.distributions_py, modules: [evaluation])
  static let imports = text(PackageResources.imports_py)
  static let importGroups = text(PackageResources.import_groups_py)
  static let launched = text(PackageResources.launched_py)
  static let watch = text(PackageResources.watch_py)
  static let findModule = text(PackageResources.find_module_py)
  static let request = text(PackageResources.request_py)
  static let runtime = text(PackageResources.runtime_py)
  static let restart = text(PackageResources.restart_py)
  static let ownSources = text(PackageResources.own_sources_py)
  static let mainFunction = text(PackageResources.main_function_py)
  static let mainScript = text(PackageResources.main_script_py)
  static let foreign = text(PackageResources.foreign_py)
  static let markers = text(PackageResources.markers_py)
  static let merge = program(PackageResources.merge_py, modules: [records])
  static let missing = program(PackageResources.missing_py, modules: [evaluation])
  static let pyinstallerSpec = text(PackageResources.pyinstaller_spec_py)
  static let package = program(PackageResources.package_py, modules: [evaluation, records])
  static let suits = program(PackageResources.suits_py, modules: [evaluation])
  static let policy = program(PackageResources.policy_py, modules: [evaluation])
  static let findFile = text(PackageResources.find_file_py)
  static let targetSmoke = text(PackageResources.target_smoke_py)

  private static let evaluation = (name: "evaluation", text: PackageResources.evaluation_py)
  private static let records = (name: "records", text: PackageResources.records_py)

  /// All texts that affect the staged tree; part of a layer's key.
  static var all: [String] {
    [
      probe, staged, compile, requirements, localWheel, distributions, runtime, mainFunction,
      mainScript,
      foreign, markers, merge,
    ]
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// A helper program with its own modules. Each module is defined before those that import it.
  private static func program(_ main: [UInt8], modules: [(name: String, text: [UInt8])]) -> String {
    let added = modules.map { "_add(\(pythonText($0.name)), \(pythonText(text($0.text))))\n" }
    return """
      from sys import modules
      from types import ModuleType
      def _add(name, text):
          module = modules[name] = ModuleType(name)
          exec(compile(text, name + ".py", "exec"), module.__dict__)

      """ + added.joined() + text(main)
  }
}

/// A helper program's text, with values for "@NAME@".
func filledTemplate(_ text: String, _ values: [String: String]) -> String {
  var result = ""
  for part in text.split(separator: "@", omittingEmptySubsequences: false).enumerated() {
    if part.offset.isMultiple(of: 2) {
      result += part.element
    } else {
      result += values["@\(part.element)@"] ?? "@\(part.element)@"
    }
  }
  return result
}

/// A Python string literal.
func pythonText(_ text: String) -> String {
  var result = "'"
  for scalar in text.unicodeScalars {
    switch scalar {
    case "'", "\\": result += "\\" + String(scalar)
    case "\u{0}"..<" ": result += "\\x" + hexText([UInt8(scalar.value)]).string
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "'"
}

/// A Python list of literals.
func pythonList(_ items: [String]) -> String { "[\(items.joined(separator: ", "))]" }

/// Runs a helper program with an interpreter.
func runHelper(_ interpreter: Path, _ source: String, _ arguments: [Path] = []) throws(Failure)
  -> Subprocess.Result
{
  try runProgram(
    interpreter, [Path("-I"), Path("-B"), Path("-c"), Path(source)] + arguments)
}

/// The interpreters that can run a helper program on this machine, in order of preference.
func helperPythons() -> [Path] {
  [HostProgram.python3.besideOnefold, HostProgram.python3.path, Path("python")]
}
