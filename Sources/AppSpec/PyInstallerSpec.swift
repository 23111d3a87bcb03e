import Posix

/// The settings in a PyInstaller `.spec` file, as far as they can be read without running it. Paths start from the
/// project.
public struct PyInstallerSpec: Sendable {
  /// The file's name in messages.
  public var file: String
  /// PyInstaller's name of the program.
  public var name = ""
  /// Nil if the reader does not understand it.
  public var script: String?
  /// Directories that are searched for modules.
  public var paths: [String] = []
  /// Files and directories, with their place below the root of data files.
  public var data: [(source: String, target: String)] = []
  /// Names of top-level modules.
  public var excludes: [String] = []
  /// Runtime hooks, which are not modules of the application.
  public var hooks: [String] = []
  /// Options for the interpreter.
  public var options: [String] = []
  /// Texts for comments in the spec; the table is "-" if a text concerns none.
  public var notes: [(table: String, text: String)] = []
  /// Points that the user must check, one per line.
  public var missing: [String] = []

  public init(file: String) { self.file = file }

  func notes(of table: String) -> [String] {
    notes.filter { $0.table == table }.map { "# \(printable($0.text))" }
  }
}
