import AppSpec
import PayloadWriter
import PythonStaging
import Reporting

/// The libraries linked into this program. Equal library versions produce equal files.
private var libraryVersions: [(name: String, version: String)] {
  let swift = "\(_SwiftStdlibVersion.current)".split(separator: ".").prefix(2)
  return payloadLibraryVersions + stagingLibraryVersions + [
    ("toml++", tomlLibraryVersion), ("Swift", swift.joined(separator: ".")),
  ]
}

/// The first line is the program's name and version; further lines are for people.
func versionText() -> String {
  var text = "onefold \(version)\n" + helpLine("target", Target.native.name)
  for library in libraryVersions { text += helpLine(library.name, library.version) }
  return text
}

func versionJSON() -> JSON {
  .object([
    ("onefold", .string(version)), ("target", .string(Target.native.name)),
    ("libraries", .object(libraryVersions.map { ($0.name, .string($0.version)) })),
  ])
}
