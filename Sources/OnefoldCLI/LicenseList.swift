import BuildTools
import Inventory
import OutputFiles
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// The licences of everything that a onefile holds.
struct LicenseList {
  private struct Row {
    var component: Component
    /// "MIT", or several with commas; empty if none is stated.
    var licenses: String
    /// Names and contents.
    var texts: [(name: String, bytes: [UInt8])]
  }

  private var rows: [Row] = []

  /// Reads the document and the licence files, which decodes the frames that hold them.
  init(_ payload: Payload, _ manifest: Manifest) throws(Failure) {
    let inventory = try readInventory(payload, manifest)
    let components = inventory.application.parts.flatMap(\.withParts) + inventory.allComponents
    let files = LicenseFiles(manifest)
    let entries = components.map { files.entries(of: $0) }
    let contents = try readFiles(entries.flatMap { $0.map(\.entry) }, of: payload, manifest)
    var next = 0
    for (component, entries) in zip(components, entries) where component.kind != .data {
      var texts: [(name: String, bytes: [UInt8])] = []
      for entry in entries {
        texts.append((entry.name, contents[next]))
        next += 1
      }
      for license in component.licenses {
        if let text = license.text { texts.append(("\(license.value).txt", [UInt8](text.utf8))) }
      }
      let names = component.licenses.map(\.value).joined(separator: ", ")
      rows.append(Row(component: component, licenses: names, texts: texts))
    }
  }

  // MARK: Output

  /// A line for each component, and one each that names those without the name of a licence, and without any.
  var table: String {
    let titles = rows.map { printable($0.component.title) }
    let width = min(50, titles.map(\.count).max() ?? 0)
    var text = ""
    for (title, row) in zip(titles, rows) {
      let space = String(repeating: " ", count: max(2, width + 2 - title.count))
      text += title + space + (row.licenses.isEmpty ? "-" : printable(row.licenses)) + "\n"
    }
    for (heading, hasText) in [
      ("no name of a licence, only its text", true), ("no licence", false),
    ] {
      let some = zip(titles, rows).filter { $0.1.licenses.isEmpty && $0.1.texts.isEmpty != hasText }
      if !some.isEmpty { text += "\n\(heading): \(some.map(\.0).joined(separator: ", "))\n" }
    }
    return text
  }

  var json: JSON { json(places: rows.map { $0.texts.map { printable($0.name) } }) }

  /// - Parameter places: names of texts for each row.
  private func json(places: [[String]]) -> JSON {
    .object([
      (
        "components",
        .array(
          zip(rows, places).map { row, places in
            .object([
              ("name", .string(row.component.name)), ("version", .string(row.component.version)),
              (
                "purl", row.component.packageURL.isEmpty ? .null : .string(row.component.packageURL)
              ),
              ("licenses", .array(row.component.licenses.map { .string($0.value) })),
              ("texts", .array(places.map { .string($0) })),
            ])
          })
      )
    ])
  }

  /// Writes each text to a file below `directory`, and `index.json`, which names them. `directory` appears when it is
  /// complete.
  ///
  /// - Throws: an error if `directory` exists and is not an empty directory, or a system call's failure.
  func writeTexts(to directory: Path, _ arguments: Arguments) throws(Failure) {
    try refuse(["--json"], in: arguments, "does not go with '--license-texts'")
    let names = try? DirectoryHandle.current.names(in: directory)
    let exists = try DirectoryHandle.current.statusIfExists(of: directory, follow: false) != nil
    if exists, names?.isEmpty != true {
      throw .failed("\(directory.quoted) exists and is not an empty directory: give another one")
    }
    TerminationSignals.hold()
    let target = ProcessContext.absolutePath(directory)
    Stage.reclaim(in: target.parent)
    let stage = try Stage(beside: target, mode: 0o755)
    let place = stage.path.appending("texts")
    do throws(Failure) {
      try createDirectories(place)
      let places = try write(below: place)
      try writeFile(place.appending("index.json"), json(places: places).encoded)
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      try DirectoryHandle.current.rename(place, to: target)
    } catch {
      try? stage.remove()
      throw error
    }
    try stage.remove()
    let count = rows.reduce(0) { $0 + $1.texts.count }
    let without = rows.filter { $0.texts.isEmpty }.count
    writeMessage("wrote \(counted(count, "text")) to \(directory.quoted)\n")
    if without > 0 {
      writeMessage("  \(counted(without, "component")) without a text: see index.json\n")
    }
  }

