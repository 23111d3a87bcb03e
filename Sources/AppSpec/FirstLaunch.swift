/// How the server of a project is started, as far as its directory tells.
struct FirstLaunch {
  /// What was found, for its user.
  let found: String
  /// The keys of `[launch]`.
  let lines: [String]
  /// The keys of `[smoke.http]`; empty where it is not known how the server gets its port.
  var smoke: [String] = []
  /// The script that is started, which needs no `[[data]]`.
  var script: String? = nil
  var advice: String? = nil

  init?(_ scan: ProjectScan) {
    let application = scan.sources.first { $0.framework != nil }
    if let (name, function) = FirstLaunch.consoleScript(scan) {
      self.init("console script \(name): \(function)", ["function = \(tomlText(function))"])
    } else if let settings = djangoSettings(inManage: scan.text("manage.py")) {
      self = FirstLaunch.django(scan, settings)
    } else if let application, FirstLaunch.startsItself(application, scan) {
      self = FirstLaunch.script(application.file, application.framework?.rawValue)
    } else if let application, application.framework == .fastAPI {
      self = FirstLaunch.fastAPI(scan, application)
    } else if let application {
      self = FirstLaunch.flask(scan, application)
    } else if let package = scan.packages.first(where: { scan.has("\($0)/__main__.py") }) {
      self.init("package \(package)", ["module = \(tomlText(package))"])
    } else if let source = scan.sources.first(where: { $0.hasMain && !$0.file.contains("/") }) {
      self = FirstLaunch.script(source.file, nil)
    } else {
      return nil
    }
  }

  private init(_ found: String, _ lines: [String]) {
    self.found = found
    self.lines = lines
  }

  /// A server that its file starts when it is run. Installed code is not at hand as a script.
  private static func startsItself(_ source: PythonSource, _ scan: ProjectScan) -> Bool {
    source.hasMain && !source.file.contains("/") && !scan.isInstallable
  }

  private static func script(_ file: String, _ framework: String?) -> FirstLaunch {
    var launch = FirstLaunch(
      framework.map { "\($0): \(file)" } ?? "script \(file)", ["script = \(tomlText(file))"])
    launch.script = file
    return launch
  }

  /// The one of the project's own name, else the first.
  private static func consoleScript(_ scan: ProjectScan) -> (name: String, function: String)? {
    guard scan.isInstallable, let project = scan.project else { return nil }
    // "package.module:function [extra]" is allowed, but not in a spec.
    let scripts = project.scripts.map {
      (name: $0.name, function: trimmed($0.function.prefix { $0 != "[" }))
    }
    .filter { script in
      let parts = script.function.split(separator: ":", omittingEmptySubsequences: false)
      return parts.count == 2 && parts.allSatisfy { isDottedName(String($0)) }
    }
    return scripts.first { $0.name == project.name } ?? scripts.first
  }

  // MARK: Servers

  private static func fastAPI(_ scan: ProjectScan, _ source: PythonSource) -> FirstLaunch {
    let application = "\(source.module):\(source.application)"
    var arguments = [application, "--host", "127.0.0.1"]
    if source.isFactory { arguments.insert("--factory", at: 1) }
    var launch = FirstLaunch(
      "FastAPI: \(application)", ["module = \"uvicorn\"", "arguments = \(list(arguments))"])
    launch.smoke = ["arguments = [\"--port\", \"{port}\"]"]
    if !source.answersRoot && !source.hidesDescription {
      launch.smoke.append("path = \"/openapi.json\"")
    }
    if source.hidesDescription && !source.answersRoot {
      launch.smoke.append("path = \"/\"  # what answers with status 200?")
      launch.advice = "[smoke.http] give a path that answers with status 200"
    }
    if !scan.distributions.contains("uvicorn") {
      launch.advice = "[dependencies] uvicorn, which starts the server, is not among them: add it"
    }
    return launch
  }

  private static func flask(_ scan: ProjectScan, _ source: PythonSource) -> FirstLaunch {
    let name = source.isFactory ? "\(source.application)()" : source.application
    let application = "\(source.module):\(name)"
    let found = "Flask: \(application)"
    let path = source.answersRoot ? [] : ["path = \"/\"", "status = 404  # nothing answers '/'"]
    if scan.distributions.contains("gunicorn") {
      var launch = FirstLaunch(
        found, ["module = \"gunicorn\"", "arguments = \(list([application]))"])
      launch.smoke = ["arguments = [\"--bind\", \"127.0.0.1:{port}\"]"] + path
      return launch
    }
    if scan.distributions.contains("waitress") {
      return FirstLaunch(
        found,
        ["module = \"waitress\"", "arguments = \(list(["--listen=127.0.0.1:8000", application]))"])
    }
    var launch = FirstLaunch(
      found, ["module = \"flask\"", "arguments = \(list(["--app", application, "run"]))"])
    launch.smoke = ["arguments = [\"--port\", \"{port}\"]"] + path
    launch.advice =
      "[launch] Flask's own server is meant for development: add gunicorn or waitress to the dependencies"
    return launch
  }

  private static func django(_ scan: ProjectScan, _ settings: String) -> FirstLaunch {
    let package = settings.split(separator: ".").dropLast().joined(separator: ".")
    let prefix = package.isEmpty ? "" : "\(package)."
    let found = "Django: \(settings)"
    if scan.distributions.contains("uvicorn") {
      return FirstLaunch(
        found,
        [
          "module = \"uvicorn\"",
          "arguments = \(list(["\(prefix)asgi:application", "--host", "127.0.0.1"]))",
        ])
    }
    if scan.distributions.contains("gunicorn") {
      return FirstLaunch(
        found, ["module = \"gunicorn\"", "arguments = \(list(["\(prefix)wsgi:application"]))"])
    }
    if scan.distributions.contains("waitress") {
      return FirstLaunch(
        found,
        [
          "module = \"waitress\"",
          "arguments = \(list(["--listen=127.0.0.1:8000", "\(prefix)wsgi:application"]))",
        ])
    }
    var launch = FirstLaunch(
      found, ["script = \"manage.py\"", "arguments = \(list(["runserver", "--noreload"]))"])
    launch.script = "manage.py"
    launch.advice =
      "[launch] Django's own server is meant for development: add uvicorn, gunicorn or waitress to the "
      + "dependencies"
    return launch
  }

  private static func list(_ texts: [String]) -> String {
    "[" + texts.map(tomlText).joined(separator: ", ") + "]"
  }
}
