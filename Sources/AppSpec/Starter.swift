/// A script that starts a project's server, if one line of `[launch]` cannot.
///
/// `onefold init` writes it beside the spec. From then on it belongs to the project.
struct Starter: Sendable {
  static let name = "onefold_start.py"

  let text: String

  private init(_ template: [UInt8], _ values: [(name: String, value: String)]) {
    text = values.reduce(String(decoding: template, as: UTF8.self)) { text, pair in
      text.replacing(pair.name, with: pair.value)
    }
  }

  /// `application` is "module:object" or, with `isFactory`, "module:function()".
  static func waitress(_ application: String, isFactory: Bool) -> Starter {
    let words = isFactory ? ["--call", String(application.dropLast("()".count))] : [application]
    let value = words.map { "\"\($0)\"" }.joined(separator: ", ")
    return Starter(PackageResources.start_waitress_py, [("@APPLICATION@", value)])
  }

  /// Runs the server or, if given one's name, a Django command.
  static func django(settings: String, package: String, server: String?) -> Starter {
    let prefix = package.isEmpty ? "" : "\(package)."
    let lines = serving(
      server, asgi: "\(prefix)asgi:application", wsgi: "\(prefix)wsgi:application")
    let indented = lines.map { $0.isEmpty ? "" : "    " + $0 }.joined(separator: "\n")
    return Starter(
      PackageResources.start_django_py, [("@SETTINGS@", settings), ("    @SERVE@", indented)])
  }

  private static func serving(_ server: String?, asgi: String, wsgi: String) -> [String] {
    switch server {
    case "uvicorn":
      ["from uvicorn import main", "", "main([\"\(asgi)\", *arguments])"]
    case "gunicorn":
      [
        "from gunicorn.app.wsgiapp import WSGIApplication", "",
        "class Server(WSGIApplication):",
        "    def init(self, parser, options, args):",
        "        super().init(parser, options, [\"\(wsgi)\"])",
        "", "Server(\"%(prog)s [OPTIONS]\").run()",
      ]
    case "waitress":
      [
        "from waitress.runner import run", "",
        "run([\"waitress-serve\", \"--host=127.0.0.1\", *arguments, \"\(wsgi)\"])",
      ]
    default: ["execute_from_command_line([sys.argv[0], \"runserver\", \"--noreload\", *arguments])"]
    }
  }
}
