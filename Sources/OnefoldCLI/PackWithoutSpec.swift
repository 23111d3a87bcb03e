import AppSpec
import OutputFiles
import PayloadFormat
import PayloadWriter
import Posix
import PythonStaging

// `onefold pack --package` and `onefold pack SCRIPT` write a spec in memory. It is then built like any other.

/// Packs a package of an index or a script with inline metadata, or prints the spec made for it.
func packWithoutSpec(_ arguments: Arguments) throws(Failure) {
  let way = arguments.has("--package") ? "'--package'" : "a script"
  try refuse(
    [
      "--entry", "--name", "--app-version", "--listen", "--handover", "--if-taken", "--instance",
    ], in: arguments, "goes with '--tree', not with \(way)")
  let application = try GivenApplication(arguments)
  let text = application.spec.text
  let spec: Spec
  do throws(SpecError) {
    spec = try readSpec(text: text, shown: application.shown, directory: application.directory)
  } catch { throw .failed(error.description) }
  if arguments.has("--print-spec") {
    try writeData(text)
  } else {
    try pack(spec, arguments)
  }
}

/// The spec made from options and arguments of the command line.
private struct GivenApplication {
  var spec: GivenSpec
  /// The name of the spec in messages.
  let shown: String
  /// The start of the spec's relative paths.
  let directory: Path
  /// Whether `directory` is the working directory.
  let isHere: Bool

  init(_ arguments: Arguments) throws(Failure) {
    if let script = arguments.positional.first {
      try self.init(script: script, arguments)
    } else {
      try self.init(packages: arguments)
    }
    try addOptions(arguments)
  }

  // MARK: A script

  private init(script: Path, _ arguments: Arguments) throws(Failure) {
    try refuse(["--command"], in: arguments, "goes with '--package'")
    shown = escapedText(script.bytes).string
    let status = try? DirectoryHandle.current.statusIfExists(of: script, follow: true)
    guard let status, status.kind == .file else {
      let problem = status == nil ? "does not exist" : "is not a script"
      throw .failed(
        "\(script.quoted) \(problem): give the path of a Python script; a spec, or the directory that has one, is given "
          + "with --spec")
    }
    let metadata: ScriptMetadata
    do throws(SpecError) { metadata = try ScriptMetadata(of: script, shown: shown) } catch {
      throw .failed(error.description)
    }
    let place = try Self.place(of: script)
    directory = place.directory
    isHere = place.isHere
    let stem = script.lastComponent.prefix { $0 != UInt8(ascii: ".") }
    spec = GivenSpec(
      name: applicationName(of: stem) ?? "server",
      python: try choosePython(arguments, metadata.requiredPython))
    spec.script = place.relative
    let file = place.isHere ? "onefold.toml here" : directory.appending("onefold.toml").string
    spec.heading = ["What 'onefold pack \(script.string)' stands for. Save it as \(file)."]
  }

  /// The directory of a script's spec: the working directory if the script is below it, or the script's own directory.
  private static func place(of script: Path) throws(Failure) -> (
    directory: Path, relative: String, isHere: Bool
  ) {
    let here = try ProcessContext.workingDirectory()
    let path = ProcessContext.absolutePath(script).string
    let parts = path.split(separator: "/").filter { $0 != "." }
    let above = here.string.split(separator: "/")
    if !parts.contains(".."), parts.starts(with: above) {
      return (here, parts.dropFirst(above.count).joined(separator: "/"), true)
    }
    let name = String(decoding: script.lastComponent, as: UTF8.self)
    return (ProcessContext.absolutePath(script).parent, name, false)
  }

  // MARK: A package

  private init(packages arguments: Arguments) throws(Failure) {
    shown = "option '--package'"
    directory = Path(".")
    isHere = true
    let packages = try arguments.all("--package").map { (value) throws(Failure) in
      let text = try Self.text(value, "--package")
      guard isRequirement(text) else {
        throw .failed(
          "option '--package' needs a requirement such as datasette==0.65.1, not \(value.quoted): a project of this "
            + "machine is packed with a spec, which 'onefold init' writes")
      }
      return text
    }
    spec = GivenSpec(name: "package", python: try choosePython(arguments, nil))
    spec.packages = packages
    spec.program = ("module", "package")
    // The target decides which versions of the package are available.
    spec.output.target = try makeTarget(arguments)?.name
    let found = try find()
    let first = found[0]
    guard let version = first.version else {
      throw .failed(
        "option '--package': '\(packages[0])' means nothing here, because its marker is not true")
    }
    spec.version = version
    spec.packages[0] = first.pinned
    let command = try Self.command(of: found, arguments.value("--command"))
    spec.name = applicationName(of: command.name.utf8) ?? spec.name
    spec.program = Self.program(of: command)
    spec.smokeCommand = ["--help"]
    // The package was not written for packing.
    spec.launch.mayBeFrozen = false
    let options = packages.map { "--package '\($0)'" }.joined(separator: " ")
    spec.heading = [
      "What 'onefold pack \(options) --command \(command.name)' stands for.",
      "Each build chooses the versions of dependencies again, except those that 'packages' fixes.",
      "To fix all of them, lock them in a requirements file and name it in 'requirements' instead.",
    ]
  }

