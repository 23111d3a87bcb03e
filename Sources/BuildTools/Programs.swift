public import Posix
public import Processes

/// Finds a program that the packer needs, beside `onefold` or on the `PATH`.
///
/// pip installs a dependency's programs in the environment that has `onefold`. With pipx, `uv tool` or an inactive
/// environment, that directory is not on the `PATH`.
///
/// Returns an absolute path, or the name alone if it is not beside `onefold`: a name is looked up on the `PATH`.
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

extension HostProgram {
  /// See `findBesideOnefold`.
  public var besideOnefold: Path { findBesideOnefold(rawValue) }
}

/// The last `count` lines of a program's output, indented, for a message.
///
/// Skips empty lines, and cuts long ones in the middle.
public func lastLines(_ bytes: [UInt8], count: Int = 20) -> String {
  let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
  return lines.suffix(count).map { line in
    let text = String(decoding: line, as: UTF8.self)
    let short = text.count > 600 ? text.prefix(200) + " ... " + text.suffix(300) : text[...]
    return "  " + readable(short.utf8)
  }.joined(separator: "\n")
}

/// A program's output without characters that control a terminal.
public func readable(_ bytes: some Collection<UInt8>) -> String {
  String(decoding: bytes, as: UTF8.self)
    .split(separator: "\t", omittingEmptySubsequences: false)
    .map { printable(String($0)) }.joined(separator: "\t")
}

/// This process's environment without variables that change how an interpreter or an installer works.
///
/// Variables such as PIP_INDEX_URL stay.
public func cleanEnvironment(adding more: [String] = []) -> [Path] {
  let removed = [
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON",
    "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "__PYVENV_LAUNCHER__",
    "ONEFOLD",
  ]
  let names = Set(removed + more.map { String($0.prefix { $0 != "=" }) })
  let kept = ProcessContext.environmentEntries().filter { entry in
    let name = String(decoding: entry.bytes.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
    return !names.contains(name) && !(name.hasPrefix("PYTHON") && name != "PYTHONWARNINGS")
  }
  return kept + more.map { Path($0) }
}

/// Runs a program to its end, with no input.
///
/// - Parameters:
///   - environment: nil for `cleanEnvironment()`.
///   - directory: the working directory; nil for this process's.
///   - timeout: seconds, after which the program is killed; nil for none.
/// - Throws: an error if the program cannot be started, or `interrupted` after ending it. The result has its exit
///   status.
public func runProgram(
  _ program: Path, _ arguments: [Path], environment: [Path]? = nil, directory: Path? = nil,
  timeout: Int? = nil
) throws(Failure) -> Subprocess.Result {
  let subprocess = Subprocess(
    program, arguments, environment: environment ?? cleanEnvironment(), directory: directory,
    timeout: timeout)
  let result = try subprocess.run()
  if case .interrupted(let signal) = result.end { throw .interrupted(signal: signal) }
  return result
}

/// The result of running a program; nil if there is no such program.
///
/// - Throws: the errors of `body`, except `ENOENT`.
public func ifInstalled(_ body: () throws(Failure) -> Subprocess.Result) throws(Failure)
  -> Subprocess.Result?
{
  do throws(Failure) { return try body() } catch {
    if error.errno == .noSuchFile { return nil }
    throw error
  }
}
