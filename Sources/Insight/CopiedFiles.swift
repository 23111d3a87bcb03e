import Inventory
import PayloadFormat

/// Finds content that a tree holds more than once: equal files, and one library in several distributions.
struct CopiedFiles {
  private let tree: MeasuredTree
  /// By owner.
  private let kinds: [Composition.Kind]

  init(_ tree: MeasuredTree, _ kinds: [Composition.Kind]) {
    self.tree = tree
    self.kinds = kinds
  }

  var surprises: [Surprise] { equalFiles + libraries }

  /// The content is in the file once, and in the unpacked tree several times.
  private var equalFiles: [Surprise] {
    var byHash: [Digest: [Int]] = [:]
    for index in 0..<tree.manifest.entryCount {
      let entry = tree.manifest.entry(index)
      guard entry.type == .file, entry.size >= SurpriseLimit.leastCopy else { continue }
      byHash[entry.hash, default: []].append(index)
    }
    return byHash.values.filter { $0.count > 1 }.map { entries in
      let size = tree.manifest.entry(entries[0]).size
      let paths = entries.map { visibleText(tree.manifest.path(of: $0)) }
      return Surprise(
        kind: .content, title: "\(entries.count) files with the content of \(paths[0])",
        size: Composition.Size(unpacked: size * UInt64(entries.count - 1)),
        files: entries.count - 1,
        remove: entries.dropFirst().compactMap { pattern(tree.manifest.path(of: $0)) },
        paths: Array(paths.prefix(Surprise.mostPaths)))
    }
  }

  /// Libraries of one name with several owners. All copies but the largest could go.
  private var libraries: [Surprise] {
    var byName: [String: [Int]] = [:]
    for index in 0..<tree.manifest.entryCount {
      let entry = tree.manifest.entry(index)
      guard entry.type == .file, entry.size >= SurpriseLimit.leastCopy,
        let name = commonLibraryName(String(decoding: tree.manifest.name(of: entry), as: UTF8.self))
      else { continue }
      byName[name, default: []].append(index)
    }
    return byName.compactMap { name, entries in surprise(name, entries) }
  }

  private func surprise(_ name: String, _ entries: [Int]) -> Surprise? {
    // Equal content is another surprise, which costs less.
    var hashes: Set<Digest> = []
    let entries = entries.filter { hashes.insert(tree.manifest.entry($0).hash).inserted }
      .sorted { tree.packed($0) > tree.packed($1) }
    let owners = Set(entries.compactMap { tree.owner(of: $0) })
    guard owners.count > 1 else { return nil }
    var size = Composition.Size()
    for entry in entries.dropFirst() {
      size.unpacked += tree.manifest.entry(entry).size
      size.packed += tree.packed(entry)
    }
    let titles = owners.map { visibleText(tree.owners[$0]) }.sorted()
    let names = owners.filter { kinds[$0] == .distribution }.map { owner in
      let title = visibleText(tree.owners[owner])
      return title.lastIndex(of: " ").map { String(title[..<$0]) } ?? title
    }
    return Surprise(
      kind: .library,
      title:
        "\(entries.count) copies of \(visibleText(name)), in \(titles.joined(separator: " and "))",
      size: size, files: entries.count - 1, exclude: names.sorted(),
      paths: entries.prefix(Surprise.mostPaths).map { visibleText(tree.manifest.path(of: $0)) })
  }
}

/// The name that copies of one library share: "libscipy_openblas" for "libscipy_openblas64_-ff651d7f.so", "libssl" for
/// "libssl.so.3" and "libssl-50b3dd1f.so.1.1". Nil for other files.
func commonLibraryName(_ file: String) -> String? {
  let name = libraryName(file)
  guard name.hasPrefix("lib"), let end = name.firstRange(of: ".so"),
    name[end.upperBound...].isEmpty || name[end.upperBound...].hasPrefix(".")
  else { return nil }
  let stem = name[..<end.lowerBound]
  // OpenBLAS with integers of 64 bits.
  return String(stem.hasSuffix("64_") ? stem.dropLast(3) : stem)
}
