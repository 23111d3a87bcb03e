import PayloadFormat
import Posix

// The tables that decide what starts, what it finds, and how it is tested and packed.

// MARK: Paths, [[data]]

extension SpecDecoder {
  /// Reports a path that does not exist or has the wrong kind. Returns whether the path is right.
  @discardableResult
  mutating func require(_ path: Located<Path>, _ key: String, _ kind: FileStatus.Kind?)
    -> Bool
  {
    let full = resolve(path.value)
    guard let found = status(of: full)?.kind else {
      report(
        path.place,
        "'\(key)': \(path.value.quoted.string) does not exist\(hint(full)); "
          + "paths start at the spec's directory")
      return false
    }
    if let kind, kind != found {
      report(
        path.place,
        "'\(key)': \(path.value.quoted.string) must be a \(kind == .file ? "file" : "directory")")
      return false
    }
    return true
  }

  /// A hint for a path that does not exist.
  private func hint(_ path: Path) -> String {
    if path.bytes.contains(UInt8(ascii: "~")) { return " ('~' is not replaced)" }
    guard let names = try? DirectoryHandle.current.names(in: path.parent) else { return "" }
    let texts = names.map { String(decoding: $0, as: UTF8.self) }.sorted()
    let name = String(decoding: path.lastComponent, as: UTF8.self)
    return nearest(to: name, in: texts).map { "; did you mean \(quoted($0))?" } ?? ""
  }

  mutating func patterns(_ key: String, _ table: SpecTable, _ path: String) -> [Located<String>] {
    let patterns = table.texts(key)
    for pattern in patterns
    where pattern.value.hasPrefix("/") || pattern.value.split(separator: "/").contains("..") {
      report(
        pattern.place,
        "'\(path).\(key)' holds patterns of relative paths, not \(quoted(pattern.value))")
    }
    return patterns
  }

  mutating func datum(_ table: SpecTable) -> Spec.Data? {
    guard let source = table.path("source") else { return nil }
    require(source, "data.source", nil)
    var target = table.path("target") ?? source
    let text =
      table.has("target")
      ? String(decoding: target.value.bytes, as: UTF8.self)
      : String(decoding: source.value.lastComponent, as: UTF8.self)
    guard let normalized = normalizedTreePath(text) else {
      let place = table.place(of: table.has("target") ? "target" : "source")
      report(
        place,
        "'data.target' must be a path below the root of data files, not \(quoted(text))")
      return nil
    }
    target.value = Path(normalized)
    return Spec.Data(source: source, target: target, exclude: patterns("exclude", table, "data"))
  }
}

// MARK: [launch]

extension SpecDecoder {
  mutating func launch() -> Spec.Launch? {
    guard let table = root.table("launch") else {
      if !root.has("launch") {
        report(
          root.place,
          "there is no table [launch]: give the 'module', 'function', 'script' or 'executable' to start"
        )
      }
      return nil
    }
    let keys = ["module", "function", "script", "executable"]
    let program = only(of: keys, table, "launch").flatMap { self.program($0, table, "launch") }
    let listen = listen(table)
    let commands = commands(keys)
    if let key = table.text("instance-key") {
      checkPlaceholders(key, "launch.instance-key")
      if !table.has("instance") {
        report(key.place, "'launch.instance-key' needs 'launch.instance'")
      }
    }
    let environment = environment(table, "launch.environment")
    for (_, value) in table.members("environment") {
      checkPlaceholders(value, "launch.environment")
    }
    for name in table.texts("unset") where !isVariableName(name.value) {
      report(name.place, "'launch.unset' holds names of variables, not \(quoted(name.value))")
    }
    guard let program else { return nil }
    var launch = Spec.Launch(program: program)
    launch.arguments = table.texts("arguments").map(\.value)
    launch.environment = environment
    launch.unset = table.texts("unset").map(\.value)
    launch.pythonOptions = table.texts("python-options").map(\.value)
    launch.isolate = table.boolean("isolate") ?? launch.isolate
    launch.passVariables = table.texts("pass-variables")
    for name in launch.passVariables where !isVariableName(name.value) {
      report(
        name.place, "'launch.pass-variables' holds names of variables, not \(quoted(name.value))")
    }
    launch.namedProcess = table.boolean("named-process") ?? launch.namedProcess
    launch.binOnPath = table.boolean("bin-on-path") ?? launch.binOnPath
    launch.pyinstaller = table.boolean("pyinstaller").map { $0 ? .yes : .no } ?? .auto
    launch.check = table.text("check").flatMap { CheckPolicy(named: $0.value.utf8) }
    launch.keep = table.integer("keep")?.value
    launch.dieWithParent =
      table.boolean("die-with-parent") == true
      ? .kill : table.text("die-with-parent").flatMap { ParentDeath(named: $0.value.utf8) }
    launch.reuse = table.boolean("reuse") ?? launch.reuse
    launch.listen = listen
    launch.instance = table.text("instance").flatMap { InstancePolicy(named: $0.value.utf8) }
    launch.instanceKey = table.text("instance-key")?.value ?? ""
    launch.commands = commands
    return launch
  }

