import AppSpec
import Posix
import TestSupport

extension TemporaryDirectory {
  /// Writes `onefold.toml`, reads it, and returns its problems, without the directory's name.
  func problems(_ spec: String) throws -> [String] {
    try? remove("onefold.toml")
    try write("onefold.toml", [UInt8](spec.utf8))
    return problems()
  }

  /// The problems of the spec in this directory.
  func problems() -> [String] {
    do throws(SpecError) {
      _ = try readSpec(path)
      return []
    } catch { return lines(error) }
  }

  func lines(_ error: SpecError) -> [String] {
    error.description.split(separator: "\n").map { line in
      String(line).replacing("\(path.string)/", with: "")
    }
  }

  func read(_ spec: String) throws -> Spec {
    try write("onefold.toml", [UInt8](spec.utf8))
    return try readSpec(path)
  }

  func write(_ name: String, _ text: String) throws { try write(name, [UInt8](text.utf8)) }
}
