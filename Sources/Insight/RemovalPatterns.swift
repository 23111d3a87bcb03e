import Posix

/// What the files of a surprise have in common.
enum FileMark {
  /// A directory above the file.
  case directory([UInt8])
  /// The file's path, and the ending of its name.
  case ending(path: [UInt8], String)
}

/// Patterns for `prune.remove` (docs/spec.md) that match exactly such files: a directory, or a directory and what is
/// below it by name. Empty if a path cannot be written in a spec.
func removalPatterns(_ marks: [FileMark]) -> [String] {
  var names: [[UInt8]: Set<[UInt8]>] = [:]
  var directories: [[UInt8]: Set<[UInt8]>] = [:]
  for mark in marks {
    switch mark {
    case .directory(let directory):
      let top = packageDirectory(directory)
      names[top, default: []].insert(lastName(directory))
      directories[top, default: []].insert(directory)
    case .ending(let path, let ending):
      // `prune.remove` tells letter case apart, and most endings are in lower case.
      names[packageDirectory(path), default: []].insert([UInt8]("*.\(ending)".utf8))
    }
  }
  var patterns: [String] = []
  for (top, names) in names.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
    if let known = directories[top], known.count == 1, let only = known.first {
      guard let pattern = pattern(only) else { return [] }
      patterns.append(pattern)
      continue
    }
    guard let base = pattern(top) else { return [] }
    for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      guard let name = String(validating: name, as: UTF8.self) else { return [] }
      patterns.append(base.isEmpty ? "**/\(name)" : "\(base)/**/\(name)")
    }
  }
  return patterns
}

/// A pattern that matches only this path; nil if there is none, or if the spec could not hold it.
func pattern(_ path: [UInt8]) -> String? {
  guard let text = String(validating: path, as: UTF8.self),
    !text.unicodeScalars.contains(where: { isControl($0) || "*?".unicodeScalars.contains($0) })
  else { return nil }
  return text
}

/// The directory of a package beside other ones, or the uppermost one; empty for files that are in none.
private func packageDirectory(_ path: [UInt8]) -> [UInt8] {
  let parts = path.split(separator: UInt8(ascii: "/"))
  let sites = parts.dropLast().lastIndex {
    ["site-packages", "dist-packages", "node_modules"].contains(
      String(decoding: $0, as: UTF8.self))
  }
  let depth = sites.map { $0 + 1 } ?? 0
  guard depth < parts.count - 1 else {
    return [UInt8](parts[..<depth].joined(separator: [UInt8(ascii: "/")]))
  }
  return [UInt8](parts[...depth].joined(separator: [UInt8(ascii: "/")]))
}

private func lastName(_ path: [UInt8]) -> [UInt8] {
  path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[($0 + 1)...]) } ?? path
}
