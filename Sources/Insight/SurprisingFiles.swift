import PayloadFormat

/// Groups the files that an application rarely needs, by kind and owner.
struct SurprisingFiles {
  struct Group {
    var kind: Surprise.Kind
    var owner: Int
    var entries: [Int] = []
    /// What the files have in common: a directory above them, or an ending such as ".h", for each.
    var marks: [FileMark] = []
  }

  private let tree: MeasuredTree
  private(set) var groups: [Group] = []
  /// Files that no group has, and that are neither programs nor code, by the directory that they are in.
  private var dataFiles: [[UInt8]: [Int]] = [:]

  init(_ tree: MeasuredTree) {
    self.tree = tree
    let tests = TestDirectories(tree.manifest)
    var numbers: [String: Int] = [:]
    for entry in 0..<tree.manifest.entryCount {
      guard let owner = tree.owner(of: entry), tree.manifest.entry(entry).size > 0 else { continue }
      let path = tree.manifest.path(of: entry)
      guard let (kind, mark) = classify(path, tests) else {
        noteData(entry, path)
        continue
      }
      let key = "\(kind.rawValue) \(owner)"
      let number = numbers[key] ?? groups.count
      if number == groups.count {
        numbers[key] = number
        groups.append(Group(kind: kind, owner: owner))
      }
      groups[number].entries.append(entry)
      groups[number].marks.append(mark)
    }
  }

  private func classify(_ path: [UInt8], _ tests: TestDirectories) -> (Surprise.Kind, FileMark)? {
    if let directory = tests.directory(of: path) { return (.tests, .directory(directory)) }
    let parts = path.split(separator: slash)
    for (number, part) in parts.dropLast().enumerated() {
      guard let kind = directoryKinds[String(decoding: part, as: UTF8.self)] else { continue }
      // Code in such a directory is a module of that name.
      if FileEndings.isCode(path) { return nil }
      return (kind, .directory([UInt8](parts[...number].joined(separator: [slash]))))
    }
    if let kind = FileEndings.kind(of: path) {
      return (kind, .ending(path: path, FileEndings.ending(of: path)))
    }
    return nil
  }

  private mutating func noteData(_ entry: Int, _ path: [UInt8]) {
    guard !FileEndings.isCode(path),
      !FileEndings.isProgram(path, tree.manifest.entry(entry).mode)
    else { return }
    dataFiles[[UInt8](path.prefix(path.lastIndex(of: slash) ?? 0)), default: []].append(entry)
  }

  /// The data of each directory: its largest file if that has most of it, and else all of its files.
  var largeData: [Surprise] {
    dataFiles.map { directory, entries in
      let largest = sorted(entries)
      let all = size(of: entries)
      let isOne = tree.manifest.entry(largest[0]).size >= all.unpacked / 10 * 9
      let path = isOne || directory.isEmpty ? tree.manifest.path(of: largest[0]) : directory
      let counted = path == directory ? entries : [largest[0]]
      return Surprise(
        kind: .data,
        title: "\(path == directory ? "data in" : "the file") \(visibleText(path))",
        size: size(of: counted), files: counted.count, remove: pattern(path).map { [$0] } ?? [],
        paths: sorted(counted).prefix(Surprise.mostPaths).map {
          visibleText(tree.manifest.path(of: $0))
        })
    }
  }

  func surprise(_ group: Group) -> Surprise {
    Surprise(
      kind: group.kind,
      title: "\(group.kind.words) of \(visibleText(tree.owners[group.owner]))",
      size: size(of: group.entries), files: group.entries.count,
      remove: removalPatterns(group.marks),
      paths: sorted(group.entries).prefix(Surprise.mostPaths).map {
        visibleText(tree.manifest.path(of: $0))
      })
  }

  private func size(of entries: [Int]) -> Composition.Size {
    var size = Composition.Size()
    for entry in entries {
      size.unpacked += tree.manifest.entry(entry).size
      size.packed += tree.packed(entry)
    }
    return size
  }

  /// The largest first.
  private func sorted(_ entries: [Int]) -> [Int] {
    entries.sorted { tree.manifest.entry($0).size > tree.manifest.entry($1).size }
  }
}

private let slash = UInt8(ascii: "/")

/// Directories whose files are of a kind, unless they are code.
private let directoryKinds: [String: Surprise.Kind] = [
  "locale": .translations, "locales": .translations, "locale-data": .translations,
  "translations": .translations, "doc": .documentation, "docs": .documentation,
  "man": .documentation, "examples": .documentation,
]

extension Surprise.Kind {
  /// Of several files with one owner.
  fileprivate var words: String {
    switch self {
    case .library: "copies of a library"
    case .content: "copies of files"
    case .debug: "debug information"
    case .tests: "tests"
    case .documentation: "documentation and examples"
    case .sources: "sources and headers in C and the like"
    case .staticLibraries: "static libraries and object files"
    case .sourceMaps: "source maps of scripts"
    case .translations: "translations"
    case .data: "large data"
    }
  }
}

/// The directories named `test` or `tests` that hold test modules.
private struct TestDirectories {
  private var directories: Set<[UInt8]> = []

  init(_ manifest: Manifest) {
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      guard entry.type == .file, Self.isTest(manifest.name(of: entry)) else { continue }
      if let directory = Self.candidate(manifest.path(of: index)) { directories.insert(directory) }
    }
  }

  private static func isTest(_ name: ArraySlice<UInt8>) -> Bool {
    let text = String(decoding: name, as: UTF8.self)
    return text.hasPrefix("test_") || text == "conftest.py"
      || ["_test.py", "_test.go", ".test.js", ".test.ts", ".spec.js", ".spec.ts"].contains {
        text.hasSuffix($0)
      }
  }

  /// The uppermost directory of that name above a file.
  private static func candidate(_ path: [UInt8]) -> [UInt8]? {
    let parts = path.split(separator: slash)
    guard
      let depth = parts.dropLast().firstIndex(where: {
        ["test", "tests", "__tests__"].contains(String(decoding: $0, as: UTF8.self))
      })
    else { return nil }
    return [UInt8](parts[...depth].joined(separator: [slash]))
  }

  func directory(of path: [UInt8]) -> [UInt8]? {
    guard !directories.isEmpty, let found = Self.candidate(path) else { return nil }
    return directories.contains(found) ? found : nil
  }
}
