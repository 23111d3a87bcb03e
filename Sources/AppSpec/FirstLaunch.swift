/// How a project's server starts, as far as its directory shows.
struct FirstLaunch {
  /// The application that was found, for the user.
  let found: String
  /// The keys of `[launch]`.
  var lines: [String]
  /// Nil if nothing tells how the server gets its port.
  var request: FirstRequest? = nil
  /// The arguments of a `[[smoke.command]]`.
  var command: [String] = []
  /// The started script, which needs no `[[data]]`.
  var script: String? = nil
  /// A file that the project lacks. It is written with the spec.
  var starter: Starter? = nil
  /// More files of `[[data]]`: the source and the target.
  var data: [(source: String, target: String)] = []
  var advice: String? = nil
  /// Whether the tree needs an interpreter.
  var needsPython = true

  /// Distributions of servers for ASGI applications, in order of preference.
  static let asgiServers = ["uvicorn", "hypercorn", "granian"]
  static let wsgiServers = ["gunicorn", "waitress"]

  /// Nil if nothing to start is found. `node` is the path of this machine's Node.js program.
  init?(_ scan: ProjectScan, node: String?) {
    let application =
      scan.sources.first { $0.framework?.isServer == true }
      ?? scan.sources.first { $0.framework != nil }
    if let (name, function) = FirstLaunch.consoleScript(scan) {
      self = FirstLaunch.consoleScript(scan, name, function)
    } else if let settings = djangoSettings(inManage: scan.text("manage.py")) {
      self = FirstLaunch.django(scan, settings)
    } else if let application, let framework = application.framework {
      self = FirstLaunch.application(scan, application, framework)
    } else if let package = scan.packages.first(where: { scan.has("\($0)/__main__.py") }) {
      self.init("package \(package)", ["module = \(tomlText(package))"])
    } else if let source = FirstLaunch.onlyScript(scan) {
      self = FirstLaunch.script(source)
    } else if let known = FirstLaunch.known(scan) {
      self.init(known.distribution, known.launch)
      request = known.request
    } else if let script = scan.nodeScript {
      self = FirstLaunch.node(scan, script, node)
    } else {
      return nil
    }
  }

  /// The test, for the user; nil for none.
  var test: String? {
    request?.shown ?? (command.isEmpty ? nil : command.joined(separator: " "))
  }

  private init(_ found: String, _ lines: [String]) {
    self.found = found
    self.lines = lines
  }

  // MARK: Projects without a known framework

  /// The console script with the project's own name, or the first one.
  private static func consoleScript(_ scan: ProjectScan) -> (name: String, function: String)? {
    guard scan.isInstallable, let project = scan.project else { return nil }
    // Entry points allow "package.module:function [extra]", but a spec does not.
    let scripts = project.scripts.map {
      (name: $0.name, function: trimmed($0.function.prefix { $0 != "[" }))
    }
    .filter { script in
      let parts = script.function.split(separator: ":", omittingEmptySubsequences: false)
      return parts.count == 2 && parts.allSatisfy { isDottedName(String($0)) }
    }
    return scripts.first { $0.name == project.name } ?? scripts.first
  }

  private static func consoleScript(_ scan: ProjectScan, _ name: String, _ function: String)
    -> FirstLaunch
  {
    var launch = FirstLaunch(
      "console script \(name): \(function)", ["function = \(tomlText(function))"])
    let module = function.prefix { $0 != ":" }
    guard let source = scan.sources.first(where: { $0.module == module }) else { return launch }
    launch.test(source, path: path(of: source, scan))
    return launch
  }

  /// A top-level file to run as a script: one that says so, or the only one.
  private static func onlyScript(_ scan: ProjectScan) -> PythonSource? {
    let atTop = scan.sources.filter { !$0.file.contains("/") }
    return atTop.first { $0.hasMain } ?? atTop.first { $0.hasMetadata || $0.serves }
      ?? (atTop.count == 1 && !scan.isInstallable ? atTop.first : nil)
  }

  private static func script(
    _ source: PythonSource, _ framework: String? = nil, path: String? = nil
  )
    -> FirstLaunch
  {
    var launch = FirstLaunch(
      framework.map { "\($0): \(source.file)" } ?? "script \(source.file)",
      ["script = \(tomlText(source.file))"])
    launch.script = source.file
    launch.test(source, path: path)
    return launch
  }

  /// Adds a test of a program with known source: a request if the program is told its port, or `--help`.
  private mutating func test(_ source: PythonSource, path: String?) {
    if source.serves, let port = source.port {
      let way: FirstRequest.Port =
        switch port {
        case .option(let name): .arguments([name, "{port}"])
        case .variable(let name): .variable(name)
        case .fixed(let number): .fixed(number)
        }
      request = FirstRequest(way, path)
    } else if source.parsesOptions {
      command = ["--help"]
    }
  }