  /// Writes the texts, and returns their names from `directory`.
  private func write(below directory: Path) throws(Failure) -> [[String]] {
    var used: Set<String> = []
    return try rows.map { (row) throws(Failure) in
      guard !row.texts.isEmpty else { return [] }
      let folder = unique(fileName(row.component.title), &used)
      try createDirectories(directory.appending(folder))
      var names: Set<String> = []
      return try row.texts.map { (text) throws(Failure) in
        let name = unique(fileName(text.name), &names)
        try writeFile(directory.appending("\(folder)/\(name)"), text.bytes)
        return "\(folder)/\(name)"
      }
    }
  }

  private func unique(_ name: String, _ used: inout Set<String>) -> String {
    var result = name
    var number = 2
    while !used.insert(result.lowercased()).inserted {
      result = "\(name)-\(number)"
      number += 1
    }
    return result
  }

  /// A name that is one safe component of a path.
  private func fileName(_ text: String) -> String {
    let characters = text.prefix(100).map { character -> Character in
      let isPlain =
        character.isASCII
        && (character.isLetter || character.isNumber || "-._+".contains(character))
      return isPlain ? character : "-"
    }
    let name = String(characters)
    return name.isEmpty || name.hasPrefix(".") ? "_" + name : name
  }
}

/// The files of a tree that look like licences, by their directories.
private struct LicenseFiles {
  private var files: [[UInt8]: [(name: String, entry: Int)]] = [:]
  /// Files of any name, in directories of the packer.
  private var all: [[UInt8]: [(name: String, entry: Int)]] = [:]

  init(_ manifest: Manifest) {
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      guard entry.type == .file else { continue }
      let name = String(decoding: manifest.name(of: entry), as: UTF8.self)
      let directory = manifest.path(of: entry.parent)
      if directory.starts(with: ".onefold/".utf8) {
        all[directory, default: []].append((name, index))
        continue
      }
      if Self.isLicense(name) { files[directory, default: []].append((name, index)) }
      // Distributions keep paths of their project below "licenses".
      guard let base = Self.licensesDirectory(directory) else { continue }
      let below = directory.dropFirst(base.count + "/licenses/".utf8.count)
      let path = below.isEmpty ? name : String(decoding: below, as: UTF8.self) + "/" + name
      files[base, default: []].append((path, index))
    }
  }

  private static func isLicense(_ name: String) -> Bool {
    let upper = name.uppercased()
    return ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "AUTHORS"].contains {
      upper.hasPrefix($0)
    } && ![".PY", ".PYC", ".SO"].contains(where: upper.hasSuffix)
  }

  /// The `.dist-info` directory that has `directory` in its "licenses"; nil if none has.
  private static func licensesDirectory(_ directory: [UInt8]) -> [UInt8]? {
    let text = String(decoding: directory, as: UTF8.self)
    guard let found = (text + "/").firstRange(of: ".dist-info/licenses/") else { return nil }
    return [UInt8](text[..<found.lowerBound].utf8) + [UInt8](".dist-info".utf8)
  }

  func entries(of component: Component) -> [(name: String, entry: Int)] {
    if let directory = component.property(Component.licenseDirectoryProperty) {
      return all[[UInt8](directory.utf8)] ?? []
    }
    return component.locations.flatMap { files[[UInt8]($0.utf8)] ?? [] }
  }
}
