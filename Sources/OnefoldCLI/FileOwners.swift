import AppSpec
import Insight
import PayloadFormat
import PayloadReader
import Posix
import PythonStaging

/// The owner of each file of a tree: an installed Python distribution, the interpreter, or a directory.
///
/// Distributions list their files in `*.dist-info/RECORD`
/// (https://packaging.python.org/en/latest/specifications/recording-installed-packages). Files in no list, such as byte
/// code made later, belong to the distribution of their source. If that is unknown, they belong to the only
/// distribution with files in their directory.
struct FileOwners {
  /// "numpy 2.4.6".
  private var names: [[UInt8]] = []
  /// By path: indices of `names`.
  private var owners: [[UInt8]: Int] = [:]
  /// By directory, below those that hold distributions: an index of `names`, or nil if several distributions share it.
  private var directoryOwners: [[UInt8]: Int?] = [:]
  /// The directories that hold distributions, such as `lib/python3.11/site-packages`.
  private var sites: Set<[UInt8]> = []
  /// Directories that hold `lib/pythonX.Y`, with "python X.Y".
  private var interpreters: [(prefix: [UInt8], library: [UInt8], name: [UInt8])] = []

  /// Reads the lists of files, which decodes the frames that hold them.
  init(_ payload: Payload, _ manifest: Manifest) throws(Failure) {
    let lists = noteAll(manifest)
    let contents = try readFiles(lists.map(\.entry), of: payload, manifest)
    for (list, content) in zip(lists, contents) {
      for path in recordedPaths(content) {
        note(path, below: list.site, list.distribution)
      }
    }
  }

  /// The interpreters and distributions of a tree, as `name(of:)` calls them. Decodes no frame.
  static func titles(_ manifest: Manifest) -> [[UInt8]] {
    var owners = FileOwners()
    _ = owners.noteAll(manifest)
    return owners.interpreters.map(\.name) + owners.names
  }

  private init() {}

  /// The kind of the owner with a name of `name(of:)`.
  func kind(of name: [UInt8]) -> Composition.Kind {
    if names.contains(name) { return .distribution }
    return interpreters.contains { $0.name == name } ? .interpreter : .files
  }

  /// Notes interpreters and distributions, and returns where the lists of files are.
  private mutating func noteAll(_ manifest: Manifest)
    -> [(entry: Int, distribution: Int, site: [UInt8])]
  {
    var lists: [(entry: Int, distribution: Int, site: [UInt8])] = []
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      let name = manifest.name(of: entry)
      if entry.type == .directory {
        noteInterpreter(manifest, index, name)
        if name.hasSuffix(".dist-info") { noteDistribution(manifest, index, name) }
      } else if entry.type == .file, name.elementsEqual("RECORD".utf8) {
        let directory = manifest.path(of: entry.parent)
        if let distribution = directoryOwners[directory] ?? nil {
          lists.append((index, distribution, parent(of: directory)))
        }
      }
    }
    return lists
  }

  private mutating func noteInterpreter(
    _ manifest: Manifest, _ index: Int, _ name: ArraySlice<UInt8>
  ) {
    let version = name.dropFirst("python".utf8.count)
    guard name.starts(with: "python".utf8), let first = version.first, let last = version.last,
      version.contains(UInt8(ascii: ".")), isDigit(first), isDigit(last),
      version.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: ".") })
    else { return }
    let library = manifest.path(of: index)
    let above = parent(of: library)
    let folder = above.split(separator: UInt8(ascii: "/")).last ?? []
    guard folder.elementsEqual("lib".utf8) || folder.elementsEqual("lib64".utf8) else { return }
    interpreters.append((parent(of: above), library, [UInt8]("python ".utf8) + version))
  }

  private mutating func noteDistribution(
    _ manifest: Manifest, _ index: Int, _ name: ArraySlice<UInt8>
  ) {
    // The distribution's name has no hyphen: it is escaped in the directory's name.
    let title = name.dropLast(".dist-info".utf8.count).map {
      $0 == UInt8(ascii: "-") ? UInt8(ascii: " ") : $0
    }
    let path = manifest.path(of: index)
    directoryOwners[path] = .some(names.count)
    sites.insert(parent(of: path))
    names.append(title)
  }

  private mutating func note(_ recorded: [UInt8], below site: [UInt8], _ distribution: Int) {
    guard let path = join(site, recorded), owners[path] == nil else { return }
    owners[path] = distribution
    let start = site.isEmpty ? 0 : site.count + 1
    guard path.count > start, path.starts(with: site) else { return }
    // Each directory of the path below the site.
    for index in start..<path.count where path[index] == UInt8(ascii: "/") {
      let directory = Array(path[..<index])
      if let known = directoryOwners[directory] {
        if known != distribution { directoryOwners[directory] = .some(nil) }
      } else {
        directoryOwners[directory] = .some(distribution)
      }
    }
  }

  /// The name of the row that counts this file.
  func name(of path: [UInt8]) -> [UInt8] {
    if let owner = owners[path] ?? sourcePaths(of: path).lazy.compactMap({ owners[$0] }).first {
      return names[owner]
    }
    // Several distributions and scripts may share a `__pycache__`.
    let isCached = parent(of: path)[...].hasSuffix("__pycache__")
    let path = isCached ? sourcePaths(of: path).first ?? path : path
    var directory = parent(of: path)
    while !directory.isEmpty {
      if let owner = directoryOwners[directory] {
        if let owner { return names[owner] }
        break
      }
      directory = parent(of: directory)
    }
    if let site = site(of: path) { return firstEntry(of: path, below: site) }
    return interpreter(of: path) ?? firstEntry(of: path, below: [])
  }

  private func site(of path: [UInt8]) -> [UInt8]? {
    var directory = parent(of: path)
    while !directory.isEmpty {
      if sites.contains(directory) { return directory }
      directory = parent(of: directory)
    }
    return nil
  }

  private func interpreter(of path: [UInt8]) -> [UInt8]? {
    if let own = interpreters.first(where: { path.isBelow($0.library) }) { return own.name }
    return interpreters.first { interpreter in
      ["bin", "include", "lib", "lib64"].contains { folder in
        let prefix = interpreter.prefix
        return path.isBelow(prefix.isEmpty ? [UInt8](folder.utf8) : prefix + "/\(folder)".utf8)
      }
    }?.name
  }
}

