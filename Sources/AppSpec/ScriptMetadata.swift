public import Posix

/// The inline metadata of a Python script: a block of comments that holds TOML (PEP 723,
/// https://packaging.python.org/en/latest/specifications/inline-script-metadata/).
public struct ScriptMetadata: Sendable {
  /// A specifier such as ">=3.11"; nil if the script has none.
  public let requiredPython: Located<String>?
  /// Requirements such as "requests<3".
  public let dependencies: [Located<String>]

  /// Reads the metadata of a script. `shown` is the script's name in messages.
  ///
  /// - Throws: if there is no block, if there are two, or if the block does not follow the standard.
  public init(of script: Path, shown: String) throws(SpecError) {
    guard let found = try ScriptMetadata.find(in: script, shown: shown) else {
      throw SpecError(
        SpecPlace(file: shown, line: 0),
        "there is no inline metadata in it: begin it with the lines '# /// script', "
          + "'# dependencies = []' and '# ///', or write a spec with 'onefold init'")
    }
    self = found
  }

  /// The same, or nil if the script has no block and nothing that looks like one.
  ///
  /// - Throws: an error with the line, if the script cannot be read or its metadata are not valid.
  public static func find(in script: Path, shown: String) throws(SpecError) -> ScriptMetadata? {
    let bytes = try readBytes(script, shown: shown)
    guard let block = try MetadataBlock(String(decoding: bytes, as: UTF8.self), file: shown) else {
      return nil
    }
    return try ScriptMetadata(block, file: shown)
  }

  private init(_ block: MetadataBlock, file: String) throws(SpecError) {
    let document = try TOMLTable(parsing: [UInt8](block.text.utf8), file: file)
    func place(_ line: Int) -> SpecPlace { SpecPlace(file: file, line: line) }
    let known = ["requires-python", "dependencies", "tool"]
    for member in document.members where !known.contains(member.key) {
      // Other keys may belong to a later standard.
      guard let meant = nearest(to: member.key, in: known) else { continue }
      throw SpecError(
        place(member.line), "unknown key \(quoted(member.key)); did you mean \(quoted(meant))?")
    }
    requiredPython = try document["requires-python"].map { (member) throws(SpecError) in
      guard case .string(let text) = member.value.content else {
        throw SpecError(place(member.line), "'requires-python' must be a text such as \">=3.11\"")
      }
      return Located(text, place(member.line))
    }
    dependencies = try ScriptMetadata.texts(of: document["dependencies"], file: file)
  }

  private static func texts(of member: TOMLTable.Member?, file: String) throws(SpecError)
    -> [Located<String>]
  {
    guard let member else { return [] }
    guard case .array(let items) = member.value.content else {
      throw SpecError(
        SpecPlace(file: file, line: member.line),
        "'dependencies' must be an array of texts such as [\"requests<3\"]")
    }
    var result: [Located<String>] = []
    for item in items {
      let place = SpecPlace(file: file, line: item.line)
      guard case .string(let text) = item.content else {
        throw SpecError(place, "'dependencies' must hold texts such as \"requests<3\"")
      }
      result.append(Located(text, place))
    }
    return result
  }
}

/// The block "# /// script" of a script.
private struct MetadataBlock {
  /// The block's TOML, after as many empty lines as precede it in the script, so that the parser reports the script's
  /// line numbers.
  let text: String

  private static let end: Substring = "# ///"
  private static let start: Substring = "# /// script"

  /// Nil if there is none.
  init?(_ source: String, file: String) throws(SpecError) {
    let lines = MetadataBlock.lines(source)
    var found: ClosedRange<Int>?
    var unknown: (line: Int, type: String)?
    var next = 0
    while next < lines.count {
      defer { next += 1 }
      guard let type = MetadataBlock.type(lines[next]) else { continue }
      let content = lines[(next + 1)...].prefix { $0 == "#" || $0.hasPrefix("# ") }
      let place = SpecPlace(file: file, line: next + 1)
      guard type == "script" else {
        unknown = unknown ?? (next + 1, type)
        continue
      }
      // The last end line counts: earlier ones are content.
      guard let end = content.lastIndex(of: MetadataBlock.end) else {
        throw SpecError(
          place,
          "the block '# /// script' has no end: close it with the line '# ///', and begin each line between with '# '"
        )
      }
      if let first = found?.lowerBound ?? content[..<end].firstIndex(of: MetadataBlock.start) {
        throw SpecError(
          SpecPlace(file: file, line: max(first, next) + 1),
          "this is the second block '# /// script', after that in line \(min(first, next) + 1): only one is allowed"
        )
      }
      found = next...end
      next = end
    }
    guard let found else {
      if let problem = MetadataBlock.nearMiss(lines, unknown, file: file) { throw problem }
      return nil
    }
    let before = String(repeating: "\n", count: found.lowerBound + 1)
    let content = lines[(found.lowerBound + 1)..<found.upperBound].map { $0.dropFirst(2) + "\n" }
    text = before + content.joined()
  }

  private static func lines(_ source: String) -> [Substring] {
    let text = source.hasPrefix("\u{feff}") ? source.dropFirst() : source[...]
    // A carriage return and a line feed form one character.
    return text.split(separator: #/\r\n|\n|\r/#, omittingEmptySubsequences: false)
  }

  /// The TYPE of "# /// TYPE".
  private static func type(_ line: Substring) -> String? {
    guard line.hasPrefix("# /// ") else { return nil }
    let type = line.dropFirst("# /// ".count)
    let isType = !type.isEmpty && type.utf8.allSatisfy { isLetterOrDigit($0) || $0 == 0x2D }
    return isType ? String(type) : nil
  }

  /// Reports a line that was probably meant to begin a block.
  private static func nearMiss(
    _ lines: [Substring], _ unknown: (line: Int, type: String)?, file: String
  ) -> SpecError? {
    if let unknown {
      return SpecError(
        SpecPlace(file: file, line: unknown.line),
        "a block of the type \(quoted(unknown.type)) is unknown: inline metadata of a script "
          + "begins with '# /// script'")
    }
    let index = lines.firstIndex { line in
      line.hasPrefix("#") && line.filter { !$0.isWhitespace }.lowercased() == "#///script"
    }
    return index.map {
      SpecError(
        SpecPlace(file: file, line: $0 + 1),
        "this does not begin inline metadata: write '# /// script', without other spaces")
    }
  }
}
