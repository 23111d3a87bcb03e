import AppSpec
import BuildTools
import Posix
import Processes

/// The places of things in a staged tree.
struct Layout: Sendable {
  var root: Path
  var version: PythonVersion
  /// From the root: "lib/python3.11".
  var standardLibrary: String
  /// The interpreter that the tree's was copied from or, for another target, a local one.
  ///
  /// It runs helper programs, because the spec can remove parts of the tree's standard library.
  var source: Path
  /// The interpreter that compiles byte code for the tree; nil if none does.
  var compiler: Path?
  var target = Target.native
  /// The directory of distributions and data files, from the root: "lib/python3.11/site-packages".
  var site: String = ""

  /// From the root: "bin/python3.11".
  var program: String { "bin/python\(version.short)" }

  var programPath: Path { root.appending(program) }
  var sitePath: Path { root.appending(site) }
  var standardLibraryPath: Path { root.appending(standardLibrary) }
}

extension Layout {
  init(root: Path, _ interpreter: Interpreter) {
    self.root = root
    version = interpreter.version
    standardLibrary = interpreter.libraryName
    source = interpreter.helper
    compiler = interpreter.compiler
    target = interpreter.target
  }
}

/// Copies an interpreter to an empty directory: program, libpython, standard library, and the headers for building
/// extensions.
///
/// Packages that others installed into it are left out.
func stageInterpreter(_ interpreter: Interpreter, to root: Path) throws(Failure) -> Layout {
  let layout = Layout(root: root, interpreter)
  try createDirectories(root.appending("bin"))
  try createDirectories(root.appending("lib"))
  try copyFile(interpreter.executable, to: layout.programPath)
  let name = Path("python\(interpreter.version.short)")
  try DirectoryHandle.current.createSymlink(root.appending("bin/python3"), to: name)
  try DirectoryHandle.current.createSymlink(root.appending("bin/python"), to: name)
  if let library = interpreter.sharedLibrary {
    let target = root.appending("lib").appending(library.lastComponent)
    try copyFile(library, to: target)
    try setMode(target, 0o755)
  }
  try copyTree(interpreter.standardLibrary, to: layout.standardLibraryPath, follow: true) { path in
    !Interpreter.isLeftOut(String(decoding: path.lastComponent, as: UTF8.self))
  }
  for directory in interpreter.includes where isDirectory(directory) {
    let target = root.appending("include").appending(directory.lastComponent)
    try copyTree(directory, to: target, follow: true)
  }
  return layout
}

func setMode(_ path: Path, _ mode: UInt32) throws(Failure) {
  try DirectoryHandle.current.setMode(of: path, mode)
}

/// Asks a staged interpreter for its own place and that of distributions. It must work without the one that it was
/// copied from.
///
/// An interpreter for another target cannot be asked: `foreign` has the facts from its files.
func askStaged(_ layout: inout Layout, _ foreign: ForeignInterpreter?) throws(Failure) -> Facts {
  if let foreign {
    layout.site = foreign.site
    try createDirectories(layout.sitePath)
    return foreign.facts
  }
  let result = try runHelper(layout.programPath, Helper.staged)
  let facts = Facts(result.output)
  guard result.succeeded, let site = facts["site"] else {
    throw .failed(
      nil,
      "the staged interpreter does not start (Python \(layout.version.description)):\n"
        + lastLines(result.errors))
  }
  let root = try realPath(layout.root)
  guard site.hasPrefix(root + "/") else {
    throw .failed(nil, "the staged interpreter has no site-packages of its own: it says '\(site)'")
  }
  layout.site = String(site.dropFirst(root.utf8.count + 1))
  try createDirectories(layout.sitePath)
  return facts
}

/// The path without symlinks. It must exist.
func realPath(_ path: Path) throws(Failure) -> String {
  let directory = try FileDescriptor.open(path, .directoryFollow)
  var link = Path("/proc/self/fd/")
  link.append(contentsOf: Array("\(directory.rawValue)".utf8))
  return try DirectoryHandle.current.symlinkTarget(of: link).string
}