  private mutating func listen(_ table: SpecTable) -> Spec.Launch.Listen? {
    guard let table = table.table("listen"), let address = table.text("address") else { return nil }
    var listen = Spec.Launch.Listen(address: address.value)
    listen.handover =
      table.text("handover").flatMap { Handover(named: $0.value.utf8) } ?? .descriptor
    listen.ifTaken = table.text("if-taken").flatMap { TakenAddress(named: $0.value.utf8) } ?? .fail
    checkPlaceholders(address, "launch.listen.address")
    // The value of a variable is known at launch only.
    guard !address.value.contains("{env:") else { return listen }
    do throws(Errno) {
      let parsed = try SocketAddress(parsing: Path(address.value))
      if parsed.isLocal && (listen.ifTaken == .free || listen.handover == .port) {
        report(
          address.place,
          "'launch.listen' can't use a port instead of a path: leave out 'if-taken' and 'handover'")
      }
    } catch {
      let reason =
        error == .nameTooLong
        ? "a path has 107 bytes at most"
        : "write PORT, ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH, with a numeric address"
      report(
        address.place, "'launch.listen.address' can't be \(quoted(address.value)): \(reason)")
    }
    return listen
  }

  private mutating func commands(_ keys: [String]) -> [Spec.Launch.Command] {
    guard let table = root.table("commands") else { return [] }
    var commands: [Spec.Launch.Command] = []
    for member in table.table.members {
      guard let below = table.table(member.key) else { continue }
      let path = "commands.\(member.key)"
      if !LaunchRecord.isName(Array(member.key.utf8).span) {
        report(
          below.place,
          "a command can't have the name \(quoted(member.key)): use 1 to 64 of A-Z a-z 0-9 . _ + -, "
            + "not beginning with '.' or '-'")
      }
      guard let key = only(of: keys, below, path), let program = program(key, below, path) else {
        continue
      }
      commands.append(
        Spec.Launch.Command(
          name: member.key, program: program, arguments: below.texts("arguments").map(\.value)))
    }
    return commands
  }

  /// Reports `{env:` unless a variable's name and `}` follow: the launcher would take it literally.
  private mutating func checkPlaceholders(_ value: Located<String>, _ key: String) {
    var rest = value.value[...]
    while let brace = rest.firstIndex(of: "{") {
      rest = rest[brace...]
      guard rest.hasPrefix("{env:") else {
        rest = rest.dropFirst()
        continue
      }
      rest = rest.dropFirst("{env:".count)
      let name = rest.prefix { $0 != "}" }
      let isName =
        isDottedName(String(name)) && name.utf8.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: ".") }
      if !isName || name.endIndex == rest.endIndex {
        report(
          value.place,
          "'\(key)' has no placeholder \(quoted("{env:\(name)")): "
            + "write {env:NAME} with the name of a variable")
      }
    }
  }

  private mutating func program(_ key: String, _ table: SpecTable, _ path: String)
    -> Located<Spec.Launch.Program>?
  {
    guard let text = table.text(key) else { return nil }
    switch key {
    case "module":
      if isDottedName(text.value) { return Located(.module(text.value), text.place) }
      report(
        text.place,
        "'\(path).module' must be a module such as package.module, not \(quoted(text.value))")
    case "function":
      let parts = text.value.split(separator: ":", omittingEmptySubsequences: false).map(
        String.init)
      if parts.count == 2, parts.allSatisfy(isDottedName) {
        return Located(.function(module: parts[0], name: parts[1]), text.place)
      }
      report(
        text.place,
        "'\(path).function' must be such as package.module:function, not \(quoted(text.value))")
    default:
      guard let place = normalizedTreePath(text.value), !place.isEmpty else {
        if !text.value.isEmpty {
          let start = key == "script" ? "the spec's directory" : "the tree"
          report(
            text.place,
            "'\(path).\(key)' must be a path below \(start), not \(quoted(text.value))")
        }
        return nil
      }
      let located = Located(Path(place), text.place)
      if key == "executable" { return Located(.executable(located.value), text.place) }
      require(located, "\(path).script", .file)
      return Located(.script(located.value), text.place)
    }
    return nil
  }

  private mutating func environment(_ table: SpecTable, _ key: String) -> [(
    name: String, value: String
  )] {
    var result: [(name: String, value: String)] = []
    for (name, value) in table.members("environment") {
      if isVariableName(name) {
        result.append((name, value.value))
      } else {
        report(value.place, "\(quoted(name)) in '\(key)' can't be the name of a variable")
      }
    }
    return result
  }
}

