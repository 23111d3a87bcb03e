/// The facts that a Python source file shows about its application.
struct PythonSource: Sendable {
  /// How a program started as a script learns its port.
  enum Port: Sendable, Equatable {
    /// By an option with this name, such as "--port".
    case option(String)
    /// By an environment variable with this name, such as "PORT".
    case variable(String)
    case fixed(Int)
  }

  /// "package.module".
  let module: String
  /// Relative to the project.
  let file: String
  let framework: Framework?
  /// The name of the application object, or of the function that makes it.
  let application: String
  let isFactory: Bool
  /// Whether it does something when it runs as a script.
  let hasMain: Bool
  /// Top-level names of the imported modules.
  let imports: Set<String>
  /// The imported modules that it cannot run without.
  let neededImports: Set<String>
  /// Paths for GET requests without parameters, as far as they are known in full.
  let paths: [String]
  /// Whether FastAPI's own description is switched off.
  let hidesDescription: Bool
  /// Whether it starts a server when it runs.
  let serves: Bool
  let port: Port?
  /// Whether its server restarts when a file changes, which is for development.
  let reloads: Bool
  /// Whether it parses its arguments with a parser that knows `--help`.
  let parsesOptions: Bool
  /// Whether it has inline metadata (PEP 723).
  let hasMetadata: Bool

  init(file: String, module: String, text: String) {
    let source = PythonText(text)
    self.file = file
    self.module = module
    hasMain = source.lines.contains { $0.hasPrefix("if __name__ ==") }
    imports = source.imports
    neededImports = source.neededImports
    hidesDescription = source.contains("openapi_url=None")
    hasMetadata = text.split(whereSeparator: \.isNewline).contains("# /// script")
    let known = Framework.all.filter { !source.imports.isDisjoint(with: $0.modules) }
    let objects = source.lines.compactMap { PythonSource.assignment($0, known) }
    let factories = ["create_app", "make_app", "get_app", "create_application", "init_app"]
    let factory = factories.first { name in
      source.lines.contains { $0.hasPrefix("def \(name)(") || $0.hasPrefix("async def \(name)(") }
    }
    if let object = objects.first(where: { !$0.isIndented }) {
      (framework, application, isFactory) = (object.framework, object.name, false)
    } else if let factory, let made = known.first(where: { $0.isMade(in: source) }) {
      (framework, application, isFactory) = (made, factory, true)
    } else {
      // For example Streamlit, whose scripts create no object.
      (framework, application, isFactory) = (known.first { $0.classes.isEmpty }, "app", false)
    }
    let receivers = Set(objects.map(\.name)).union(["app", application])
    paths = PythonSource.paths(source, receivers)
    let usesServer =
      framework?.isServer == true || !source.imports.isDisjoint(with: Framework.servers)
    serves =
      source.contains("serve_forever(")
      || usesServer && Framework.runners.contains(where: source.contains)
    reloads = source.contains("reload=True")
    parsesOptions = !imports.isDisjoint(with: ["argparse", "click", "typer", "fire", "docopt"])
    port = PythonSource.port(source, framework)
  }

  /// Parses `app = FastAPI(...`, also with an annotation, the module's name or `with ... as app:`.
  private static func assignment(_ line: Substring, _ known: [Framework])
    -> (name: String, framework: Framework, isIndented: Bool)?
  {
    let isIndented = line.first?.isWhitespace == true
    var name: String
    var value: Substring
    let text = line.drop(while: \.isWhitespace)
    if text.hasPrefix("with "), let keyword = text.firstRange(of: " as ") {
      name = trimmed(text[keyword.upperBound...].prefix { $0 != ":" && $0 != "," })
      value = text.dropFirst("with ".count)
    } else {
      guard let equals = text.firstIndex(of: "=") else { return nil }
      name = trimmed(text[..<equals].prefix { $0 != ":" })
      value = text[text.index(after: equals)...].drop(while: \.isWhitespace)
    }
    guard isDottedName(name), !name.contains(".") else { return nil }
    let call = value.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
    guard value.dropFirst(call.count).first == "(" else { return nil }
    let found = known.first { $0.makes(call) }
    return found.map { (name, $0, isIndented) }
  }

  private static func paths(_ source: PythonText, _ receivers: Set<String>) -> [String] {
    // A mount can put unknown components before the paths in this source.
    let isMounted = ["Mount(", "Router(", "Controller)", "Blueprint("].contains(
      where: source.contains)
    var found: [String] = []
    for call in [".get(", ".route(", ".api_route(", ".add_get("] {
      for (before, literal) in source.literals(after: call) {
        let receiver = before.reversed().prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        let name = String(receiver.reversed())
        if receivers.contains(name) || (["web", "routes", "router"].contains(name) && !isMounted) {
          found.append(literal)
        }
      }
    }
    if !isMounted {
      for call in [" Route(", "[Route(", "(Route(", "@get("] {
        found += source.literals(after: call).map(\.literal)
      }
    }
    if source.contains("html=True") {
      found += [".mount(", "Mount("].flatMap(source.literals).map(\.literal).filter { $0 == "/" }
    }
    return found.filter { $0.hasPrefix("/") && !$0.contains { "{<:*%".contains($0) } }
  }

  private static func port(_ source: PythonText, _ framework: Framework?) -> Port? {
    for opening in ["add_argument(", ".option(", "Option(", "add_option("] {
      let calls = source.code.ranges(of: opening)
      for call in calls {
        let arguments = source.code[call.upperBound...].prefix(200).prefix { $0 != ")" }
        if arguments.contains("\"--port\"") || arguments.contains("'--port'") {
          return .option("--port")
        }
      }
    }
    if source.imports.contains("typer"), source.contains("port: int =") { return .option("--port") }
    for opening in ["environ.get(", "environ[", "getenv("] {
      let name = source.literals(after: opening).map(\.literal).first { $0.hasSuffix("PORT") }
      if let name { return .variable(name) }
    }
    let openings = ["port=", "PORT = ", "port = ", "server_port="]
    if let number = openings.lazy.compactMap(source.number).first, (1...65535).contains(number) {
      return .fixed(number)
    }
    if let variable = framework?.portVariable { return .variable(variable) }
    // The defaults of the call that starts the server.
    return Framework.defaultPorts.first { source.contains($0.call) }.map { .fixed($0.port) }
  }
}

/// The value that `manage.py` gives DJANGO_SETTINGS_MODULE, such as "site.settings".
func djangoSettings(inManage text: String) -> String? {
  guard let name = text.firstRange(of: "DJANGO_SETTINGS_MODULE") else { return nil }
  let rest = text[name.upperBound...].drop { $0 == "\"" || $0 == "'" }
    .prefix { !$0.isNewline }
  guard let start = rest.firstIndex(where: { $0 == "\"" || $0 == "'" }) else { return nil }
  let value = rest[rest.index(after: start)...].prefix { $0 != "\"" && $0 != "'" }
  return isDottedName(String(value)) ? String(value) : nil
}