  private static func known(_ scan: ProjectScan) -> KnownApplication? {
    KnownApplication.all.first { scan.distributions.contains($0.distribution) }
  }

  private static func node(_ scan: ProjectScan, _ script: String, _ node: String?) -> FirstLaunch {
    var launch = FirstLaunch(
      "Node.js: \(script)",
      ["executable = \"bin/node\"", "arguments = \(tomlList(["{root}/\(script)"]))"])
    launch.needsPython = false
    let text = scan.text(script)
    if text.contains("process.env.PORT") {
      launch.request = FirstRequest(.variable("PORT"), nodePath(text))
    }
    // A Node.js program can read files of any name.
    launch.data = scan.names.filter { $0 != "onefold.schema.json" }.map { ($0, $0) }
    if let node {
      launch.data.append((node, "bin/node"))
    } else {
      launch.advice = "[[data]] no node is on the PATH: add the program, with the target bin/node"
    }
    return launch
  }

  private static func nodePath(_ text: String) -> String? {
    let paths = PythonText(text).literals(after: ".get(").map(\.literal)
    // A server without a router answers every path alike.
    return paths.isEmpty && text.contains("createServer") ? "/" : chosenPath(paths)
  }

  // MARK: Requests

  /// A path that a health check would use, or "/".
  private static func chosenPath(_ paths: [String]) -> String? {
    let names = [
      "health", "healthz", "healthcheck", "health_check", "livez", "live", "readyz", "ready",
      "ping",
    ]
    for name in names {
      if let path = paths.first(where: { $0.split(separator: "/").last.map(String.init) == name }) {
        return path
      }
    }
    return paths.contains("/") ? "/" : nil
  }

  /// A path that the server answers, from the routes in its file and in files that import it; nil if none is known.
  private static func path(of source: PythonSource, _ scan: ProjectScan) -> String? {
    let top = source.module.prefix { $0 != "." }
    let others = scan.sources.filter { other in
      guard other.framework == nil && other.file != source.file else { return false }
      let isBeside = other.module.hasPrefix("\(top).") && other.imports.contains(".")
      return isBeside || other.imports.contains(String(top))
    }
    let paths = source.paths + others.flatMap(\.paths)
    let known = source.hidesDescription ? nil : source.framework?.description
    return chosenPath(paths) ?? known ?? paths.first
  }

  // MARK: Frameworks

  private static func application(
    _ scan: ProjectScan, _ source: PythonSource, _ framework: Framework
  ) -> FirstLaunch {
    let path = path(of: source, scan)
    // Installed code is not available as a script.
    let isScript = source.hasMain && !source.file.contains("/") && !scan.isInstallable
    switch framework.kind {
    case .asgi:
      if isScript && source.serves && !source.reloads {
        return script(source, framework.name, path: path)
      }
      return asgi(scan, source, framework, path)
    case .wsgi, .dash:
      let server = wsgiServers.first(where: scan.distributions.contains)
      let isOffered = framework.kind == .wsgi || scan.text(source.file).contains("server = ")
      if isScript && source.serves && (server == nil || !isOffered) {
        return script(source, framework.name, path: path)
      }
      return wsgi(scan, source, framework, path)
    case .streamlit:
      return streamlit(scan, source)
    case .celery:
      let name = "\(source.module):\(source.application)"
      var launch = FirstLaunch(
        "Celery: \(name)",
        ["module = \"celery\"", "arguments = \(tomlList(["-A", name, "worker"]))"])
      launch.command = ["--help"]
      return launch
    case .script, .command:
      return script(source, framework.name, path: path)
    }
  }

  private static func asgi(
    _ scan: ProjectScan, _ source: PythonSource, _ framework: Framework, _ path: String?
  ) -> FirstLaunch {
    let application = "\(source.module):\(source.application)"
    let found = "\(framework.name): \(application)"
    let server = asgiServers.first(where: scan.distributions.contains) ?? "uvicorn"
    var arguments = [application, "--host", "127.0.0.1"]
    var port = ["--port", "{port}"]
    switch server {
    case "hypercorn":
      arguments = [source.isFactory ? "\(application)()" : application]
      port = ["--bind", "127.0.0.1:{port}"]
    case "granian":
      arguments = ["--interface", "asgi"] + (source.isFactory ? ["--factory"] : []) + [application]
    default:
      if source.isFactory { arguments.insert("--factory", at: 1) }
    }
    var launch = FirstLaunch(
      found, ["module = \(tomlText(server))", "arguments = \(tomlList(arguments))"])
    launch.request = FirstRequest(.arguments(port), path)
    if !scan.distributions.contains(server) {
      launch.advice =
        "[dependencies] \(server), which starts the server, is not among them: add it"
    }
    return launch
  }

