public import AppSpec
import BuildTools
public import Posix
import Processes

/// Reads a PyInstaller `.spec` file with a helper program that does not run it.
///
/// - Parameter project: the directory that paths start from.
/// - Throws: an error with file and line if the spec cannot be read, is not valid Python, or makes no program.
public func readPyInstallerSpec(_ file: Path, project: Path) throws(Failure) -> PyInstallerSpec {
  for python in helperPythons() {
    let found = try ifInstalled { () throws(Failure) in
      try runHelper(python, Helper.pyinstallerSpec, [file, project])
    }
    guard let found else { continue }
    guard found.succeeded else {
      throw .failed(nil, String(lastLines(found.errors, count: 1).drop { $0 == " " }))
    }
    return PyInstallerSpec(
      Facts(found.output), file: String(decoding: file.lastComponent, as: UTF8.self))
  }
  throw .failed(
    nil,
    "\(file.quoted) is read by python3, and there is none beside onefold or on the PATH: install it (apt-get install "
      + "python3)")
}

extension PyInstallerSpec {
  /// Reads the facts of `pyinstaller_spec.py`.
  fileprivate init(_ facts: Facts, file: String) {
    self.init(file: file)
    name = facts["name"] ?? ""
    script = facts["script"]
    excludes = facts.all("exclude")
    options = facts.all("option")
    hooks = facts.all("hook")
    missing = facts.all("missing")
    for path in facts.all("path") where !paths.contains(path) { paths.append(path) }
    for value in facts.all("data") {
      let parts = value.split(separator: "\t", maxSplits: 1).map(String.init)
      data.append((source: parts[1], target: parts[0]))
    }
    for value in facts.all("note") {
      let table = value.prefix { $0 != " " }
      notes.append((table: String(table), text: String(value.dropFirst(table.count + 1))))
    }
  }
}
