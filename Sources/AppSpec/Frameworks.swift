/// A Python framework that a first spec knows how to start.
struct Framework: Sendable {
  enum Kind: Sendable {
    case asgi, wsgi
    /// A script that starts a server itself.
    case script
    case dash, streamlit, celery
    /// A command-line program.
    case command
  }

  /// The name as its users write it.
  let name: String
  let kind: Kind
  /// Its import names.
  let modules: Set<String>
  /// The classes of its application objects; empty if its scripts create none.
  let classes: Set<String>
  /// A path that answers with status 200 in each application, unless switched off.
  var description: String? = nil
  /// The environment variable that tells its server the port.
  var portVariable: String? = nil

  /// In order of preference, for a file that imports several.
  static let all = [
    Framework(
      name: "FastAPI", kind: .asgi, modules: ["fastapi"], classes: ["FastAPI"],
      description: "/openapi.json"),
    Framework(
      name: "Litestar", kind: .asgi, modules: ["litestar"], classes: ["Litestar"],
      description: "/schema/openapi.json"),
    Framework(name: "Quart", kind: .asgi, modules: ["quart"], classes: ["Quart"]),
    Framework(name: "Starlette", kind: .asgi, modules: ["starlette"], classes: ["Starlette"]),
    Framework(
      name: "Dash", kind: .dash, modules: ["dash"], classes: ["Dash"], description: "/",
      portVariable: "PORT"),
    Framework(name: "Flask", kind: .wsgi, modules: ["flask"], classes: ["Flask"]),
    Framework(name: "aiohttp", kind: .script, modules: ["aiohttp"], classes: ["Application"]),
    Framework(
      name: "Gradio", kind: .script, modules: ["gradio"],
      classes: ["Interface", "Blocks", "ChatInterface", "TabbedInterface"], description: "/",
      portVariable: "GRADIO_SERVER_PORT"),
    Framework(
      name: "Streamlit", kind: .streamlit, modules: ["streamlit"], classes: [],
      description: "/_stcore/health"),
    Framework(name: "Celery", kind: .celery, modules: ["celery"], classes: ["Celery"]),
    Framework(name: "Typer", kind: .command, modules: ["typer"], classes: ["Typer"]),
  ]

  /// Modules that serve applications of any framework, or have one of their own.
  static let servers: Set = [
    "bottle", "cherrypy", "granian", "hypercorn", "sanic", "tornado", "uvicorn", "waitress",
    "werkzeug",
  ]

  /// Calls that start a server, if the source uses a framework or a server's module: `subprocess.run(` alone starts
  /// none.
  static let runners = ["hypercorn", "serve(", "run_app(", ".run(", ".launch(", ".listen("]

  /// The ports of servers that are not told one.
  static let defaultPorts: [(call: String, port: Int)] = [
    ("uvicorn.run(", 8000), ("run_app(", 8080), ("waitress", 8080), ("flask", 5000),
    ("quart", 5000),
  ]

  /// Whether `call`, such as "fastapi.FastAPI", makes an application.
  func makes(_ call: Substring) -> Bool {
    call.split(separator: ".").last.map { classes.contains(String($0)) } ?? false
  }

  func isMade(in source: PythonText) -> Bool {
    classes.contains { source.contains("\($0)(") }
  }
}

/// An application that is itself a distribution. The project has no code of its own, but requires it.
struct KnownApplication: Sendable {
  let distribution: String
  /// The keys of `[launch]`.
  let launch: [String]
  let request: FirstRequest

  /// In order of preference, for a project that requires several.
  static let all = [
    KnownApplication(
      distribution: "datasette", launch: ["module = \"datasette\""],
      request: FirstRequest(.arguments(["--port", "{port}"]), "/-/versions.json")),
    KnownApplication(
      distribution: "jupyterlab", launch: ["function = \"jupyterlab.labapp:main\""],
      request: jupyter),
    KnownApplication(
      distribution: "notebook", launch: ["function = \"notebook.app:main\""], request: jupyter),
    KnownApplication(
      distribution: "jupyter-server", launch: ["function = \"jupyter_server.serverapp:main\""],
      request: jupyter),
    KnownApplication(
      distribution: "mlflow", launch: ["module = \"mlflow\"", "arguments = [\"server\"]"],
      request: FirstRequest(.arguments(["--port", "{port}", "--workers", "1"]), "/health")),
  ]

  /// Root can start it only with `--allow-root`, and the build may run as root.
  private static let jupyter = FirstRequest(
    .arguments(["--no-browser", "--allow-root", "--port={port}"]), "/api")
}
