public import PayloadFormat
public import Posix

/// A place in a spec, for messages: "onefold.toml:12".
public struct SpecPlace: Equatable, Sendable {
  /// As messages name it.
  public var file: String
  /// From 1; 0 where the place is the whole file.
  public var line: Int

  public init(file: String, line: Int) {
    self.file = file
    self.line = line
  }

  public var description: String { line > 0 ? "\(file):\(line)" : file }

  /// No place of any spec, such as the command line; messages name none.
  public static let none = SpecPlace(file: "", line: 0)
}

/// A value of a spec, with the line where it stands.
public struct Located<Value: Sendable>: Sendable {
  public var value: Value
  public var place: SpecPlace

  public init(_ value: Value, _ place: SpecPlace) {
    self.value = value
    self.place = place
  }
}

/// The spec of one application: docs/spec.md, which documents each member under the same name.
///
/// Paths are as the spec has them, made relative to nothing: join them with `directory`. What a spec leaves out has its default
/// here; nil where it has none.
public struct Spec: Sendable {
  /// The directory that relative paths start from.
  public var directory: Path
  /// The whole spec, for messages that concern no single line.
  public var place: SpecPlace
  /// What the onefile is to run on.
  public var target = Target.native

  public var app: App
  public var python: Python?
  public var dependencies = Dependencies()
  public var prune = Prune()
  public var data: [Data] = []
  public var launch: Launch
  public var smoke = Smoke()
  public var archive = Archive()
  public var output = Output()

  /// A path of the spec, from its directory where it is relative.
  public func resolve(_ path: Path) -> Path {
    path.isAbsolute ? path : directory.appending(path.bytes)
  }

  public struct App: Sendable {
    public var name: Located<String>
    /// The version's text, read from its source; empty where there is none.
    public var version: String
  }

  public struct Python: Sendable {
    public var place: SpecPlace
    public var version: Located<String>?
    /// Of the spec's target: `[python.TARGET]` overrides `[python]`.
    public var prefix: Located<Path>?
    public var archive: Located<Path>?
    /// What `archive` is if it is no path; there is a `sha256` then.
    public var archiveURL: Located<String>?
    public var sha256: Located<String>?
    public var systemLibraries: [String] = []
    /// Libraries that code opens by name: names such as "libpango-1.0.so.0", or paths.
    public var libraries: [Located<Path>] = []
    /// Two numbers up to 999: "2.31".
    public var maxGlibc: Located<String>?
  }

  public struct Dependencies: Sendable {
    public var requirements: [Located<Path>] = []
    /// Requirements such as "datasette==0.65.1" (PEP 508).
    public var packages: [Located<String>] = []
    /// A script whose inline metadata (PEP 723) say what it needs.
    public var script: Located<Path>?
    /// A lock that a tool for projects wrote.
    public var lock: Located<Path>?
    public var project: Located<Path>?
    public var extras: [String] = []
    /// Groups of the lock or, without one, of `pyproject.toml` (PEP 735); normalized names.
    public var groups: [String] = []
    /// Normalized names (PEP 503).
    public var exclude: [Located<String>] = []
    /// Of distributions whose conflicts of versions are not told; normalized names.
    public var allowConflicts: [Located<String>] = []
    public var installer = Installer.auto
    public enum Installer: String, CaseIterable, Sendable { case auto, pip, uv }
  }

  public struct Prune: Sendable {
    public var installers = true
    public var tests = true
    public var headers = true
    public var staticLibraries = true
    public var idle = true
    public var tkinter = true
    public var debugSymbols = true
    public var dropSources = false
    /// Whether byte code is left out, so that the interpreter compiles sources at every start.
    public var dropByteCode = false
    public var remove: [Located<String>] = []
    public var keep: [Located<String>] = []
  }

  public struct Data: Sendable {
    public var source: Located<Path>
    /// Below the root of data files; empty for the root itself.
    public var target: Located<Path>
    public var exclude: [Located<String>] = []
  }

  public struct Launch: Sendable {
    public var program: Located<Program>
    public var arguments: [String] = []
    public var environment: [(name: String, value: String)] = []
    public var unset: [String] = []
    public var pythonOptions: [String] = []
    public var isolate = true
    public var binOnPath = true
    public var pyinstaller = PyInstaller.auto
    /// Nil for the launcher's default.
    public var check: CheckPolicy?
    /// Days; nil for the launcher's default.
    public var keep: Int?
    /// Nil if the program does not end with its parent.
    public var dieWithParent: ParentDeath?

    /// Which attributes of PyInstaller's `sys` has: `sys._MEIPASS` and, with `auto`, `sys.frozen` if the
    /// application's own sources ask for it; both (`yes`), or neither (`no`).
    public enum PyInstaller: Sendable { case auto, yes, no }

    public enum Program: Sendable {
      case module(String)
      case function(module: String, name: String)
      case script(Path)
      case executable(Path)
    }
  }

  public struct Smoke: Sendable {
    public var imports = true
    public var skipImports: [Located<String>] = []
    /// Seconds for each test.
    public var timeout = 60
    public var commands: [Command] = []
    public var http: HTTP?

    public struct Command: Sendable {
      public var place: SpecPlace
      public var arguments: [String] = []
      public var status = 0
      public var output: String?
    }

    public struct HTTP: Sendable {
      public var place: SpecPlace
      public var arguments: [String] = []
      public var environment: [(name: String, value: String)] = []
      /// That the server takes without being told.
      public var port: Int?
      public var path = "/"
      public var status = 200
      public var contains: String?
    }
  }

  public struct Archive: Sendable {
    public var codec: Located<Codec>?
    public var level: Located<Int>?
    /// KiB.
    public var frameSize: Located<Int>?
    /// Bytes.
    public var maxSize: Located<UInt64>?
  }

  public struct Output: Sendable {
    public var file: Located<String>?
    public var sidecar = false
  }
}