// MARK: [smoke], [archive], [output]

extension SpecDecoder {
  mutating func smoke() -> Spec.Smoke {
    var smoke = Spec.Smoke()
    guard let table = root.table("smoke") else { return smoke }
    smoke.imports = table.boolean("imports") ?? smoke.imports
    smoke.skipImports = table.texts("skip-imports")
    for name in smoke.skipImports where !isDottedName(name.value) {
      report(name.place, "'smoke.skip-imports' holds names of modules, not \(quoted(name.value))")
    }
    smoke.timeout = table.integer("timeout")?.value ?? smoke.timeout
    smoke.commands = table.tables("command").map { command in
      var result = Spec.Smoke.Command(place: command.place)
      result.arguments = command.texts("arguments").map(\.value)
      result.status = command.integer("status")?.value ?? result.status
      result.output = command.text("output")?.value
      return result
    }
    smoke.http = table.table("http").map { http($0) }
    return smoke
  }

  private mutating func http(_ table: SpecTable) -> Spec.Smoke.HTTP {
    var http = Spec.Smoke.HTTP(place: table.place)
    http.arguments = table.texts("arguments").map(\.value)
    http.environment = environment(table, "smoke.http.environment")
    http.status = table.integer("status")?.value ?? http.status
    http.contains = table.text("contains")?.value
    if let path = table.text("path") {
      http.path = path.value
      if !path.value.hasPrefix("/")
        || path.value.unicodeScalars.contains(where: { isControl($0) || $0 == " " })
      {
        report(
          path.place,
          "'smoke.http.path' must begin with '/' and have no spaces, not \(quoted(path.value))")
      }
    }
    http.port = table.integer("port")?.value
    if root.table("launch")?.table("listen") != nil,
      !http.environment.contains(where: { $0.name == "ONEFOLD_LISTEN" })
    {
      http.environment.append(("ONEFOLD_LISTEN", "127.0.0.1:{port}"))
    }
    let values = http.arguments + http.environment.map(\.value)
    if http.port == nil && !values.contains(where: { $0.contains("{port}") }) {
      report(
        table.place,
        "'smoke.http' must tell the server its port: put {port} into its 'arguments' or 'environment', or give "
          + "the 'port' that it always takes, or a table [launch.listen]")
    }
    return http
  }

  mutating func archive() -> Spec.Archive {
    var archive = Spec.Archive()
    guard let table = root.table("archive") else { return archive }
    let codec = table.text("codec")
    archive.codec = codec.flatMap { (text) in
      Codec(named: text.value.utf8).map { Located($0, text.place) }
    }
    archive.level = table.integer("level")
    archive.frameSize = table.integer("frame-size")
    archive.maxSize = size("max-size", table)
    // The levels of an unknown codec are unknown.
    if let level = archive.level, codec == nil || archive.codec != nil {
      checkLevel(level, archive.codec?.value ?? .zstd)
    }
    return archive
  }

  private mutating func checkLevel(_ level: Located<Int>, _ codec: Codec) {
    guard (0...22).contains(level.value) else { return }
    guard let range = codec.levels else {
      return report(level.place, "'archive.level' does not go with the codec '\(codec.name)'")
    }
    if !range.contains(level.value) {
      report(
        level.place,
        "'archive.level' must be \(range.lowerBound) to \(range.upperBound) with the codec '\(codec.name)', "
          + "not \(level.value)")
    }
  }

  mutating func output(_ app: Spec.App?) -> Spec.Output {
    var output = Spec.Output()
    guard let table = root.table("output") else { return output }
    output.sidecar = table.boolean("sidecar") ?? output.sidecar
    output.file = table.text("file")
    if let file = output.file, let app {
      _ = collecting { () throws(SpecError) in
        try expandOutputName(
          file.value, name: app.name.value, version: app.version, target: "target", at: file.place)
      }
    }
    return output
  }
}