  private static func wsgi(
    _ scan: ProjectScan, _ source: PythonSource, _ framework: Framework, _ path: String?
  ) -> FirstLaunch {
    let object = framework.kind == .dash ? "server" : source.application
    let name = source.isFactory ? "\(source.application)()" : object
    let application = "\(source.module):\(name)"
    let found = "\(framework.name): \(application)"
    let server = wsgiServers.first(where: scan.distributions.contains)
    if server == "gunicorn" {
      var launch = FirstLaunch(
        found, ["module = \"gunicorn\"", "arguments = \(tomlList([application]))"])
      launch.request = FirstRequest(.arguments(["--bind", "127.0.0.1:{port}"]), path)
      return launch
    }
    if server == "waitress" {
      let starter = Starter.waitress(application, isFactory: source.isFactory)
      return FirstLaunch(found, starter, FirstRequest(.arguments(["--port={port}"]), path))
    }
    var launch = FirstLaunch(
      found, ["module = \"flask\"", "arguments = \(tomlList(["--app", application, "run"]))"])
    launch.request = FirstRequest(.arguments(["--port", "{port}"]), path)
    launch.advice =
      "[launch] Flask's own server is meant for development: add gunicorn or waitress to the dependencies"
    return launch
  }

  private static func streamlit(_ scan: ProjectScan, _ source: PythonSource) -> FirstLaunch {
    var launch = FirstLaunch(
      "Streamlit: \(source.file)",
      [
        "module = \"streamlit\"",
        "arguments = \(tomlList(["run", "{data}/\(source.file)", "--server.headless=true"]))",
      ])
    launch.request = FirstRequest(.arguments(["--server.port={port}"]), "/_stcore/health")
    return launch
  }

  private static func django(_ scan: ProjectScan, _ settings: String) -> FirstLaunch {
    let package = settings.split(separator: ".").dropLast().joined(separator: ".")
    let server = (asgiServers.prefix(1) + wsgiServers).first(where: scan.distributions.contains)
    let starter = Starter.django(settings: settings, package: package, server: server)
    let port =
      switch server {
      case "uvicorn": ["--port", "{port}"]
      case "gunicorn": ["--bind", "127.0.0.1:{port}"]
      case "waitress": ["--port={port}"]
      default: ["127.0.0.1:{port}"]
      }
    let request = FirstRequest(.arguments(port), djangoPath(scan, package))
    var launch = FirstLaunch("Django: \(settings)", starter, request)
    if server == nil {
      launch.advice =
        "[launch] Django's own server is meant for development: add uvicorn, gunicorn or waitress to the "
        + "dependencies"
    }
    return launch
  }

  /// A path of the project's own URLs. The administrator's login page needs no database table.
  private static func djangoPath(_ scan: ProjectScan, _ package: String) -> String? {
    let file = package.split(separator: ".").joined(separator: "/") + "/urls.py"
    let source = PythonText(scan.text(file))
    let paths = source.literals(after: " path(").map(\.literal)
    if let health = chosenPath(paths.map { "/\($0)" }.filter { $0 != "/" }) { return health }
    if paths.contains("admin/") { return "/admin/login/" }
    return paths.contains("") ? "/" : nil
  }

  private init(_ found: String, _ starter: Starter, _ request: FirstRequest) {
    self.init(found, ["script = \(tomlText(Starter.name))"])
    script = Starter.name
    self.starter = starter
    self.request = request
  }
}

extension Framework {
  /// Whether its applications are servers.
  var isServer: Bool { kind != .celery && kind != .command }
}

/// The request by which a first spec tests a server.
struct FirstRequest: Sendable {
  /// How the server learns its port.
  enum Port: Sendable {
    case arguments([String])
    case variable(String)
    case fixed(Int)
  }

  let port: Port
  /// Nil if no path is known to answer.
  let path: String?

  init(_ port: Port, _ path: String?) {
    self.port = port
    self.path = path
  }

  /// The keys of `[smoke.http]`.
  var lines: [String] {
    let first =
      switch port {
      case .arguments(let arguments): "arguments = \(tomlList(arguments))"
      case .variable(let name): "environment = { \(name) = \"{port}\" }"
      case .fixed(let number): "port = \(number)"
      }
    guard let path else { return [first, "path = \"/\"", "status = 404  # nothing answers '/'"] }
    return path == "/" ? [first] : [first, "path = \(tomlText(path))"]
  }

  /// For the user, such as "GET /health, with --port {port}".
  var shown: String {
    let way =
      switch port {
      case .arguments(let arguments): "with \(arguments.joined(separator: " "))"
      case .variable(let name): "with \(name)={port}"
      case .fixed(let number): "at port \(number)"
      }
    return "GET \(path ?? "/ (status 404)"), \(way)"
  }
}
