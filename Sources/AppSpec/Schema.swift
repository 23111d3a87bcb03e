import PayloadFormat

/// Every key of a spec, with its type and default.
///
/// The schema drives the checks of a spec and provides the comments of `onefold init`. docs/spec.md has the same
/// tables.
public enum Schema {
  /// The codecs, in the order in which documents and messages name them.
  static let codecs: [Codec] = [.zstd, .xz, .store]

  private static func names(_ values: [some NamedValue]) -> [String] {
    values.map { "\($0.name)" }
  }

  /// The possible values of a key.
  public enum ValueType: Sendable {
    case text
    /// Relative to the spec's directory, unless the key's meaning says otherwise.
    case path
    case boolean
    case integer(ClosedRange<Int>)
    /// One of these texts.
    case choice([String])
    /// true or false, or one of these texts.
    case booleanOrChoice([String])
    /// Bytes, or a text with a unit.
    case size
    case texts
    case paths
    case patterns
    /// A table of texts with any keys.
    case textTable
    /// A text, or the table that the schema has under the key's path.
    case textOrTable

    /// The type's name in docs/spec.md.
    public var name: String {
      switch self {
      case .text: "text"
      case .path: "path"
      case .boolean: "boolean"
      case .integer: "integer"
      case .choice(let values): Self.joined(values)
      case .booleanOrChoice(let values): "boolean, \(Self.joined(values))"
      case .size: "integer or text"
      case .texts: "array of texts"
      case .paths: "array of paths"
      case .patterns: "array of patterns"
      case .textTable: "table of texts"
      case .textOrTable: "text or table"
      }
    }

    private static func joined(_ values: [String]) -> String {
      values.map { "`\($0)`" }.joined(separator: ", ")
    }
  }

  /// A key of a table.
  public struct Key: Sendable {
    public let name: String
    public let type: ValueType
    /// The default as in docs/spec.md; empty for none.
    public let defaultText: String
    public let meaning: String
    /// The required form of the texts; nil for any.
    public let form: Form?

    init(
      _ name: String, _ type: ValueType, default defaultText: String = "", _ meaning: String,
      form: Form? = nil
    ) {
      self.name = name
      self.form = form
      self.type = type
      self.defaultText = defaultText
      self.meaning = meaning
    }

    public var isNeeded: Bool { defaultText == Schema.needed }
  }

  /// A table of the spec.
  public struct Table: Sendable {
    /// The table's keys, joined by dots.
    public let path: String
    /// Whether the table can be repeated: `[[path]]`.
    public let repeats: Bool
    /// Whether the table holds tables with names that the author chooses: `[path.NAME]`.
    public let isNamed: Bool
    public let meaning: String
    public let keys: [Key]

    init(
      _ path: String, repeats: Bool = false, isNamed: Bool = false, _ meaning: String, _ keys: [Key]
    ) {
      self.isNamed = isNamed
      self.path = path
      self.meaning = meaning
      self.repeats = repeats
      self.keys = keys
    }

    /// "[app]", "[[data]]" or "[commands.NAME]".
    public var heading: String {
      repeats ? "[[\(path)]]" : isNamed ? "[\(path).NAME]" : "[\(path)]"
    }
  }

  static let needed = "needed"

  static func table(_ path: String) -> Table? { tables.first { $0.path == path } }

  public static let tables =
    [
      app, version, python, dependencies, prune, data, launch, listen, commands, smoke,
      smokeCommand, smokeHTTP,
      archive, output, policy,
    ] + Target.all.map(pythonOfTarget)

  static let app = Table(
    "app", "the application's name and version",
    [
      Key(
        "name", .text, default: "the project's name in `pyproject.toml`",
        "the application's name, which names the file", form: .applicationName),
      Key(
        "version", .textOrTable, default: "the project's version in `pyproject.toml`, else none",
        "the application's version, or where it is found", form: .version),
    ])

  static let version = Table(
    "app.version", "where the version is found",
    [
      Key("file", .path, "a file whose first line is the version"),
      Key("project", .path, "a directory whose pyproject.toml has the version"),
      Key("git", .boolean, "git describe tells the version", form: .onlyTrue),
    ])

  static let python = Table(
    "python", "the interpreter",
    [
      Key(
        "version", .text, "the interpreter's version, such as 3.11 or 3.11.7", form: .pythonVersion),
      Key("prefix", .path, "where an interpreter is installed"),
      Key(
        "archive", .path, "a relocatable interpreter in a tar archive, or its URL",
        form: .tarArchive),
      Key("sha256", .text, "what the archive's SHA-256 must be", form: .sha256),
      Key(
        "system-libraries", .texts, default: "`[]`", "shared libraries that the target system has",
        form: .libraryName),
      Key(
        "libraries", .paths, default: "`[]`",
        "shared libraries of the build machine to copy, such as libpango-1.0.so.0",
        form: .sharedLibrary),
      Key(
        "max-glibc", .text, "the newest glibc that any file may need, such as 2.31",
        form: .glibcVersion),
    ])

