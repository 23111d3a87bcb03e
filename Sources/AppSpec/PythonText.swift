/// The text of a Python source file without comments and triple-quoted strings, so that an example in a docstring is
/// not taken for code.
///
/// This is not a parser: guesses of a first spec need not be right for every file.
struct PythonText {
  let code: String
  /// Top-level names of all imported modules, at any depth of the code; "." stands for the file's own package.
  let imports: Set<String>
  /// The `imports` that it cannot run without: neither inside `try` nor under a condition.
  let neededImports: Set<String>

  init(_ text: String) {
    code = PythonText.withoutComments(text)
    var imports: Set<String> = []
    var needed: Set<String> = []
    // The first lines of the blocks around a line, outermost first.
    var blocks: [(indentation: Int, isOptional: Bool)] = []
    for line in code.split(whereSeparator: \.isNewline) {
      let indentation = line.prefix(while: \.isWhitespace).count
      let statement = line.dropFirst(indentation)
      guard !statement.isEmpty else { continue }
      while let last = blocks.last, last.indentation >= indentation { blocks.removeLast() }
      let names = PythonText.importedNames(statement)
      imports.formUnion(names)
      if !blocks.contains(where: \.isOptional) { needed.formUnion(names) }
      let word = statement.prefix { $0.isLetter }
      let isOptional = ["try", "except", "if", "elif", "else"].contains(word)
      blocks.append((indentation, isOptional && !statement.hasPrefix("if __name__")))
    }
    self.imports = imports
    neededImports = needed
  }

  private static func importedNames(_ statement: Substring) -> Set<String> {
    let words = statement.split(maxSplits: 1, whereSeparator: \.isWhitespace)
    guard words.count == 2, words[0] == "import" || words[0] == "from" else { return [] }
    let names = words[0] == "from" ? [words[1]] : words[1].split(separator: ",")
    let tops = names.map { name in
      let name = trimmed(name)
      return name.hasPrefix(".") ? "." : name.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    }
    return Set(tops.map(String.init).filter { !$0.isEmpty })
  }

  /// The lines, with their indentation.
  var lines: [Substring] { code.split(whereSeparator: \.isNewline) }

  func contains(_ text: String) -> Bool { code.firstRange(of: text) != nil }

  /// The text before each `opening` on its line, and the string literal after it, if one follows.
  ///
  /// For `@app.get("/health")` and the opening `.get(` these are `app` and `/health`.
  func literals(after opening: String) -> [(before: Substring, literal: String)] {
    code.ranges(of: opening).compactMap { range in
      let line = code[..<range.lowerBound]
      let start = line.lastIndex(where: \.isNewline).map(code.index(after:)) ?? code.startIndex
      let rest = code[range.upperBound...].drop(while: \.isWhitespace)
      guard let quote = rest.first, quote == "\"" || quote == "'" else { return nil }
      let literal = rest.dropFirst().prefix { $0 != quote && !$0.isNewline }
      return (line[start...], String(literal))
    }
  }

  /// The number after `opening`, such as 8080 for `port=8080` and `port=`; nil if there is none.
  func number(after opening: String) -> Int? {
    for range in code.ranges(of: opening) {
      // The "port=" in "transport=5" does not count.
      if let before = code[..<range.lowerBound].last, before.isLetter || before == "_" { continue }
      let digits = code[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber }
      if let number = Int(digits) { return number }
    }
    return nil
  }

  private static func withoutComments(_ text: String) -> String {
    let bytes = [UInt8](text.utf8)
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var at = 0
    while at < bytes.count {
      let byte = bytes[at]
      if byte == UInt8(ascii: "#") {
        at = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        let end = endOfString(bytes, at)
        let isTriple = isTripled(bytes, at)
        result += isTriple ? [byte, byte] : bytes[at..<end]
        at = end
      } else {
        result.append(byte)
        at += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func isTripled(_ bytes: [UInt8], _ at: Int) -> Bool {
    at + 2 < bytes.count && bytes[at + 1] == bytes[at] && bytes[at + 2] == bytes[at]
  }

  /// The index after the string that begins at `start`. A single-quoted string ends at the end of its line at the
  /// latest.
  private static func endOfString(_ bytes: [UInt8], _ start: Int) -> Int {
    let quote = bytes[start]
    let isTriple = isTripled(bytes, start)
    var at = start + (isTriple ? 3 : 1)
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "\\") {
        at += 2
      } else if bytes[at] == quote && (!isTriple || isTripled(bytes, at)) {
        return at + (isTriple ? 3 : 1)
      } else if bytes[at] == UInt8(ascii: "\n") && !isTriple {
        return at
      } else {
        at += 1
      }
    }
    return bytes.count
  }
}
