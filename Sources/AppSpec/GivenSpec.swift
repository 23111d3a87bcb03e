public import PayloadFormat
public import Posix

/// A spec for an application without one: a package of an index, or a script with inline metadata.
///
/// The packer reads the same text that `onefold pack --print-spec` prints.
public struct GivenSpec: Sendable {
  /// Comments at the top, one per line.
  public var heading: [String] = []
  public var name: String
  public var version = ""
  public var python: Python
  public var maxGlibc: String?
  /// Requirements of `dependencies.packages`.
  public var packages: [String] = []
  /// `dependencies.script`, which is `launch.script` as well.
  public var script: String?
  /// A key of `[launch]` and its value, if there is no script.
  public var program: (key: String, value: String)?
  public var launch = Launch()
  /// Arguments of a smoke test that must end with status 0; nil for none.
  public var smokeCommand: [String]?
  public var archive = Archive()
  public var output = Output()

  /// The interpreter: a version to look up, or where it is.
  public enum Python: Sendable {
    case version(String)
    case prefix(String)
  }

  /// [launch].
  public struct Launch: Sendable {
    public var arguments: [String] = []
    public var environment: [(name: String, value: String)] = []
    public var unset: [String] = []
    public var check: CheckPolicy?
    public var keep: Int?
    public var dieWithParent: ParentDeath?
    /// Whether `launch.reuse` is left at `true`.
    public var mayReuse = true
    /// Whether `launch.pyinstaller` is left at `auto`; else it is `false`.
    public var mayBeFrozen = true
  }

  /// [archive]. Nil stands for the default.
  public struct Archive: Sendable {
    public var codec: Codec?
    public var level: Int?
    public var frameSize: Int?
  }

  /// [output].
  public struct Output: Sendable {
    public var file: String?
    public var target: String?
    public var sidecar = false
  }

  /// A spec that launches nothing yet.
  public init(name: String, python: Python) {
    self.name = name
    self.python = python
  }

  /// The content of an `onefold.toml`.
  public var text: String {
    let tables: [(name: String, lines: [String])] = [
      ("app", ["name = \(tomlText(name))", "version = \(tomlText(version))"]),
      ("python", pythonLines), ("dependencies", dependencyLines), ("launch", launchLines),
      ("[smoke.command]", smokeCommand.map { ["arguments = \(tomlList($0))"] } ?? []),
      ("archive", archiveLines), ("output", outputLines),
    ]
    let used = tables.filter { !$0.lines.isEmpty }
    return heading.map { "# \(printable($0))\n" }.joined()
      + used.map { "\n[\($0.name)]\n" + $0.lines.map { "\($0)\n" }.joined() }.joined()
  }

  private var pythonLines: [String] {
    let source =
      switch python {
      case .version(let version): "version = \(tomlText(version))"
      case .prefix(let path): "prefix = \(tomlText(path))"
      }
    return [source] + line("max-glibc", maxGlibc)
  }

  private var dependencyLines: [String] {
    (packages.isEmpty ? [] : ["packages = \(tomlList(packages))"]) + line("script", script)
  }

  private var launchLines: [String] {
    var lines = line("script", script)
    if let program { lines.append("\(program.key) = \(tomlText(program.value))") }
    if !launch.arguments.isEmpty { lines.append("arguments = \(tomlList(launch.arguments))") }
    if !launch.environment.isEmpty {
      let members = launch.environment.map { "\(tomlText($0.name)) = \(tomlText($0.value))" }
      lines.append("environment = { \(members.joined(separator: ", ")) }")
    }
    if !launch.unset.isEmpty { lines.append("unset = \(tomlList(launch.unset))") }
    if !launch.mayBeFrozen { lines.append("pyinstaller = false") }
    return lines + line("check", launch.check) + number("keep", launch.keep)
      + line("die-with-parent", launch.dieWithParent) + (launch.mayReuse ? [] : ["reuse = false"])
  }

  private var archiveLines: [String] {
    line("codec", archive.codec) + number("level", archive.level)
      + number("frame-size", archive.frameSize)
  }

  private var outputLines: [String] {
    line("file", output.file) + line("target", output.target)
      + (output.sidecar ? ["sidecar = true"] : [])
  }

  private func line(_ key: String, _ value: (some NamedValue)?) -> [String] {
    line(key, value.map { "\($0.name)" })
  }

  private func line(_ key: String, _ value: String?) -> [String] {
    value.map { ["\(key) = \(tomlText($0))"] } ?? []
  }

  private func number(_ key: String, _ value: Int?) -> [String] {
    value.map { ["\(key) = \($0)"] } ?? []
  }
}

/// Reads the text of a spec that is in no file, with all checks of `readSpec`.
///
/// Messages name `shown` instead of a file and a line. Relative paths start from `directory`.
///
/// - Throws: all problems of the spec, at its lines in `text`.
public func readSpec(text: String, shown: String, directory: Path) throws(SpecError) -> Spec {
  let file = try SpecFile(text: text, shown: shown, directory: directory)
  var decoder = SpecDecoder(file)
  let decoded = decoder.decode()
  let problems = decoder.orderedProblems
  guard var spec = decoded, problems.isEmpty else { throw SpecError(problems) }
  spec.source = [UInt8](text.utf8)
  return spec
}

/// An array of basic strings of TOML.
func tomlList(_ texts: [String]) -> String {
  "[" + texts.map(tomlText).joined(separator: ", ") + "]"
}