  /// Asks the index, in a temporary directory.
  private func find() throws(Failure) -> [FoundPackage] {
    TerminationSignals.hold()
    let place = ProcessContext.variable("TMPDIR") ?? Path("/tmp")
    Stage.reclaim(in: place)
    let stage = try Stage(in: place, named: Path("onefold-package").bytes[...])
    defer { try? stage.remove() }
    let spec: Spec
    do throws(SpecError) {
      spec = try readSpec(text: self.spec.text, shown: shown, directory: directory)
    } catch { throw .failed(error.description) }
    return try findPackages(spec, scratch: stage.path)
  }

  private static func command(of packages: [FoundPackage], _ given: Path?) throws(Failure)
    -> FoundPackage.Command
  {
    let first = packages[0]
    let names = first.commands.map(\.name).joined(separator: ", ")
    if let given {
      let all = packages.flatMap(\.commands)
      if let command = all.first(where: { $0.name == given.string }) { return command }
      let others = all.map(\.name).joined(separator: ", ")
      throw .failed(
        "option '--command': there is no command \(given.quoted) in "
          + "\(packages.map(\.name).joined(separator: ", ")); "
          + (others.isEmpty ? "there is none at all" : "there are: \(others)"))
    }
    let name = normalizedDistributionName(first.name)
    let own = first.commands.filter { normalizedDistributionName($0.name) == name }
    if let command = own.first ?? (first.commands.count == 1 ? first.commands[0] : nil) {
      return command
    }
    if first.commands.isEmpty {
      throw .failed(
        "option '--package': \(first.name) has no command: add the package that has one with another --package and "
          + "name it with --command, or write a spec")
    }
    throw .failed(
      "option '--package': \(first.name) has several commands: name one with --command: \(names)")
  }

  /// The launch key of a command: a console script's function, if a spec can name it. Other commands are executed.
  private static func program(of command: FoundPackage.Command) -> (key: String, value: String) {
    if let function = command.function, isFunction(function) { return ("function", function) }
    return ("executable", "bin/\(command.name)")
  }

  // MARK: Options

  private mutating func addOptions(_ arguments: Arguments) throws(Failure) {
    spec.launch.arguments = try arguments.rest.map { (argument) throws(Failure) in
      try Self.text(argument, "--")
    }
    for variable in try environmentOptions(arguments) {
      let text = try Self.text(Path(variable), "--env")
      let name = String(text.prefix { $0 != "=" })
      spec.launch.environment.append((name, String(text.dropFirst(name.count + 1))))
    }
    spec.launch.unset = try unsetOptions(arguments).map { (name) throws(Failure) in
      try Self.text(Path(name), "--unset-env")
    }
    let compression = try makeCompression(nil, arguments)
    spec.launch.check = try arguments.named("--check")
    spec.launch.keep = try arguments.number("--keep", in: 0...LaunchRecord.longestKeep)
    spec.launch.dieWithParent = try arguments.named("--die-with-parent")
    spec.launch.mayReuse = !arguments.has("--no-reuse")
    spec.archive.codec = try arguments.named("--codec")
    spec.archive.level = arguments.has("--level") ? compression.level : nil
    spec.archive.frameSize = arguments.has("--frame-size") ? compression.frameSize >> 10 : nil
    spec.maxGlibc = arguments.value("--max-glibc")?.string
    spec.output.target = try makeTarget(arguments)?.name
    spec.output.sidecar = arguments.has("--sidecar")
    if let output = arguments.value("--output") {
      let isRight = isHere || output.isAbsolute
      spec.output.file = try Self.text(
        isRight ? output : ProcessContext.absolutePath(output), "--output")
    }
  }

  /// Requires UTF-8, because a spec is UTF-8.
  private static func text(_ value: Path, _ option: String) throws(Failure) -> String {
    guard let text = String(validating: value.bytes, as: UTF8.self) else {
      throw .usage("'\(option)' needs text in UTF-8, not \(value.quoted)")
    }
    return text
  }
}

/// The interpreter of `--python`, or the most suitable one of this machine.
private func choosePython(_ arguments: Arguments, _ required: Located<String>?)
  throws(Failure) -> GivenSpec.Python
{
  if let given = arguments.value("--python") {
    if isPythonVersion(given.string) { return .version(given.string) }
    guard (try? DirectoryHandle.current.statusIfExists(of: given, follow: true)) != nil else {
      throw .failed(
        "option '--python': \(given.quoted) does not exist: give a version such as 3.12, or where an interpreter is "
          + "installed")
    }
    return .prefix(ProcessContext.absolutePath(given).string)
  }
  if let target = try makeTarget(arguments), target != .native {
    throw .failed(
      "option '--target': an interpreter for \(target.name) can't be looked up on this machine: name one with --python"
    )
  }
  TerminationSignals.hold()
  return .version(
    try choosePython(required, preferred: interpreterVersion()))
}
