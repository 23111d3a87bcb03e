import AppSpec
import BuildTools
import Posix
import Processes

/// Builds each local project in a separate directory, and installs it as a wheel.
///
/// Installers build a local project in its own directory. There setuptools finds the `build` directory of an earlier
/// build, and leaves its own. A settings file gives it another directory. But every build of the same call reads that
/// file too, for example for a source distribution that the project's build needs. The installer keeps that wheel.
/// Therefore the variable that names the file holds a path that exists only from the project's directory.
extension Installation {
  /// Writes the settings file for setuptools. Returns the path that leads to it from `project`.
  private func buildSettings(_ project: Path, in directory: Path) throws(Failure) -> String {
    let base = directory.appending("build")
    try createDirectories(base)
    try writeFile(
      directory.appending("setuptools.cfg"),
      """
      [build]
      build_base = \(base.string)
      [egg_info]
      egg_base = \(base.string)

      """)
    return pathOnlyFrom(try realPath(project), to: try realPath(directory) + "/setuptools.cfg")
  }

  /// Builds the local projects. Returns the arguments that make the installer install them.
  ///
  /// - Parameter resolving: whether the installer resolves their dependencies. If so, local projects in their metadata
  ///   are built as well.
  func buildLocals(resolving: Bool) throws(Failure) -> [String] {
    var waiting = requirements.locals
    var known = Set(waiting.map(\.path.string))
    var result: [String] = []
    var built = 0
    while built < waiting.count {
      let local = waiting[built]
      let (wheel, needs) = try build(local, number: built)
      built += 1
      let name = String(wheelName(wheel))
      let extras = local.extras.isEmpty ? "" : "[\(local.extras.joined(separator: ","))]"
      try addConstraint("\(name) @ \(fileURL(wheel))")
      if local.isNeeded { result.append("\(name)\(extras) @ \(fileURL(wheel))") }
      guard resolving, local.isNeeded else { continue }
      for need in needs where known.insert(need.path.string).inserted { waiting.append(need) }
    }
    return result
  }

  /// Builds a project. Returns its wheel, and the local projects that its metadata names.
  private func build(_ local: LocalProject, number: Int) throws(Failure) -> (
    wheel: Path, needs: [LocalProject]
  ) {
    let directory = ProcessContext.absolutePath(scratch).appending(Path("local/\(number)").bytes)
    let wheels = directory.appending("wheel")
    try createDirectories(wheels)
    var arguments: [String]
    var variables = ["DIST_EXTRA_CONFIG=\(try buildSettings(local.path, in: directory))"]
    switch installer.kind {
    case .pip:
      arguments = ["wheel", "--quiet", "--no-deps", "--progress-bar", "off"]
      if installer.cross != nil { arguments.append("--ignore-requires-python") }
      let options = requirements.options
      if try !readFile(options).isEmpty {
        arguments += ["-r", options.string]
      }
      arguments += ["--wheel-dir", wheels.string]
      variables += constraintVariables
    case .uv:
      arguments = ["build", "--quiet", "--wheel", "--out-dir", wheels.string]
      variables += try indexVariables()
    }
    let isProject = local.place == spec.projectDirectory?.string
    let doing = isProject ? "the project" : "'\(local.path.string)' (\(local.place))"
    let place = isProject ? projectPlace : requirements.place
    try run(arguments + [local.path.string], place, "building \(doing)", variables: variables)
    let names = try DirectoryHandle.current.names(in: wheels)
    guard let name = names.first(where: { $0.hasSuffix(".whl") }) else {
      throw .failed(place, "building \(doing) made no wheel")
    }
    let wheel = wheels.appending(name)
    if installer.cross != nil { try refuseForeign(wheel, doing, place) }
    return (wheel, try localNeeds(of: wheel, place))
  }

  private func refuseForeign(_ wheel: Path, _ doing: String, _ place: SpecPlace)
    throws(Failure)
  {
    let name = String(decoding: wheel.lastComponent, as: UTF8.self)
    guard !name.hasSuffix("-any.whl") else { return }
    throw .failed(
      place,
      "building \(doing) makes the wheel '\(name)', which is for this machine alone: build a wheel on a machine of the "
        + "target, and name it in dependencies.project")
  }