  /// The keys of `[python]`, for one target alone.
  private static func pythonOfTarget(_ target: Target) -> Table {
    Table(
      "python.\(target.name)", "the interpreter for \(target.name)",
      [
        Key("prefix", .path, "python.prefix for this target"),
        Key("archive", .path, "python.archive for this target", form: .tarArchive),
        Key("sha256", .text, "what that archive's SHA-256 must be", form: .sha256),
      ])
  }

  static let dependencies = Table(
    "dependencies", "what is installed, and by what",
    [
      Key("requirements", .paths, default: "`[]`", "requirements files, in pip's format"),
      Key(
        "packages", .texts, default: "`[]`", "requirements such as datasette==0.65.1",
        form: .requirement),
      Key("script", .path, "a script whose inline metadata (PEP 723) say what it needs"),
      Key("lock", .path, default: "the project's", "uv.lock, poetry.lock, pylock.toml or the like"),
      Key("project", .path, "a project directory or a wheel to install"),
      Key(
        "extras", .texts, default: "`[]`", "extras of the project to install", form: .distribution),
      Key(
        "groups", .texts, default: "`[]`", "groups of dependencies to install", form: .distribution),
      Key(
        "exclude", .texts, default: "`[]`", "distributions that are left out", form: .distribution),
      Key(
        "allow-conflicts", .texts, default: "`[]`", "distributions whose versions may conflict",
        form: .distribution),
      Key("installer", .choice(["auto", "pip", "uv"]), default: "`auto`", "what installs"),
    ])

  static let prune = Table(
    "prune", "what is left out of the tree",
    [
      Key("installers", .boolean, default: "`true`", "remove pip, setuptools and the like"),
      Key("tests", .boolean, default: "`true`", "remove tests"),
      Key("headers", .boolean, default: "`true`", "remove C headers"),
      Key("static-libraries", .boolean, default: "`true`", "remove static libraries"),
      Key("idle", .boolean, default: "`true`", "remove idlelib and turtledemo"),
      Key("tkinter", .boolean, default: "`true`", "remove tkinter unless it is imported"),
      Key("debug-symbols", .boolean, default: "`true`", "strip debug symbols"),
      Key("sources", .choice(["keep", "drop"]), default: "`keep`", "drop ships byte code alone"),
      Key("byte-code", .choice(["keep", "drop"]), default: "`keep`", "drop ships sources alone"),
      Key("remove", .patterns, default: "`[]`", "further paths to remove", form: .relativePath),
      Key("keep", .patterns, default: "`[]`", "paths that no rule removes", form: .relativePath),
    ])

  static let data = Table(
    "data", repeats: true, "files that the server finds below its root of data files",
    [
      Key("source", .path, default: needed, "a file or directory"),
      Key(
        "target", .path, default: "the source's name", "its place below the root of data files",
        form: .relativePath),
      Key(
        "exclude", .patterns, default: "`[]`", "paths below the source that are left out",
        form: .relativePath),
    ])

  static let launch = Table(
    "launch", "what is started, and how",
    [
      Key("module", .text, "a module to run, as python -m does", form: .dottedName),
      Key("function", .text, "a function to call, as a console script does", form: .function),
      Key("script", .path, "a script of the project", form: .treePath),
      Key("executable", .path, "a program of the tree", form: .treePath),
      Key("arguments", .texts, default: "`[]`", "arguments before the user's"),
      Key("environment", .textTable, default: "`{}`", "variables to set", form: .variables),
      Key("unset", .texts, default: "`[]`", "variables to remove", form: .variableName),
      Key("python-options", .texts, default: "`[]`", "options for the interpreter"),
      Key("isolate", .boolean, default: "`true`", "nothing of the user's decides which code runs"),
      Key(
        "pass-variables", .texts, default: "`[]`",
        "variables of the interpreter that isolation leaves, such as `PYTHONPATH`",
        form: .variableName),
      Key(
        "bin-on-path", .boolean, default: "`true`",
        "the tree's bin is the first directory of the PATH for what the server starts"),
      Key(
        "named-process", .boolean, default: "`true`",
        "ps and top show the application's name, not the interpreter's"),
      Key(
        "pyinstaller", .booleanOrChoice(["auto"]), default: "`auto`",
        "whether sys has PyInstaller's attributes"),
      Key(
        "check", .choice(names(CheckPolicy.allCases)), default: "`dirs`",
        "what is checked of the unpacked tree at each launch"),
      Key(
        "keep", .integer(0...36500), default: "`30`", "days that an unused tree is kept"),
      Key(
        "die-with-parent", .booleanOrChoice(names(ParentDeath.allCases)), default: "`false`",
        "end when the process that launched it has ended"),
      Key(
        "reuse", .boolean, default: "`true`",
        "a new version's tree shares equal files with the trees of older ones"),
      Key(
        "instance", .choice(names(InstancePolicy.allCases)), default: "any number",
        "whether a launch ends, or stops the other, if the program runs already"),
      Key(
        "instance-key", .text, default: "none",
        "tells instances apart, such as `{env:DATA_DIR}`"),
    ])

