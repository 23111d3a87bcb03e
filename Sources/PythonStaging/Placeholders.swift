import AppSpec
import PayloadFormat

extension Spec.Launch {
  /// Replaces the placeholder `{data}`. The launch record does not have it: only the packer knows the place of data
  /// files.
  mutating func replaceDataRoot(_ root: String) {
    let placeholders = Placeholders([("data", [UInt8](root.utf8))], doubled: .areLiteral)
    arguments = arguments.map { placeholders.filled($0) }
    for index in commands.indices {
      commands[index].arguments = commands[index].arguments.map { placeholders.filled($0) }
    }
    environment = environment.map { ($0.name, placeholders.filled($0.value)) }
  }
}

extension Placeholders {
  func filled(_ text: String) -> String {
    String(decoding: filled([UInt8](text.utf8)), as: UTF8.self)
  }
}
