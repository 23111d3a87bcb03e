import Posix
import Processes

/// The source of an application's version: docs/spec.md, `app.version`.
struct VersionSource {
  /// The start of relative paths.
  let directory: Path
  /// For messages.
  let place: SpecPlace

  /// The first line of a file, without surrounding white space.
  func version(ofFile path: Path) throws(SpecError) -> String {
    let full = resolve(path)
    guard status(of: full)?.kind == .file else {
      throw problem("the version's file \(path.quoted.string) does not exist")
    }
    let bytes = try readBytes(full, shown: path.shown)
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
    guard let text = String(validating: line, as: UTF8.self) else {
      throw problem("the first line of \(path.quoted.string) is not UTF-8")
    }
    let version = trimmed(text)
    if version.isEmpty { throw problem("the first line of \(path.quoted.string) is empty") }
    // For example a source file with `__version__ = "1.2"`.
    if version.contains(where: { $0.isWhitespace || "\"'=#".contains($0) }) {
      throw problem(
        "the first line of \(path.quoted.string) must be the version alone, not \(quoted(version))")
    }
    return version
  }

  /// `project.version` of the `pyproject.toml` in a directory.
  func version(ofProject path: Path) throws(SpecError) -> String {
    let file = path.child(SpecFile.projectName)
    guard let project = try ProjectFile(in: resolve(path), shown: file.shown) else {
      throw problem("there is no \(file.quoted.string), which should tell the version")
    }
    return try version(of: project)
  }

  func version(of project: ProjectFile) throws(SpecError) -> String {
    if let version = project.version { return version }
    let reason =
      project.isVersionDynamic
      ? "'project.version' is dynamic in" : "there is no 'project.version' in"
    throw problem(
      "\(reason) \(quotedText(project.file.utf8).string): give 'app.version' as text, { file = \"VERSION\" } or "
        + "{ git = true }")
  }

  /// The output of `git describe`, without the `v` of a tag such as "v1.2".
  func versionOfGit() throws(SpecError) -> String {
    let arguments: [Path] = [
      Path("describe"), Path("--tags"), Path("--always"), Path("--dirty"),
    ]
    let result: Subprocess.Result
    do throws(Failure) {
      result = try Subprocess(HostProgram.git.path, arguments, directory: directory, timeout: 60)
        .run()
    } catch {
      let reason =
        error.errno == .noSuchFile ? "git is not on the PATH" : error.description.string
      throw problem(
        "\(reason): install it (apt-get install git), or give 'app.version' as text or { file = \"VERSION\" }"
      )
    }
    let output = trimmed(String(decoding: result.output, as: UTF8.self))
    guard result.succeeded, !output.isEmpty else { throw failure(of: result) }
    let hasPrefix = output.hasPrefix("v") && output.dropFirst().first?.isNumber == true
    return hasPrefix ? String(output.dropFirst()) : output
  }

  private func failure(of result: Subprocess.Result) -> SpecError {
    if result.end == .timedOut { return problem("'git describe' did not end within 60 s") }
    let lines = String(decoding: result.errors, as: UTF8.self).split(separator: "\n")
    let reason = lines.first.map { printable(trimmed($0)) } ?? "it said nothing"
    return problem(
      "'git describe' found no version: \(reason); commit first, or give 'app.version' as text or "
        + "{ file = \"VERSION\" }")
  }

  private func resolve(_ path: Path) -> Path {
    path.isAbsolute ? path : directory.appending(path.bytes)
  }

  private func problem(_ message: String) -> SpecError { SpecError(place, message) }
}