  static let listen = Table(
    "launch.listen", "the address that is opened for the server before it is unpacked",
    [
      Key(
        "address", .text, default: needed,
        "PORT, ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH; port 0 is a free one"),
      Key(
        "handover", .choice(names(Handover.allCases)), default: "`descriptor`",
        "whether the server gets the socket, or opens the port itself"),
      Key(
        "if-taken", .choice(names(TakenAddress.allCases)), default: "`fail`",
        "what to do if another program listens there"),
    ])

  static let commands = Table(
    "commands", isNamed: true, "another program of the file",
    [
      Key("module", .text, "a module to run, as python -m does", form: .dottedName),
      Key("function", .text, "a function to call, as a console script does", form: .function),
      Key("script", .path, "a script of the project", form: .treePath),
      Key("executable", .path, "a program of the tree", form: .treePath),
      Key("arguments", .texts, default: "`[]`", "arguments before the user's"),
    ])

  static let smoke = Table(
    "smoke", "what is run from the packed file before it gets its name",
    [
      Key("imports", .boolean, default: "`true`", "import every installed module"),
      Key(
        "skip-imports", .texts, default: "`[]`", "modules that can't be imported alone",
        form: .dottedName),
      Key("timeout", .integer(1...3600), default: "`60`", "seconds that each test may take"),
    ])

  static let smokeCommand = Table(
    "smoke.command", repeats: true, "a command that the packed file must run",
    [
      Key("arguments", .texts, default: "`[]`", "arguments of the packed file"),
      Key("status", .integer(0...255), default: "`0`", "the exit status that is right"),
      Key("output", .text, "what it must print"),
    ])

  static let smokeHTTP = Table(
    "smoke.http", "a request that the server must answer",
    [
      Key("arguments", .texts, default: "`[]`", "arguments that start the server"),
      Key("environment", .textTable, default: "`{}`", "variables to set", form: .variables),
      Key(
        "port", .integer(1...65535), default: "a free one",
        "the port that the server takes by itself"),
      Key("path", .text, default: "`/`", "what is asked for", form: .httpPath),
      Key("status", .integer(100...599), default: "`200`", "the HTTP status that is right"),
      Key("contains", .text, "what the answer must contain"),
    ])

  static let archive = Table(
    "archive", "how the tree is compressed",
    [
      Key("codec", .choice(names(codecs)), default: "`zstd`", "how it is compressed"),
      Key("level", .integer(0...22), default: "of the codec", "how well it is compressed"),
      Key("frame-size", .integer(64...16384), default: "`8192`", "KiB that are decoded at once"),
      Key("max-size", .size, "a larger file fails the build", form: .size),
    ])

  static let output = Table(
    "output", "the file that is made",
    [
      Key("file", .text, default: "`{name}`", "the file to make", form: .outputName),
      Key(
        "target", .text, default: "this machine", "what the file runs on, such as aarch64-linux",
        form: .target),
      Key("sidecar", .boolean, default: "`false`", "append the target triple, as Tauri expects"),
    ])

  static let policy = Table(
    "policy", "rules that the file must keep, or the build fails",
    [
      Key(
        "deny-licenses", .texts, default: "`[]`",
        "licences that no component may have, such as AGPL-3.0-*, or unknown", form: .license),
      Key(
        "license-exceptions", .texts, default: "`[]`",
        "components whose licences are not checked"),
      Key(
        "deny", .texts, default: "`[]`",
        "distributions that must not be packed, such as urllib3<2.1",
        form: .deniedVersions),
      Key(
        "require-hashes", .boolean, default: "`false`",
        "install nothing that has no hash in a lock or requirements file"),
      Key("max-size", .size, "a larger file fails the build", form: .size),
      Key(
        "max-glibc", .text, "the newest glibc that any file may need, such as 2.31",
        form: .glibcVersion),
      Key(
        "max-update", .text, "the most that an update from the previous file may fetch, such as 5%",
        form: .percentage),
    ])
}
