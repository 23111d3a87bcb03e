import AppSpec
import BuildTools
import Posix

/// Facts from the sources in a tree's site-packages that decide what else the tree must hold.
///
/// Sources are searched as text, so a match in a comment counts as well: an unneeded file does no harm.
struct PackedSources {
  /// The first source that uses the interpreter's C headers; nil if none does.
  private(set) var compiles: String?
  /// Modules that cannot be imported without tkinter, such as "PIL.ImageTk".
  private(set) var tkinterModules: [String] = []

  /// Reads all sources except tests and those in `passing`, which are paths from the root.
  init(_ layout: Layout, passing: Set<String>, workers: Int) throws(Failure) {
    let site = layout.site
    let sources = try listTree(layout.sitePath).filter { entry in
      entry.status.kind == .file && entry.path.bytes.hasSuffix(".py")
        && !passing.contains("\(site)/\(entry.path.string)") && !Self.isTest(entry.path.string)
    }
    let found = ParallelResults<(compiles: Bool, windows: Bool)>(count: sources.count)
    let root = layout.sitePath
    try forEach(sources.count, workers) { index throws(Failure) in
      let source = try readFile(root.appending(sources[index].path.bytes))
      found[index] = (asksForHeaders(source), needsTkinter(source))
    }
    for index in sources.indices {
      let path = sources[index].path.string
      if found[index]?.compiles == true, compiles == nil { compiles = "\(site)/\(path)" }
      if found[index]?.windows == true { tkinterModules.append(moduleName(path)) }
    }
  }

  private static func isTest(_ path: String) -> Bool {
    path.split(separator: "/").dropLast().contains { $0 == "test" || $0 == "tests" }
  }

  /// Whether an import in the source names a module that needs tkinter, or turtle.
  func windows(_ source: [UInt8]) -> Bool {
    if importsTkinter(source) || matplotlibBackends.contains(where: { contains(source, $0) }) {
      return true
    }
    return tkinterModules.contains { module in
      let parts = module.split(separator: ".").map(String.init)
      guard parts.count > 1, let last = parts.last else {
        return contains(source, "import \(module)") || contains(source, "from \(module)")
      }
      return contains(source, module)
        || (contains(source, "from \(parts.dropLast().joined(separator: ".")) import")
          && contains(source, last))
    }
  }

  /// Whether a module, a package or one of its submodules needs tkinter by itself.
  func windows(module: String) -> Bool {
    module == "tkinter" || module == "turtle" || module.hasPrefix("tkinter.")
      || tkinterModules.contains { $0 == module || module.hasPrefix($0 + ".") }
  }
}

/// The names that select matplotlib's Tk windows.
private let matplotlibBackends = ["TkAgg", "tkagg", "TkCairo", "tkcairo"]

/// "PIL.ImageTk" for "PIL/ImageTk.py", "customtkinter" for "customtkinter/__init__.py".
private func moduleName(_ path: String) -> String {
  var parts = path.dropLast(".py".utf8.count).split(separator: "/")
  if parts.last == "__init__" { parts.removeLast() }
  return parts.joined(separator: ".")
}

/// Whether the source imports tkinter anywhere, or turtle, which needs it.
func importsTkinter(_ source: [UInt8]) -> Bool {
  ["tkinter", "_tkinter", "turtle"].contains {
    contains(source, "import \($0)") || contains(source, "from \($0)")
  }
}

/// Whether the source imports tkinter at the top level and unconditionally.
private func needsTkinter(_ source: [UInt8]) -> Bool {
  guard contains(source, "tkinter") || contains(source, "turtle") else { return false }
  return ["tkinter", "_tkinter", "turtle"].contains { name in
    ["import \(name)", "from \(name)"].contains { text in
      contains(source, "\n" + text) || source.starts(with: text.utf8)
    }
  }
}

/// Whether the source compiles C code for the interpreter, or gives a compiler the directory of headers.
private func asksForHeaders(_ source: [UInt8]) -> Bool {
  if ["Python.h", "get_python_inc", "INCLUDEPY"].contains(where: { contains(source, $0) }) {
    return true
  }
  return contains(source, "sysconfig") && contains(source, "get_path")
    && ["'include'", "\"include\"", "platinclude"].contains { contains(source, $0) }
}
