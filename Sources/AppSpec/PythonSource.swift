/// What a Python source file says of the application in it, as far as lines at its top level tell.
struct PythonSource: Sendable {
  enum Framework: String, Sendable { case fastAPI = "FastAPI", flask = "Flask" }

  /// "package.module".
  let module: String
  /// Relative to the project.
  let file: String
  let framework: Framework?
  /// The name of the application object, or of the function that makes it.
  let application: String
  let isFactory: Bool
  /// Whether it does something when it is run as a script.
  let hasMain: Bool
  /// Whether some handler answers "/".
  let answersRoot: Bool
  /// Whether FastAPI's description of itself is switched off.
  let hidesDescription: Bool

  init(file: String, module: String, text: String) {
    self.file = file
    self.module = module
    let lines = text.split(whereSeparator: \.isNewline)
    hasMain = lines.contains { $0.hasPrefix("if __name__ ==") }
    answersRoot = [".get", ".route", ".api_route"].contains { call in
      text.contains("\(call)(\"/\"") || text.contains("\(call)('/'")
    }
    hidesDescription = text.contains("openapi_url=None")
    let objects = lines.lazy.compactMap(PythonSource.assignment)
    if let (name, framework) = objects.first {
      self.framework = framework
      application = name
      isFactory = false
      return
    }
    let hasFactory = lines.contains { $0.hasPrefix("def create_app(") }
    let made: Framework? =
      text.contains("FastAPI(") ? .fastAPI : text.contains("Flask(") ? .flask : nil
    framework = hasFactory ? made : nil
    application = "create_app"
    isFactory = hasFactory
  }

  /// "app = FastAPI(...", also with an annotation or the module's name.
  private static func assignment(_ line: Substring) -> (String, Framework)? {
    guard let equals = line.firstIndex(of: "="), line.first?.isWhitespace == false else {
      return nil
    }
    let name = trimmed(line[..<equals].prefix { $0 != ":" })
    let value = trimmed(line[line.index(after: equals)...])
    guard isDottedName(name), !name.contains(".") else { return nil }
    if value.hasPrefix("FastAPI(") || value.hasPrefix("fastapi.FastAPI(") {
      return (name, .fastAPI)
    }
    if value.hasPrefix("Flask(") || value.hasPrefix("flask.Flask(") { return (name, .flask) }
    return nil
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

/// The version of Python, such as "3.11", that suits `requirement`, such as ">=3.9,<3.13": that of `interpreter`, a
/// version at hand, where it is one, else the lowest.
func pythonVersion(for requirement: String?, interpreter: String?) -> String? {
  guard let requirement else { return interpreter }
  var lowest: String? = nil
  var isSuited = true
  for part in requirement.split(separator: ",").map(trimmed) {
    let digits = trimmed(part.drop { !$0.isNumber })
    let limit = digits.split(separator: ".").prefix(2).compactMap { Int($0) }
    guard limit.first == 3, limit.count == 2 else { continue }
    if part.hasPrefix("<") {
      let isUpper = interpreter.map {
        minor($0) < limit[1] || part.hasPrefix("<=") && minor($0) == limit[1]
      }
      isSuited = isSuited && (isUpper ?? false)
    } else if !part.hasPrefix("!") {
      lowest = "3.\(limit[1])"
      isSuited = isSuited && (interpreter.map { minor($0) >= limit[1] } ?? false)
      if part.hasPrefix("==") { isSuited = isSuited && interpreter.map(minor) == limit[1] }
    }
  }
  return isSuited ? interpreter ?? lowest : lowest
}

private func minor(_ version: String) -> Int {
  version.split(separator: ".").dropFirst().first.flatMap { Int($0) } ?? 0
}
