import AppSpec
import Posix

let initCommand = Command(
  name: "init",
  summary: "write a first spec for a project",
  discussion: """
    Writes onefold.toml, a commented first spec, for the project in a directory.
    A spec that is there is left alone.
    """,
  optionalArgument: ("DIR", "the project; default: the working directory"))

func runInit(_ arguments: Arguments) throws(CommandFailure) {
  let directory = arguments.positional.first ?? Path(".")
  // Messages need no "./".
  let start = directory.elementsEqual(Path(".")) ? Path() : directory
  let path = start.appending("onefold.toml")
  let spec: FirstSpec
  do throws(SpecError) {
    if try FirstSpec.isInProject(directory) {
      throw SpecError(
        .none, "\(start.appending("pyproject.toml").quoted) has a spec, in [tool.onefold]")
    }
    try refuseToReplace(path)
    spec = try FirstSpec(for: directory, interpreter: interpreterVersion())
  } catch { throw .failed(error.description) }
  do throws(SystemError) { try write(spec.text, to: path) } catch {
    throw .failed(error.description.string)
  }
  writeMessage(summary(of: spec, path))
}

private func refuseToReplace(_ path: Path) throws(SpecError) {
  if (try? DirectoryHandle.current.statusIfExists(of: path)) != nil {
    throw SpecError(.none, "\(path.quoted) exists; remove it to begin anew")
  }
}

/// Makes a new file, or none.
private func write(_ text: String, to path: Path) throws(SystemError) {
  let file = try FileDescriptor.open(path, .createNew, mode: 0o666)
  do throws(SystemError) { try file.write([UInt8](text.utf8)) } catch {
    try? DirectoryHandle.current.removeFile(path)
    throw error
  }
}

/// Such as "3.11"; nil where there is no Python.
private func interpreterVersion() -> String? {
  let code = Path("import sys; print('%d.%d' % sys.version_info[:2])")
  let process = Subprocess(Path("python3"), [Path("-I"), Path("-c"), code], timeout: 10)
  guard let result = try? process.run(), result.succeeded else { return nil }
  return String(decoding: result.output.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
}

private func summary(of spec: FirstSpec, _ path: Path) -> String {
  var text = "wrote \(path.quoted)\n"
  if let found = spec.found { text += "  \(escapedText(found.utf8))\n" }
  for line in spec.missing { text += "missing: \(line)\n" }
  for line in spec.advice { text += "hint: \(line)\n" }
  return text
}
