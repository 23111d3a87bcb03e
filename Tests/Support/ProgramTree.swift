import Posix

/// A tree of small C programs: a host that loads a module, and the library that the module needs outside of it,
/// `opt/libdeep.so.1`.
public struct ProgramTree {
  public let directory: TemporaryDirectory
  /// The program's path in the tree.
  public let host: String

  private static let moduleSource = "int deep(void); int module(void) { return deep() + 1; }"
  private static let hostSource = """
    #include <dlfcn.h>
    #include <stdio.h>
    int main(int count, char **arguments) {
      void *module = dlopen(arguments[1], RTLD_NOW);
      if (!module) { puts(dlerror()); return 1; }
      printf("%d\\n", ((int (*)(void))dlsym(module, "module"))());
    }
    """

  /// Creates `tree` with its `bin` and the given directories.
  public init(host: String, directories: [String]) throws {
    directory = try TemporaryDirectory()
    self.host = host
    for name in ["bin"] + directories { try directory.makeDirectory("tree/\(name)") }
  }

  /// `opt/libdeep.so.1`, which needs `opt/libdeeper.so.1`.
  public func compileChain(_ options: [String] = []) throws {
    try directory.makeDirectory("opt")
    try directory.compile(
      "opt/libdeeper.so.1", "int deeper(void) { return 40; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeeper.so.1"])
    try directory.compile(
      "opt/libdeep.so.1", "int deeper(void); int deep(void) { return deeper() + 1; }",
      ["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1", directory("opt/libdeeper.so.1").string]
        + options)
  }

  public func compileHost(_ options: [String] = []) throws {
    try directory.compile("tree/\(host)", Self.hostSource, options)
  }

  /// A module, at a path in the tree, that needs `opt/libdeep.so.1`.
  public func compileModule(_ name: String, _ options: [String]) throws {
    try directory.compile(
      "tree/\(name)", Self.moduleSource,
      ["-shared", "-fPIC", directory("opt/libdeep.so.1").string] + options)
  }

  /// The output of the moved tree's host for `module`, after the files of the build are removed.
  public func runMoved(_ module: String, environment: [String: String] = [:]) throws -> String {
    try DirectoryHandle.current.rename(directory("tree"), to: directory("moved"))
    try directory.remove("opt")
    return try runTool(
      directory("moved/\(host)").string, [directory("moved/\(module)").string],
      environment: environment)
  }
}
