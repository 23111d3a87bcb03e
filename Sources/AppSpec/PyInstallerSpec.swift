import Posix

/// What a `.spec` file of PyInstaller says, as far as it can be read without running it. Paths start from the project.
public struct PyInstallerSpec: Sendable {
  /// The file, as messages name it.
  public var file: String
  /// As PyInstaller names the program.
  public var name = ""
  /// Nil if it is not understood.
  public var script: String?
  /// Directories where modules are looked for.
  public var paths: [String] = []
  /// Files and directories, with their place below the root of data files.
  public var data: [(source: String, target: String)] = []
  /// Names of modules at the top level.
  public var excludes: [String] = []
  /// Runtime hooks, which are no modules of the application.
  public var hooks: [String] = []
  /// Options for the interpreter.
  public var options: [String] = []
  /// What a comment in the spec should say; the table is "-" if it concerns none.
  public var notes: [(table: String, text: String)] = []
  /// What a person must look at, a line each.
  public var missing: [String] = []

  public init(file: String) { self.file = file }

  func notes(of table: String) -> [String] {
    notes.filter { $0.table == table }.map { "# \(printable($0.text))" }
  }
}
