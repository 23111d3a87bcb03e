import Posix
import TestSupport
import Testing

@testable import AppSpec

/// First specs for projects of each kind. Each is a spec without errors.
@Suite struct FirstSpecTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func write(_ files: [String: String]) throws {
    for (name, text) in files { try directory.write(name, text) }
  }

  /// Writes the first spec, and reads it.
  private func spec(_ files: [String: String], found: String, advice: [String] = []) throws -> Spec
  {
    try write(files)
    let first = try FirstSpec(for: directory.path, interpreter: "3.11")
    #expect(first.found == found)
    #expect(first.missing == [])
    #expect(first.advice == advice)
    try directory.write("onefold.toml", first.text)
    if let starter = first.starter { try directory.write(starter.name, starter.text) }
    #expect(directory.problems() == [])
    return try readSpec(directory.path)
  }

  private func text(_ name: String) throws -> String {
    String(decoding: try readBytes(directory(name), shown: name), as: UTF8.self)
  }

  private func sources(_ spec: Spec) -> [String] { spec.data.map { $0.source.value.string } }

  private func program(_ spec: Spec) -> String {
    switch spec.launch.program.value {
    case .module(let name): "module \(name)"
    case .function(let module, let name): "function \(module):\(name)"
    case .script(let path): "script \(path.string)"
    case .executable(let path): "executable \(path.string)"
    }
  }

  private static let fastAPI = "from fastapi import FastAPI\n\napp: FastAPI = FastAPI(title='x')\n"

  // MARK: FastAPI

  @Test func fastAPIWithoutAMain() throws {
    let spec = try spec(
      [
        "main.py": FirstSpecTests.fastAPI, "routes.py": "x = 1\n", "test_main.py": "",
        "setup.cfg": "",
        "requirements.txt": "# pinned\nfastapi==0.115.0\nuvicorn[standard]==0.30.0\n",
        "requirements-dev.txt": "pytest\n", "static/index.html": "", "tests/test_x.py": "",
        ".venv/pyvenv.cfg": "", "venv2/pyvenv.cfg": "", "venv2/x.py": "", "VERSION": "1.4\n",
        "core/__init__.py": "", "notes/readme.md": "",
      ], found: "FastAPI: main:app")
    #expect(program(spec) == "module uvicorn")
    #expect(spec.launch.arguments == ["main:app", "--host", "127.0.0.1"])
    #expect(sources(spec) == ["main.py", "routes.py", "core", "static"])
    #expect(spec.dependencies.requirements.map { $0.value.string } == ["requirements.txt"])
    #expect(spec.dependencies.project == nil)
    #expect(spec.app.version == "1.4")
    #expect(spec.python?.version?.value == "3.11")
    #expect(spec.smoke.http?.arguments == ["--port", "{port}"])
    #expect(spec.smoke.http?.path == "/openapi.json")
  }

  @Test func fastAPIThatStartsItself() throws {
    let main = FirstSpecTests.fastAPI + "if __name__ == \"__main__\":\n  uvicorn.run(app)\n"
    let spec = try spec(
      ["server.py": main, "requirements.txt": "fastapi[standard]\n"], found: "FastAPI: server.py")
    #expect(program(spec) == "script server.py")
    #expect(sources(spec) == [])
    #expect(spec.smoke.http?.port == 8000)
    #expect(spec.smoke.http?.path == "/openapi.json")
  }

  /// The ways in which a script learns its port.
  @Test(
    arguments: [
      ("import argparse\np.add_argument('--port', type=int)", ["--port", "{port}"], [], nil),
      ("@click.option(\n    \"-p\", \"--port\")", ["--port", "{port}"], [], nil),
      ("port=int(os.environ.get(\"PORT\", 80))", [], ["PORT={port}"], nil),
      ("port=int(os.getenv('APP_PORT'))", [], ["APP_PORT={port}"], nil),
      ("transport=5\nport=8081", [], [], 8081), ("# port=8081\n\"\"\"port=1\"\"\"", [], [], 8000),
    ] as [(String, [String], [String], Int?)])
  func portsOfScripts(_ text: String, _ arguments: [String], _ variables: [String], _ port: Int?)
    throws
  {
    let main = FirstSpecTests.fastAPI + text + "\nif __name__ == '__main__':\n  uvicorn.run(app)\n"
    let spec = try spec(
      ["server.py": main, "requirements.txt": "fastapi[standard]\n"], found: "FastAPI: server.py")
    let http = try #require(spec.smoke.http)
    #expect(http.arguments == arguments)
    #expect(http.environment.map { "\($0.name)=\($0.value)" } == variables)
    #expect(http.port == port)
  }

  /// Databases have ports too, and other things than servers have `.run(`.
  @Test func aScriptThatIsNoServer() throws {
    let script =
      "import argparse, subprocess\nsubprocess.run(['psql'])\nconnect(port=5432)\n"
      + "if __name__ == '__main__':\n  pass\n"
    let spec = try spec(["m.py": script, "requirements.txt": ""], found: "script m.py")
    #expect(spec.smoke.http == nil)
    #expect(spec.smoke.commands.map(\.arguments) == [["--help"]])
  }

  /// A reloader is for development.
  @Test func aScriptThatReloads() throws {
    let main =
      FirstSpecTests.fastAPI + "if __name__ == '__main__':\n  uvicorn.run('m:app', reload=True)\n"
    let spec = try spec(["m.py": main, "requirements.txt": "uvicorn\n"], found: "FastAPI: m:app")
    #expect(program(spec) == "module uvicorn")
  }

  /// The requested path: of a health check, else "/", else one that each application has, else none.
  @Test(
    arguments: [
      ("@app.get('/')\n@app.get(\"/api/health\")", "/api/health"),
      ("@app.get('/{x}')\n@app.get('/')", "/"), ("@other.get('/health')", "/openapi.json"),
      ("# @app.get('/health')", "/openapi.json"),
      ("app.mount('/', StaticFiles(directory='x', html=True))", "/"),
    ])
  func pathsOfRequests(_ text: String, _ path: String) throws {
    let spec = try spec(
      ["m.py": FirstSpecTests.fastAPI + text, "requirements.txt": "uvicorn\n"],
      found: "FastAPI: m:app")
    #expect(spec.smoke.http?.path == path)
  }

  /// As in Flask's tutorial: the views are in separate files, and "/" needs a database.
  @Test(
    arguments: [
      ("  app.add_url_rule('/', endpoint='index')\n  @app.route('/hello')\n", "", "/hello"),
      ("", "from shop import app\n@app.route('/', defaults={'x': 1})\n", "/"),
      ("", "from . import app\n@app.route('/')\n", "/"),
      ("", "from other import app\n@app.route('/')\n", nil),
    ] as [(String, String, String?)])
  func routesOfOtherFiles(_ routes: String, _ views: String, _ path: String?) throws {
    let spec = try spec(
      [
        "shop/__init__.py":
          "from flask import Flask\ndef create_app():\n  app = Flask(__name__)\n\(routes)",
        "shop/views.py": views, "requirements.txt": "flask\ngunicorn\n",
        "pyproject.toml": "[project]\nname = 'shop'\nversion = '1'\n",
      ], found: "Flask: shop:create_app()")
    #expect(spec.smoke.http?.path == path ?? "/")
    #expect(spec.smoke.http?.status == (path == nil ? 404 : 200))
    // The file cannot have the same name as the package's directory.
    #expect(spec.output.file?.value == "{name}.onefile")
  }

  // MARK: Other frameworks

  @Test(
    arguments: [
      (
        "from starlette.applications import Starlette\napp = Starlette(routes=[Route('/', f)])\n",
        "uvicorn", "Starlette: m:app", "module uvicorn", ["m:app", "--host", "127.0.0.1"], "/"
      ),
      (
        "import litestar\napp = litestar.Litestar([f])\n", "litestar[standard]", "Litestar: m:app",
        "module uvicorn", ["m:app", "--host", "127.0.0.1"], "/schema/openapi.json"
      ),
      (
        "from quart import Quart\napp = Quart(__name__)\n@app.route('/ping')\n", "quart",
        "Quart: m:app",
        "module hypercorn", ["m:app"], "/ping"
      ),
      (
        "from fastapi import FastAPI\napp = FastAPI()\n", "granian", "FastAPI: m:app",
        "module granian", ["--interface", "asgi", "m:app"], "/openapi.json"
      ),
      (
        "from aiohttp import web\napp = web.Application()\napp.router.add_get('/health', f)\n"
          + "if __name__ == '__main__':\n    web.run_app(app)\n", "aiohttp", "aiohttp: m.py",
        "script m.py", [], "/health"
      ),
      (
        "import gradio as gr\nwith gr.Blocks() as demo:\n    pass\ndemo.launch()\n", "gradio",
        "Gradio: m.py", "script m.py", [], "/"
      ),
      (
        "import streamlit as st\nst.write(1)\n", "streamlit", "Streamlit: m.py", "module streamlit",
        ["run", "{data}/m.py", "--server.headless=true"], "/_stcore/health"
      ),
      (
        "from dash import Dash\napp = Dash(__name__)\nif __name__ == '__main__':\n    app.run()\n",
        "dash",
        "Dash: m.py", "script m.py", [], "/"
      ),
      (
        "from dash import Dash\napp = Dash(__name__)\nserver = app.server\n"
          + "if __name__ == '__main__':\n    app.run()\n", "dash\ngunicorn", "Dash: m:server",
        "module gunicorn", ["m:server"], "/"
      ),
      (
        "from celery import Celery\nqueue = Celery('m')\n", "celery", "Celery: m:queue",
        "module celery", ["-A", "m:queue", "worker"], nil
      ),
    ] as [(String, String, String, String, [String], String?)])
  func frameworks(
    _ source: String, _ requirements: String, _ found: String, _ program: String,
    _ arguments: [String], _ path: String?
  ) throws {
    let spec = try spec(["m.py": source, "requirements.txt": requirements], found: found)
    #expect(self.program(spec) == program)
    #expect(spec.launch.arguments == arguments)
    #expect(spec.smoke.http?.path == path)
    if path == nil { #expect(spec.smoke.commands.map(\.arguments) == [["--help"]]) }
  }

  @Test(
    arguments: [
      ("datasette", "module datasette", "/-/versions.json"),
      ("jupyterlab", "function jupyterlab.labapp:main", "/api"),
      ("jupyter_server", "function jupyter_server.serverapp:main", "/api"),
      ("mlflow", "module mlflow", "/health"),
    ])
  func applicationsThatAreDistributions(_ name: String, _ program: String, _ path: String) throws {
    let spec = try spec(
      ["requirements.txt": "\(name)\n"], found: name.replacing("_", with: "-"))
    #expect(self.program(spec) == program)
    #expect(spec.smoke.http?.path == path)
  }

  @Test func aProgramOfTheCommandLine() throws {
    let source = "import typer\napp = typer.Typer()\nif __name__ == '__main__':\n    app()\n"
    let spec = try spec(["m.py": source, "requirements.txt": "typer\n"], found: "Typer: m.py")
    #expect(spec.smoke.commands.map(\.arguments) == [["--help"]])
    #expect(spec.smoke.http == nil)
  }

  @Test func aNodeServer() throws {
    try write([
      "package.json": "{\"main\": \"index.js\", \"scripts\": {\"start\": \"node ./server.js\"}}",
      "server.js": "app.get('/health', f); app.listen(process.env.PORT || 3000)\n",
      "node_modules/x/index.js": "", "node": "",
    ])
    let first = try FirstSpec(
      for: directory.path, interpreter: "3.11", node: directory("node").string)
    #expect(first.found == "Node.js: server.js")
    try directory.write("onefold.toml", first.text)
    let spec = try readSpec(directory.path)
    #expect(program(spec) == "executable bin/node")
    #expect(spec.launch.arguments == ["{root}/server.js"])
    #expect(spec.python == nil)
    #expect(
      spec.data.map { $0.target.value.string } == [
        "node", "node_modules", "package.json", "server.js", "bin/node",
      ])
    #expect(spec.smoke.http?.path == "/health")
    #expect(spec.smoke.http?.environment.map(\.name) == ["PORT"])
  }

  @Test func fastAPIBelowAPackage() throws {
    let main = FirstSpecTests.fastAPI + "@app.get('/')\ndef root(): pass\n"
    let spec = try spec(
      ["app/main.py": main, "app/__init__.py": "", "requirements.txt": "fastapi\n"],
      found: "FastAPI: app.main:app",
      advice: ["[dependencies] uvicorn, which starts the server, is not among them: add it"])
    #expect(spec.launch.arguments.first == "app.main:app")
    #expect(sources(spec) == ["app"])
    #expect(spec.smoke.http?.path == "/")
  }

  @Test func fastAPIFactoryInSrc() throws {
    let spec = try spec(
      [
        "src/shop/web.py":
          "from fastapi import FastAPI\ndef create_app():\n  app = FastAPI()\n  return app\n",
        "requirements.lock.txt": "uvicorn==1\n", "requirements.txt": "flask\n",
      ], found: "FastAPI: shop.web:create_app")
    #expect(spec.launch.arguments == ["shop.web:create_app", "--factory", "--host", "127.0.0.1"])
    #expect(spec.data.map { "\($0.source.value.string)=\($0.target.value.string)" } == ["src="])
    #expect(spec.dependencies.requirements.map { $0.value.string } == ["requirements.lock.txt"])
  }

  // MARK: Flask

  private static let flask = "import flask\napp = flask.Flask(__name__)\n"

  @Test(
    arguments: [
      ("gunicorn", "module gunicorn", ["app:app"], ["--bind", "127.0.0.1:{port}"]),
      ("waitress", "script onefold_start.py", [], ["--port={port}"]),
    ] as [(String, String, [String], [String]?)])
  func flask(_ server: String, _ program: String, _ arguments: [String], _ smoke: [String]?) throws
  {
    let spec = try spec(
      [
        "app.py": FirstSpecTests.flask, "requirements.txt": "Flask==3.0\n\(server)\n",
        "templates/x.html": "",
      ], found: "Flask: app:app")
    #expect(self.program(spec) == program)
    #expect(spec.launch.arguments == arguments)
    #expect(sources(spec) == ["app.py", "templates"])
    #expect(spec.smoke.http?.arguments == smoke)
    if smoke != nil { #expect(spec.smoke.http?.status == 404) }
  }

  @Test func flaskAlone() throws {
    let source =
      "from flask import Flask\ndef create_app():\n  app = Flask(__name__)\n  @app.route(\"/\")\n"
    let spec = try spec(
      ["wsgi.py": source, "requirements.txt": "Flask==3.0\n"], found: "Flask: wsgi:create_app()",
      advice: [
        "[launch] Flask's own server is meant for development: add gunicorn or waitress to the dependencies"
      ])
    #expect(program(spec) == "module flask")
    #expect(spec.launch.arguments == ["--app", "wsgi:create_app()", "run"])
    #expect(spec.smoke.http?.status == 200)
  }

  // MARK: Django

  private static let manage = """
    def main():
        os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')
    if __name__ == '__main__':
        main()
    """

  @Test(
    arguments: [
      ("uvicorn", "site.asgi:application", ["--port", "{port}"]),
      ("gunicorn", "site.wsgi:application", ["--bind", "127.0.0.1:{port}"]),
      ("waitress", "site.wsgi:application", ["--port={port}"]),
    ])
  func django(_ server: String, _ application: String, _ arguments: [String]) throws {
    let spec = try spec(
      [
        "manage.py": FirstSpecTests.manage, "site/settings.py": "", "polls/models.py": "",
        "requirements/base.txt": "Django==5.2\n\(server)==1 ; python_version > '3'\n",
        "requirements/dev.txt": "pytest\n",
        "staticfiles/x": "",
        "templates/x": "",
      ], found: "Django: site.settings")
    #expect(program(spec) == "script onefold_start.py")
    let starter = try FirstSpec(for: directory.path, interpreter: "3.11")
    #expect(starter.starter == nil)  // It exists now.
    #expect(try text("onefold_start.py").contains("\"\(application)\""))
    #expect(spec.smoke.http?.arguments == arguments)
    #expect(sources(spec) == ["polls", "site", "staticfiles", "templates"])
  }

  @Test func djangoAlone() throws {
    let spec = try spec(
      [
        "manage.py": FirstSpecTests.manage, "site/settings.py": "",
        "site/urls.py":
          "\"\"\"\n    path('', views.home)\n\"\"\"\nurlpatterns = [\n    path('admin/', s),\n]\n",
        "requirements.txt": "Django==5.2\n",
      ],
      found: "Django: site.settings",
      advice: [
        "[launch] Django's own server is meant for development: add uvicorn, gunicorn or waitress to the "
          + "dependencies"
      ])
    #expect(program(spec) == "script onefold_start.py")
    #expect(spec.smoke.http?.arguments == ["127.0.0.1:{port}"])
    #expect(spec.smoke.http?.path == "/admin/login/")
  }

  // MARK: Locks

  @Test(arguments: ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock"])
  func aLockIsNamed(_ lock: String) throws {
    let script = "if __name__ == '__main__':\n    pass\n"
    let spec = try spec([lock: "", "main.py": script], found: "script main.py")
    #expect(spec.dependencies.lock?.value.string == lock)
    #expect(spec.dependencies.project == nil && spec.dependencies.requirements.isEmpty)
  }

  @Test(
    arguments: [
      ("[tool.uv]\npackage = false\n", "uv.lock"),
      ("[tool.poetry]\nname = 'app'\npackage-mode = false\n", "poetry.lock"), ("", "uv.lock"),
    ] as [(String, String)])
  func aProjectThatIsNoPackageIsNotInstalled(_ more: String, _ lock: String) throws {
    let project = "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.11'\n"
    let spec = try spec(
      [
        lock: "", "requirements.txt": "flask\n", "pyproject.toml": project + more,
        "main.py": "if __name__ == '__main__':\n    pass\n",
      ], found: "script main.py")
    #expect(spec.dependencies.lock?.value.string == lock)
    #expect(spec.dependencies.project == nil && spec.dependencies.requirements.isEmpty)
  }

  // MARK: Packages and scripts

  @Test func aPackageWithAConsoleScript() throws {
    let spec = try spec(
      [
        "pyproject.toml": """
        [project]
        name = "shop"
        version = "2.1"
        requires-python = ">=3.12"
        dependencies = ["fastapi", "uvicorn"]
        [project.scripts]
        shop-admin = "shop.admin:main"
        shop = "shop.cli:app.run [extra]"
        [build-system]
        requires = ["hatchling"]
        """, "src/shop/cli.py": FirstSpecTests.fastAPI, "static/x": "",
      ], found: "console script shop: shop.cli:app.run")
    #expect(program(spec) == "function shop.cli:app.run")
    #expect(spec.app.name.value == "shop" && spec.app.version == "2.1")
    #expect(spec.python?.version?.value == "3.12")
    #expect(spec.dependencies.project?.value.string == ".")
    #expect(sources(spec) == ["static"])
  }

  @Test func aPoetryProject() throws {
    let spec = try spec(
      [
        "pyproject.toml": """
        [tool.poetry]
        name = "shop"
        version = "2.1"
        [tool.poetry.dependencies]
        python = "^3.10"
        flask = "^3.0"
        gunicorn = "*"
        [build-system]
        requires = ["poetry-core"]
        """, "shop/__init__.py": FirstSpecTests.flask,
      ], found: "Flask: shop:app")
    #expect(program(spec) == "module gunicorn")
    #expect(spec.app.version == "2.1" && sources(spec) == [])
    #expect(spec.python?.version?.value == "3.11")
  }

  @Test func aPackageThatCanBeRun() throws {
    let spec = try spec(
      ["shop/__main__.py": "", "requirements.txt": "", ".python-version": "3.12.4\n"],
      found: "package shop")
    #expect(program(spec) == "module shop")
    #expect(spec.python?.version?.value == "3.12.4")
  }

  @Test func aScript() throws {
    let spec = try spec(
      [
        "run.py": "import helper\nif __name__ == '__main__':\n  pass\n", "helper.py": "",
        "requirements.txt": "",
      ], found: "script run.py")
    #expect(program(spec) == "script run.py")
    #expect(sources(spec) == ["helper.py"])
  }

  @Test func dynamicVersions() throws {
    let project = "[project]\nname = 'n'\ndynamic = ['version']\n[build-system]\n"
    let files = ["pyproject.toml": project, "n/__main__.py": ""]
    let spec = try spec(
      files, found: "package n",
      advice: ["[app] the project's version is dynamic; give it as text or from a file"])
    #expect(spec.app.version == "")
    try directory.makeDirectory(".git")
    let text = try FirstSpec(for: directory.path, interpreter: nil).text
    #expect(text.contains("\nversion = { git = true }\n"))
  }

  @Test func dependenciesOfAProjectThatIsNoPackage() throws {
    let spec = try spec(
      [
        "pyproject.toml":
          "[project]\nname = 'n'\ndependencies = ['fastapi>=0.1', 'uvicorn[standard] ; python_version > \"3\"']\n",
        "main.py": FirstSpecTests.fastAPI, "other.py": "",
      ], found: "FastAPI: main:app")
    #expect(
      spec.dependencies.packages.map(\.value) == [
        "fastapi>=0.1", "uvicorn[standard] ; python_version > \"3\"",
      ])
  }

  @Test func dependenciesOfPoetryWithoutAPackage() throws {
    let spec = try spec(
      [
        "pyproject.toml": """
        [tool.poetry]
        package-mode = false
        [tool.poetry.dependencies]
        python = "^3.11"
        flask = "^3.0"
        gunicorn = { version = "*", extras = ["gevent"], markers = "sys_platform != 'win32'" }
        extra = { version = "1", optional = true }
        """, "main.py": FirstSpecTests.flask,
      ], found: "Flask: main:app")
    #expect(
      spec.dependencies.packages.map(\.value) == [
        "flask>=3.0,<4", "gunicorn[gevent] ; sys_platform != 'win32'",
      ])
    #expect(program(spec) == "module gunicorn")
  }

  @Test func aDependencyOfPoetryFromElsewhere() throws {
    try write([
      "pyproject.toml":
        "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nx = { path = '../x' }\n",
      "main.py": FirstSpecTests.fastAPI,
    ])
    let first = try FirstSpec(for: directory.path, interpreter: "3.11")
    #expect(
      first.missing == [
        "[dependencies] x, whose source in pyproject.toml is not an index: lock the project, or name it in a "
          + "requirements file"
      ])
  }

  @Test(
    arguments: [
      ("^1.2.3", ">=1.2.3,<2"), ("^0.2.3", ">=0.2.3,<0.3"), ("^0.0.3", ">=0.0.3,<0.0.4"),
      ("^0", ">=0,<1"),
      ("~1.2.3", ">=1.2.3,<1.3"), ("~1", ">=1,<2"), ("~=1.2", "~=1.2"), ("1.2", "==1.2"), ("*", ""),
      (">=1, <2", ">=1,<2"), (">= 1", ">=1"), ("1.*", "==1.*"), ("^1 || ^2", nil),
    ] as [(String, String?)])
  func versionsOfPoetry(_ version: String, _ specifier: String?) {
    #expect(poetryVersion(version) == specifier)
  }

  @Test func aScriptWithInlineMetadata() throws {
    let script =
      "# /// script\n# requires-python = '>=3.12'\n# dependencies = ['httpx']\n# ///\nimport httpx\n"
    let spec = try spec(["hello.py": script], found: "script hello.py")
    #expect(program(spec) == "script hello.py")
    #expect(spec.dependencies.script?.value.string == "hello.py")
    #expect(spec.python?.version?.value == "3.12")
  }

  // MARK: Projects with few clues

  @Test func anEmptyDirectory() throws {
    let first = try FirstSpec(for: directory.path, interpreter: nil)
    #expect(first.found == nil)
    #expect(
      first.missing == [
        "[python] which version of Python it needs",
        "[launch] what to start: no server and no script was found",
      ])
    #expect(
      first.advice == ["[dependencies] no requirements file was found, so nothing is installed"])
    #expect(
      try directory.problems(first.text).map { $0.drop { $0 != " " } } == [
        " one of 'python.version', 'python.prefix' or 'python.archive' is needed",
        " one of 'launch.module', 'launch.function', 'launch.script' or 'launch.executable' is needed",
      ])
    // The suggestions are right: without their comment marks and the explanations, this is a valid spec.
    let text = first.text.replacing("# version = \"3.12\"", with: "version = \"3.12\"")
      .replacing("# module =", with: "module =")
    #expect(try directory.problems(text) == [])
  }

  @Test func importsThatNoDependencyProvides() throws {
    let code = [
      "from __future__ import annotations",
      "import os, yaml as y, numpy.linalg",
      "from celery import (",
      "    Celery,",
      ")",
      "from . import sibling",
      "from helpers import x",
      "import core.deep",
      "\"\"\"",
      "import docs",
      "\"\"\"",
      "try:",
      "    import ujson",
      "except ImportError:",
      "    import simplejson",
      "if os.name == \"nt\":",
      "    import win32api",
      "def later():",
      "    import requests",
      "    if True:",
      "        import pandas",
      "if __name__ == \"__main__\":",
      "    import uvicorn",
      "app = Celery(\"tasks\")",
    ].joined(separator: "\n")
    try write([
      "tasks.py": code, "helpers.py": "import flask\n", "core/__init__.py": "",
      "core/deep.py": "import near\n", "core/near.py": "",
    ])
    func first() throws -> FirstSpec {
      try FirstSpec(
        for: directory.path, interpreter: "3.11", standardLibrary: ["__future__", "os"])
    }
    let names = "celery, flask, numpy, requests, uvicorn and yaml"
    let cure = "name the distributions that have them"
    let found = try first()
    #expect(found.missing == [])
    #expect(
      found.advice == [
        "[dependencies] no requirements file was found, but the code imports \(names): \(cure)"
      ])
    let comment = "# The code imports \(names), which no dependency provides: \(cure).\n"
    #expect(found.text.contains("\n[dependencies]\n\(comment)# requirements = "))
    #expect(try directory.problems(found.text) == [])
    // A list of dependencies suppresses the advice, and so does a build that can know them.
    try directory.write("requirements.txt", "celery\n")
    #expect(try first().advice == [])
    try directory.remove("requirements.txt")
    try directory.write("requirements.txt", "# none\n")
    try directory.write("setup.py", "")
    #expect(try first().advice == [])
  }

  @Test func aProjectThatListsNoDependency() throws {
    let project = "[build-system]\nrequires = []\n[project]\nname = 'x'\nversion = '1'\n"
    try directory.write("x/__init__.py", "import flask\n")
    func advice(_ more: String) throws -> [String] {
      try directory.remove("pyproject.toml")
      try directory.write("pyproject.toml", project + more)
      return try FirstSpec(
        for: directory.path, interpreter: "3.11", standardLibrary: ["os"]
      ).advice
    }
    #expect(
      try advice("") == [
        "[dependencies] pyproject.toml lists no dependency, but the code imports flask: name the distributions that "
          + "have it"
      ])
    #expect(try advice("dependencies = ['flask']\n") == [])
    #expect(try advice("dynamic = ['dependencies']\n") == [])
  }

  @Test(arguments: ["my server", "-x", "...", "\u{E9}t\u{E9}", "a"])
  func namesOfDirectories(_ name: String) throws {
    try directory.makeDirectory(name)
    let first = try FirstSpec(for: directory(name), interpreter: "3.11")
    let line = first.text.split(separator: "\n").first { $0.hasPrefix("name = ") }
    let found = String(try #require(line).dropFirst("name = \"".count).dropLast())
    #expect(isApplicationName(found))
  }

  @Test func suggestionsAreKeysOfTheSchema() throws {
    let first = try FirstSpec(for: directory.path, interpreter: nil)
    var table = ""
    for line in first.text.split(separator: "\n") {
      if line.hasPrefix("[") || line.hasPrefix("# [") {
        table = line.filter { !"#[] ".contains($0) }
      } else if line.hasPrefix("# "), let equals = line.firstRange(of: " = ") {
        let key = line[..<equals.lowerBound].dropFirst(2)
        #expect(Schema.table(table)?.keys.contains { $0.name == key } == true, "\(line)")
      }
    }
  }

  @Test func brokenProjectsAreErrors() throws {
    try directory.write("pyproject.toml", "[project")
    #expect(throws: SpecError.self) { try FirstSpec(for: directory.path, interpreter: nil) }
    #expect(throws: SpecError.self) { try FirstSpec(for: directory("none"), interpreter: nil) }
  }

  // MARK: Versions of Python

  @Test(
    arguments: [
      (nil, "3.11", "3.11"), (nil, nil, nil), (">=3.9", "3.11", "3.11"), (">=3.12", "3.11", "3.12"),
      (">=3.9,<3.11", "3.11", "3.9"), (">=3.9, <3.12", "3.11", "3.11"),
      ("==3.10.*", "3.11", "3.10"),
      ("==3.11.*", "3.11", "3.11"), ("~=3.10", "3.11", "3.11"), ("^3.10", "3.11", "3.11"),
      (">=3.9", nil, "3.9"),
      (">=3", "3.11", "3.11"), ("!=3.11.0,>=3.9", "3.11", "3.11"), ("<3.10", "3.11", nil),
      ("<=3.11,>=3.8", "3.11", "3.11"), ("*", "3.11", "3.11"), (">3.8", "3.11", "3.11"),
    ] as [(String?, String?, String?)])
  func versionsOfPython(_ requirement: String?, _ interpreter: String?, _ expected: String?) {
    #expect(pythonVersion(for: requirement, interpreter: interpreter) == expected)
  }

  @Test func textsOfTOML() throws {
    let text = "a\"b\\c\u{1}\u{7F}\u{E9}\n"
    let table = try TOMLTable(parsing: [UInt8]("x = \(tomlText(text))\n".utf8), file: "f")
    #expect(table.string("x") == text)
  }
}
