import AppSpec
import BinaryRelocation
import BuildTools
import Posix

/// Copies the parts of tkinter from an interpreter: its modules, and the scripts of Tcl and Tk.
struct Tkinter {
  var interpreter: Interpreter
  var layout: Layout

  /// Adds tkinter to a tree that lacks it. Returns whether the interpreter has it.
  func add() throws(Failure) -> Bool {
    let package = interpreter.standardLibrary.appending("tkinter")
    guard isDirectory(package) else { return false }
    for name in ["tkinter", "turtle.py"] { try copy(name) }
    for name in try names(in: interpreter.standardLibrary.appending("lib-dynload"))
    where name.hasPrefix("_tkinter.") {
      try copy("lib-dynload/" + name)
    }
    try addScripts()
    return true
  }

  private func copy(_ name: String) throws(Failure) {
    let source = interpreter.standardLibrary.appending(name)
    let target = layout.standardLibraryPath.appending(name)
    guard exists(source), !exists(target) else { return }
    try createDirectories(target.parent)
    if isDirectory(source) {
      try copyTree(source, to: target, follow: true) { path in
        !Interpreter.isLeftOut(String(decoding: path.lastComponent, as: UTF8.self))
      }
    } else {
      try copyFile(source, to: target)
    }
  }

  /// Copies the scripts of Tcl and Tk, if they are files, into `lib`. Both look for them there, relative to the
  /// interpreter.
  func addScripts() throws(Failure) {
    let version = try tclVersion()
    for directory in scriptDirectories where isDirectory(directory) {
      let found = try names(in: directory).filter { name in
        let number = name.dropFirst(3)
        return name.hasPrefix("tcl") && number.contains(".")
          && number.allSatisfy { $0.isNumber || $0 == "." } && (version ?? String(number)) == number
          && exists(directory.appending(name).appending("init.tcl"))
      }
      guard let tcl = found.max() else { continue }
      let number = tcl.dropFirst(3)
      let modules = "tcl\(number.prefix { $0 != "." })"
      for name in [tcl, "tk\(number)", modules] {
        try copyScripts(directory.appending(name), to: name)
      }
      // Debian keeps the Tcl modules in another directory. Its library has the absolute path.
      try copyScripts(directory.appending(tcl).appending(modules), to: "\(modules)/\(number)")
      return
    }
  }

  private func copyScripts(_ source: Path, to name: String) throws(Failure) {
    let target = layout.root.appending("lib").appending(name)
    guard isDirectory(source), !exists(target) else { return }
    try createDirectories(target.parent)
    try copyTree(source, to: target, follow: true)
  }

  /// The version of the library that `_tkinter` needs: "8.6"; nil if `_tkinter` contains Tcl itself.
  private func tclVersion() throws(Failure) -> String? {
    let directory = interpreter.standardLibrary.appending("lib-dynload")
    for name in try names(in: directory) where name.hasPrefix("_tkinter.") {
      let elf: ElfFile?
      do throws(Failure) { elf = try ElfFile.read(directory.appending(name)) } catch { continue }
      for needed in elf?.needed ?? [] where needed.hasPrefix("libtcl") {
        let number = needed.dropFirst("libtcl".utf8.count).prefix { $0.isNumber || $0 == "." }
        return number.hasSuffix(".") ? String(number.dropLast()) : String(number)
      }
    }
    return nil
  }

  /// The possible directories of the scripts: beside the interpreter, and in the places of Linux distributions.
  private var scriptDirectories: [Path] {
    var directories = [interpreter.prefix.appending("lib")]
    let root = interpreter.target == .native ? Path("/") : interpreter.foreign?.systemRoot
    if let root {
      directories += [
        "usr/share/tcltk", "usr/share", "usr/lib/\(interpreter.target.multiarch)", "usr/lib64",
        "usr/lib", "usr/local/lib",
      ].map { root.appending($0) }
    }
    return directories
  }

  private func names(in directory: Path) throws(Failure) -> [String] {
    guard isDirectory(directory) else { return [] }
    return try DirectoryHandle.current.names(in: directory).map {
      String(decoding: $0, as: UTF8.self)
    }.sorted()
  }
}
