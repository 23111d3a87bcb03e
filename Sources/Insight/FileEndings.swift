/// What the name of a file says of its content.
public enum FileEndings {
  private static let kinds: [String: Surprise.Kind] = {
    var kinds: [String: Surprise.Kind] = [:]
    for ending in [
      "c", "cc", "cpp", "cxx", "cu", "cuh", "h", "hh", "hpp", "hxx", "inl", "f", "f90", "pxd",
      "pyx", "pxi",
    ] { kinds[ending] = .sources }
    for ending in ["a", "la", "lib", "o", "obj"] { kinds[ending] = .staticLibraries }
    for ending in ["po", "mo", "pot", "qm"] { kinds[ending] = .translations }
    kinds["map"] = .sourceMaps
    return kinds
  }()

  private static let code: Set<String> = [
    "py", "pyi", "pyc", "js", "mjs", "cjs", "ts", "css", "html", "htm", "rb", "pl", "lua", "sh",
    "json", "wasm",
  ]

  /// "h" for "a/b.h"; empty if the name has none.
  static func ending(of path: [UInt8]) -> String {
    let name = path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return "" }
    return String(decoding: name[(dot + 1)...], as: UTF8.self).lowercased()
  }

  static func kind(of path: [UInt8]) -> Surprise.Kind? {
    let kind = kinds[ending(of: path)]
    // Maps of other kinds have other names.
    guard kind == .sourceMaps else { return kind }
    let text = String(decoding: path, as: UTF8.self)
    return text.hasSuffix(".js.map") || text.hasSuffix(".css.map") || text.hasSuffix(".mjs.map")
      ? kind : nil
  }

  static func isCode(_ path: [UInt8]) -> Bool { code.contains(ending(of: path)) }

  /// Whether a file is a shared library by its name, or a program by its mode and its place.
  static func isProgram(_ path: [UInt8], _ mode: UInt16) -> Bool {
    if isLibrary(path) { return true }
    guard mode & 0o111 != 0 else { return false }
    let ending = ending(of: path)
    return ending.isEmpty || ending.allSatisfy(\.isNumber) || path.starts(with: "bin/".utf8)
  }

  /// "libz.so", "libz.so.1" or "_ssl.cpython-311-x86_64-linux-gnu.so".
  public static func isLibrary(_ path: [UInt8]) -> Bool {
    let name = path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
    let text = String(decoding: name, as: UTF8.self)
    return text.hasSuffix(".so") || text.contains(".so.")
  }
}