/// The entry of `directory` that holds `path`, from the root: "directory/" or "file".
private func firstEntry(of path: [UInt8], below directory: [UInt8]) -> [UInt8] {
  let start = directory.isEmpty ? 0 : directory.count + 1
  guard let end = path[start...].firstIndex(of: UInt8(ascii: "/")) else { return path }
  return Array(path[...end])
}

/// The possible sources of a byte code file: `a/b.py` for `a/__pycache__/b.cpython-311.pyc` and for `a/b.pyc`.
private func sourcePaths(of path: [UInt8]) -> [[UInt8]] {
  guard path[...].hasSuffix(".pyc") else { return [] }
  var directory = parent(of: path)
  var module = path.dropFirst(directory.isEmpty ? 0 : directory.count + 1).dropLast(4)
  if directory[...].hasSuffix("__pycache__") {
    directory = parent(of: directory)
    module = module.prefix { $0 != UInt8(ascii: ".") }
  }
  let source = (directory.isEmpty ? [] : directory + "/".utf8) + module + ".py".utf8
  return [source]
}

/// Joins `path` to `directory` and resolves `.` and `..`; nil if the result leaves the tree.
private func join(_ directory: [UInt8], _ path: [UInt8]) -> [UInt8]? {
  guard path.first != UInt8(ascii: "/") else { return nil }
  let slash = UInt8(ascii: "/")
  var names = directory.split(separator: slash)
  for name in path.split(separator: slash) {
    if name.elementsEqual("..".utf8) {
      guard names.popLast() != nil else { return nil }
    } else if !name.elementsEqual(".".utf8) {
      names.append(name)
    }
  }
  return Array(names.joined(separator: [slash]))
}

/// The path without its last component; empty if it has only one.
private func parent(of path: [UInt8]) -> [UInt8] {
  path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[..<$0]) } ?? []
}

extension ArraySlice<UInt8> {
  fileprivate func hasSuffix(_ text: String) -> Bool {
    suffix(text.utf8.count).elementsEqual(text.utf8)
  }
}

extension [UInt8] {
  fileprivate func isBelow(_ directory: [UInt8]) -> Bool {
    count > directory.count && self[directory.count] == UInt8(ascii: "/") && starts(with: directory)
  }
}
