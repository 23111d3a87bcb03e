import AppSpec
import BuildTools
import OutputFiles
import Posix
import Processes
import PythonStaging
import Reporting

let initCommand = Command(
  name: "init",
  summary: "write a first spec for a project",
  discussion: """
    Writes a commented first spec, onefold.toml, for the project in a directory, and
    onefold.schema.json, with which editors complete and check it. If the spec cannot start
    the server by itself, it also writes onefold_start.py. Existing files are kept. It
    translates a spec file of PyInstaller.
    """,
  optionalArgument: Argument("DIR", "the project; default: the working directory", .directory),
  options: [
    Option(
      name: "--no-schema",
      help: "do not write onefold.schema.json, which lets editors complete and check the spec"),
    Option(
      name: "--pyinstaller", value: "FILE", values: .file,
      help: "translate this spec file of PyInstaller; default: the only one in the project"),
  ])

func runInit(_ arguments: Arguments) throws(Failure) {
  let directory = arguments.positional.first ?? Path(".")
  // Messages need no "./".
  let start = directory.elementsEqual(Path(".")) ? Path() : directory
  let path = start.appending("onefold.toml")
  let schema = arguments.has("--no-schema") ? nil : start.appending(schemaName.utf8)
  let spec: FirstSpec
  do throws(SpecError) {
    if try FirstSpec.isInProject(directory) {
      throw SpecError(
        .none, "\(start.appending("pyproject.toml").quoted) has a spec, in [tool.onefold]")
    }
    try refuseToReplace(path)
    let pyinstaller = try pyinstallerSpec(
      arguments.value("--pyinstaller"), in: directory, shown: start)
    spec = try FirstSpec(
      for: directory, interpreter: interpreterVersion(), standardLibrary: standardLibrary(),
      node: nodeProgram(), pyinstaller: pyinstaller)
  } catch { throw .failed(error.description) }
  // A relative path also works offline, and names the schema of the version that wrote both files.
  let heading = schema == nil ? "" : "#:schema ./\(schemaName)\n"
  var written = [path]
  if let schema, (try? DirectoryHandle.current.statusIfExists(of: schema)) == nil {
    try write(specSchema().encoded, to: schema)
    written.append(schema)
  }
  do throws(Failure) {
    if let starter = spec.starter {
      let place = start.appending(starter.name.utf8)
      try write(starter.text, to: place)
      written.append(place)
    }
    try write(heading + spec.text, to: path)
  } catch {
    for file in written.dropFirst() { try? DirectoryHandle.current.removeFile(file) }
    throw error
  }
  writeMessage(summary(of: spec, written))
}

private let schemaName = "onefold.schema.json"

private func refuseToReplace(_ path: Path) throws(SpecError) {
  if (try? DirectoryHandle.current.statusIfExists(of: path)) != nil {
    throw SpecError(.none, "\(path.quoted) exists; remove it to begin anew")
  }
}

/// Reads the named PyInstaller spec file, or the only one of the project; nil if it has none.
private func pyinstallerSpec(_ given: Path?, in directory: Path, shown: Path) throws(SpecError)
  -> PyInstallerSpec?
{
  let names = (try? DirectoryHandle.current.names(in: directory.appending(""))) ?? []
  let specs = names.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasSuffix(".spec") }
  // Spec files of RPM have the same suffix.
  let found = specs.sorted().map { shown.appending($0.utf8) }.filter { (path: Path) in
    let text = try? FileDescriptor.open(path, .read).bytes(at: 0, count: 1 << 20)
    return text?.firstRange(of: Array("Analysis(".utf8)) != nil
  }
  guard given != nil || found.count < 2 else {
    throw SpecError(
      .none,
      "there are several spec files of PyInstaller: \(found.map { $0.quoted.string }.joined(separator: ", ")): "
        + "name one with --pyinstaller")
  }
  guard let file = given ?? found.first else { return nil }
  do throws(Failure) { return try readPyInstallerSpec(file, project: directory) } catch {
    throw SpecError(.none, error.description.string)
  }
}

/// Creates a new file, and never replaces one.
private func write(_ text: String, to path: Path) throws(Failure) {
  let file = try OutputFile(try OutputPlace(path), mode: 0o666)
  try file.write([UInt8](text.utf8))
  try file.publish(replaces: false)
}

/// The version of the local Python, such as "3.11"; nil if there is none.
func interpreterVersion() -> String? {
  firstLine(of: "import sys; print('%d.%d' % sys.version_info[:2])")
}

/// The top-level modules of Python's standard library; empty if there is no Python.
private func standardLibrary() -> Set<String> {
  // Python has no list of them before 3.10.
  let code = [
    "import sys, sysconfig, pkgutil",
    "library = sysconfig.get_path('stdlib')",
    "found = [one.name for one in pkgutil.iter_modules([library, library + '/lib-dynload'])]",
    "print(*getattr(sys, 'stdlib_module_names', [*found, *sys.builtin_module_names]))",
  ].joined(separator: "; ")
  return Set((firstLine(of: code) ?? "").split(separator: " ").map(String.init))
}

/// The first line that Python code prints; nil if there is no Python.
private func firstLine(of code: String) -> String? {
  firstLine(HostProgram.python3.besideOnefold, ["-I", "-c", code])
}

/// The path of the Node.js on the `PATH`; nil if there is none.
private func nodeProgram() -> String? {
  firstLine(HostProgram.node.path, ["-p", "process.execPath"])
}

/// The first line that a program prints; nil if it is missing or fails.
private func firstLine(_ program: Path, _ arguments: [String]) -> String? {
  let process = Subprocess(program, arguments.map { Path($0) }, timeout: 10)
  guard let result = try? process.run(), result.succeeded else { return nil }
  return String(decoding: result.output.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
}

private func summary(of spec: FirstSpec, _ written: [Path]) -> String {
  var text = "wrote \(written.map { "\($0.quoted)" }.joined(separator: " and "))\n"
  if let found = spec.found { text += "  \(escapedText(found.utf8))\n" }
  if let test = spec.test { text += "  tested by \(escapedText(test.utf8))\n" }
  for line in spec.missing { text += "missing: \(line)\n" }
  for line in spec.advice { text += hint(line) }
  return text
}
