public import PayloadFormat
public import Posix

/// A place in a spec, for messages: "onefold.toml:12".
public struct SpecPlace: Equatable, Sendable {
  /// The file's name in messages.
  public var file: String
  /// From 1; 0 for the whole file.
  public var line: Int

  public init(file: String, line: Int) {
    self.file = file
    self.line = line
  }

  public var description: String { line > 0 ? "\(file):\(line)" : file }

  /// No place in a spec, such as the command line. Messages name no place.
  public static let none = SpecPlace(file: "", line: 0)
}

/// A value of a spec, with its line.
public struct Located<Value: Sendable>: Sendable {
  public var value: Value
  public var place: SpecPlace

  public init(_ value: Value, _ place: SpecPlace) {
    self.value = value
    self.place = place
  }
}

/// The spec of one application. docs/spec.md documents each member under the same name.
///
/// Paths are as the spec has them: join relative ones with `directory`. Members that a spec leaves out have their
/// defaults here, or nil if there is no default.
public struct Spec: Sendable {
  /// The start of relative paths.
  public var directory: Path
  /// The whole spec, for messages without a line.
  public var place: SpecPlace
  /// The target of the onefile.
  public var target = Target.native
  /// The content of its file, or the text of a spec that is in none; nil if there is neither.
  public var source: [UInt8]?

  public var app: App
  public var python: Python?
  public var dependencies = Dependencies()
  public var prune = Prune()
  public var data: [Data] = []
  public var launch: Launch
  public var smoke = Smoke()
  public var archive = Archive()
  public var output = Output()
  public var policy = Policy()

  /// Resolves a path of the spec: relative paths start at the spec's directory.
  public func resolve(_ path: Path) -> Path {
    path.isAbsolute ? path : directory.appending(path.bytes)
  }

  /// [app].
  public struct App: Sendable {
    public var name: Located<String>
    /// The version's text, read from its source; empty for none.
    public var version: String
  }

  /// [python], or the table of the target in it.
  public struct Python: Sendable {
    public var place: SpecPlace
    public var version: Located<String>?
    /// For the spec's target: `[python.TARGET]` overrides `[python]`.
    public var prefix: Located<Path>?
    public var archive: Located<Path>?
    /// The value of `archive` if it is a URL, which requires a `sha256`.
    public var archiveURL: Located<String>?
    public var sha256: Located<String>?
    public var systemLibraries: [String] = []
    /// Libraries that code opens by name: names such as "libpango-1.0.so.0", or paths.
    public var libraries: [Located<Path>] = []
    /// Two numbers, each at most 999: "2.31".
    public var maxGlibc: Located<String>?
  }

  /// [dependencies].
  public struct Dependencies: Sendable {
    public var requirements: [Located<Path>] = []
    /// Requirements such as "datasette==0.65.1" (PEP 508).
    public var packages: [Located<String>] = []
    /// A script whose inline metadata (PEP 723) lists its requirements.
    public var script: Located<Path>?
    /// The lock file of a project tool.
    public var lock: Located<Path>?
    public var project: Located<Path>?
    public var extras: [String] = []
    /// Groups of the lock or, without a lock, of `pyproject.toml` (PEP 735); normalized names.
    public var groups: [String] = []
    /// Normalized names (PEP 503).
    public var exclude: [Located<String>] = []
    /// Distributions whose version conflicts are not reported; normalized names (PEP 503).
    public var allowConflicts: [Located<String>] = []
    public var installer = Installer.auto
    /// The program that installs distributions; `auto` takes uv if it is there.
    public enum Installer: String, CaseIterable, Sendable { case auto, pip, uv }
  }

  /// [prune].
  public struct Prune: Sendable {
    public var installers = true
    public var tests = true
    public var headers = true
    public var staticLibraries = true
    public var idle = true
    public var tkinter = true
    public var debugSymbols = true
    public var dropSources = false
    /// Whether to leave byte code out, so that the interpreter compiles sources at every start.
    public var dropByteCode = false
    public var remove: [Located<String>] = []
    public var keep: [Located<String>] = []
  }

  /// An item of [[data]].
  public struct Data: Sendable {
    public var source: Located<Path>
    /// The path below the root of data files; empty for the root itself.
    public var target: Located<Path>
    public var exclude: [Located<String>] = []
  }

  /// [launch].
  public struct Launch: Sendable {
    public var program: Located<Program>
    public var arguments: [String] = []
    public var environment: [(name: String, value: String)] = []
    public var unset: [String] = []
    public var pythonOptions: [String] = []
    public var isolate = true
    /// Variables of the interpreter that isolation does not remove.
    public var passVariables: [Located<String>] = []
    public var binOnPath = true
    /// Whether the process has the application's name instead of the interpreter's.
    public var namedProcess = true
    public var pyinstaller = PyInstaller.auto
    /// Nil for the launcher's default.
    public var check: CheckPolicy?
    /// Days; nil for the launcher's default.
    public var keep: Int?
    /// Nil if the program can outlive its parent.
    public var dieWithParent: ParentDeath?
    /// Whether the tree may share equal files with the trees of older versions.
    public var reuse = true
    /// The address that is opened for the program; nil for none.
    public var listen: Listen?
    /// Nil if there may be several.
    public var instance: InstancePolicy?
    public var instanceKey = ""
    /// What the file can start instead, in the order of the spec.
    public var commands: [Command] = []
    /// What a launch and the commands start.
    public var programs: [Located<Program>] { [program] + commands.map(\.program) }

    /// [launch.listen].
    public struct Listen: Sendable {
      /// As in `ONEFOLD_LISTEN`; may hold `{env:NAME}`.
      public var address: String
      public var handover = Handover.descriptor
      public var ifTaken = TakenAddress.fail
    }

    /// [commands.NAME].
    public struct Command: Sendable {
      public var name: String
      public var program: Located<Program>
      public var arguments: [String] = []
    }

    /// The PyInstaller attributes that `sys` has.
    ///
    /// `auto` sets `sys._MEIPASS`, and `sys.frozen` if the application's own sources ask for it. `yes` sets both, `no`
    /// neither.
    public enum PyInstaller: Sendable { case auto, yes, no }

    /// What a launch starts; one of these keys of [launch].
    public enum Program: Sendable {
      case module(String)
      case function(module: String, name: String)
      case script(Path)
      case executable(Path)

      /// Whether the interpreter runs it.
      public var isPython: Bool { if case .executable = self { false } else { true } }
    }
  }

  /// [smoke].
  public struct Smoke: Sendable {
    public var imports = true
    public var skipImports: [Located<String>] = []
    /// Seconds per test.
    public var timeout = 60
    public var commands: [Command] = []
    public var http: HTTP?

    /// An item of [[smoke.command]].
    public struct Command: Sendable {
      public var place: SpecPlace
      public var arguments: [String] = []
      public var status = 0
      public var output: String?
    }

    /// [smoke.http].
    public struct HTTP: Sendable {
      public var place: SpecPlace
      public var arguments: [String] = []
      public var environment: [(name: String, value: String)] = []
      /// The port that the server uses without being told.
      public var port: Int?
      public var path = "/"
      public var status = 200
      public var contains: String?
    }
  }

  /// [archive].
  public struct Archive: Sendable {
    public var codec: Located<Codec>?
    public var level: Located<Int>?
    /// KiB.
    public var frameSize: Located<Int>?
    /// Bytes.
    public var maxSize: Located<UInt64>?
  }

  /// [output].
  public struct Output: Sendable {
    public var file: Located<String>?
    public var sidecar = false
  }
}
