public import Posix
import Processes

/// The failure of a tool that a test needs.
public struct ToolFailure: Error, CustomStringConvertible {
  public let description: String
}

/// Runs a program to its end and returns its standard output. Fails if the program fails.
@discardableResult
public func runTool(
  _ program: String, _ arguments: [String], environment: [String: String] = [:],
  directory: Path? = nil
) throws -> String {
  let entries =
    ProcessContext.environmentEntries() + environment.map { Path("\($0.key)=\($0.value)") }
  let result = try Subprocess(
    Path(program), arguments.map { Path($0) }, environment: entries,
    directory: directory, timeout: 300
  ).run()
  guard result.succeeded else {
    let errors = String(decoding: result.output + result.errors, as: UTF8.self)
    throw ToolFailure(description: "\(program) \(arguments) ended with \(result.end): \(errors)")
  }
  return String(decoding: result.output, as: UTF8.self)
}

extension TemporaryDirectory {
  /// Compiles C `source` to `name` with gcc, and creates the directories above it. `options` come after the source, as
  /// libraries must.
  @discardableResult
  public func compile(_ name: String, _ source: String, _ options: [String]) throws -> Path {
    let text = try write("\(name).c", [UInt8](source.utf8))
    defer { try? remove("\(name).c") }
    try runTool("gcc", ["-o", self(name).string, text.string] + options)
    return self(name)
  }
}
