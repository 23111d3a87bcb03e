import Posix
public import Reporting

extension Surprise {
  /// "2.1 MB, unpacked 5.1 MB". Content that is in the file once costs only unpacked bytes.
  var sizeWords: String {
    size.packed == 0
      ? "\(sizeText(size.unpacked)) unpacked, and nothing in the file"
      : "\(sizeText(size.packed)) in the file, \(sizeText(size.unpacked)) unpacked"
  }

  /// What to do about it.
  ///
  /// - Parameter hasSpec: whether the file was packed from a spec, and not from a directory as it is.
  func advice(hasSpec: Bool) -> String {
    switch kind {
    case .library where hasSpec && !exclude.isEmpty:
      let words = exclude.map { "[dependencies] exclude = [\(jsonText($0.utf8).string)]" }
      return "to drop a copy that is not needed: \(words.joined(separator: " or "))"
    case .library: return "to drop a copy: leave out one of those that bring it"
    case .debug:
      return hasSpec ? "to drop it: [prune] debug-symbols = true" : "to drop it: strip the files"
    default:
      guard !remove.isEmpty else { return "to drop it: remove files like \(paths[0])" }
      return hasSpec
        ? "to drop it: [prune] remove = [\(patterns { jsonText($0.utf8).string })]"
        : "to drop it: remove from the tree \(patterns { $0 })"
    }
  }

  private func patterns(_ quoted: (String) -> String) -> String {
    let shown = remove.prefix(Surprise.mostPatterns).map(quoted).joined(separator: ", ")
    return remove.count > Surprise.mostPatterns ? "\(shown), ..." : shown
  }

  /// A longer list is cut in messages. JSON has all of it.
  private static let mostPatterns = 4

  /// As a member of an array in JSON.
  public var json: JSON {
    .object([
      ("kind", .string(kind.rawValue)), ("title", .string(title)), ("packed", .number(size.packed)),
      ("unpacked", .number(size.unpacked)), ("files", .number(UInt64(files))),
      ("paths", .array(paths.map { .string($0) })), ("remove", .array(remove.map { .string($0) })),
      ("exclude", .array(exclude.map { .string($0) })),
    ])
  }
}

/// Lines for the end of a summary: the largest three, or nothing if there is no surprise.
///
/// - Parameter hasSpec: whether the file was packed from a spec, and not from a directory as it is.
public func surpriseText(_ surprises: [Surprise], hasSpec: Bool) -> String {
  guard !surprises.isEmpty else { return "" }
  var text = "  surprises:\n"
  for surprise in surprises.prefix(3) {
    text += "    \(printable(surprise.title)): \(surprise.sizeWords)\n"
    text += "      \(printable(surprise.advice(hasSpec: hasSpec)))\n"
  }
  let rest = surprises.count - 3
  if rest > 0 {
    text += "    \(counted(rest, "more surprise")): see 'onefold inspect --html'\n"
  }
  return text
}