  /// Removes local paths from a wheel's metadata, and returns the projects at those paths.
  private func localNeeds(of wheel: Path, _ place: SpecPlace) throws(Failure) -> [LocalProject] {
    let result = try runHelper(layout.source, Helper.localWheel, [wheel])
    guard result.succeeded else {
      throw .failed(place, "cannot read \(wheel.quoted):\n\(lastLines(result.errors, count: 1))")
    }
    let facts = Facts(result.output)
    let owner = String(decoding: wheel.lastComponent, as: UTF8.self)
    var found: [LocalProject] = []
    for (name, path) in zip(facts.all("depends"), facts.all("path")) {
      let parts = name.split { "[]".contains($0) }.map(String.init)
      guard isDirectory(Path(path)) else { continue }
      found.append(
        LocalProject(
          path: Path(try realPath(Path(path))), place: owner, name: normalizedName(parts[0]),
          extras: parts.count > 1 ? parts[1].split(separator: ",").map(String.init) : [],
          isNeeded: true))
    }
    return found
  }

  // MARK: Additional input of installers

  private var constraints: Path {
    ProcessContext.absolutePath(scratch).appending("local.constraints")
  }

  private func addConstraint(_ line: String) throws(Failure) {
    let before = exists(constraints) ? try readFile(constraints) : []
    try writeFile(constraints, before + [UInt8]("\(line)\n".utf8))
  }

  /// Makes pip use the wheels of local projects wherever their names occur, instead of asking an index.
  var constraintVariables: [String] {
    guard installer.kind == .pip, exists(constraints) else { return [] }
    let names: [StaticString] = ["PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"]
    return names.map { name in
      let own = ProcessContext.environment(name).map { "\($0.string) " } ?? ""
      return "\(name)=\(own)\(fileURL(constraints))"
    }
  }

  /// The options of the requirements files that `uv build` cannot read from a file. Arguments would show passwords to
  /// other users.
  private func indexVariables() throws(Failure) -> [String] {
    let words = String(decoding: try readFile(requirements.options), as: UTF8.self)
      .split { " \n=".contains($0) }.map { String($0.filter { $0 != "'" && $0 != "\"" }) }
    var values: [String: [String]] = [:]
    for (option, value) in zip(words, words.dropFirst() + [""]) {
      switch option {
      case "-i", "--index-url": values["UV_DEFAULT_INDEX"] = [value]
      case "--extra-index-url": values["UV_INDEX", default: []].append(value)
      case "-f", "--find-links": values["UV_FIND_LINKS", default: []].append(value)
      case "--no-index": values["UV_NO_INDEX"] = ["1"]
      default: break
      }
    }
    return values.sorted { $0.key < $1.key }.map { name, found in
      "\(name)=\(found.joined(separator: name == "UV_FIND_LINKS" ? "," : " "))"
    }
  }
}

/// The distribution's name at the start of a wheel's name.
func wheelName(_ wheel: Path) -> Substring {
  let name = String(decoding: wheel.lastComponent, as: UTF8.self)
  return name[..<(name.firstIndex(of: "-") ?? name.endIndex)]
}

/// A path as a URL (RFC 8089).
func fileURL(_ path: Path) -> String {
  var text = "file://"
  for byte in path.bytes {
    let isPlain =
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "/-._~+".utf8.contains(byte)
    text += isPlain ? String(UnicodeScalar(byte)) : "%" + hexText([byte]).string.uppercased()
  }
  return text
}

/// A relative path that leads from the directory `start` to `target`, and from other directories to nothing. Both are
/// absolute and without symlinks.
///
/// It first goes through the names of `start` and its parent: "../start/../../parent/start/../../target". So of the
/// directories at the same depth, it works only in those with the same two names.
func pathOnlyFrom(_ start: String, to target: String) -> String {
  let from = start.split(separator: "/")
  let to = target.split(separator: "/")
  let named = from.suffix(2)
  let common = zip(from, to).prefix { $0 == $1 }.count
  let parts =
    ["..", from.last.map(String.init) ?? "."] + named.map { _ in ".." } + named.map(String.init)
    + Array(repeating: "..", count: from.count - common) + to.dropFirst(common).map(String.init)
  return parts.joined(separator: "/")
}
