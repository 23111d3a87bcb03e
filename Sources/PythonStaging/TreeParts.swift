import BuildTools
import ContentHash
public import Inventory
public import Posix

/// The parts of a tree that an inventory names: distributions, interpreters, other programs and libraries, data files.
public struct TreeParts: Sendable {
  /// A distribution with a `.dist-info` directory.
  public struct Installed: Sendable {
    public var metadata: DistributionMetadata
    /// The `.dist-info` directory, from the tree's root.
    public var location: String
    /// The tags of its wheel, such as "py3-none-any".
    var tags: Set<String> = []
    /// Files of its `RECORD`, from the tree's root.
    var files: [String] = []
    /// The documents of PEP 770: names and contents.
    var documents: [(name: String, bytes: [UInt8])] = []
    /// The names of libraries that auditwheel or a similar tool added.
    var addedLibraries: [String] = []
  }

  public private(set) var distributions: [Installed] = []
  /// Versions such as "3.11" and the directories of standard libraries.
  public private(set) var interpreters: [(version: String, location: String)] = []
  /// Programs and libraries that belong to neither a distribution nor an interpreter.
  public private(set) var binaries: [(path: Path, sha256: String)] = []
  /// The other files, and their bytes.
  public private(set) var data: (files: Int, bytes: UInt64) = (0, 0)
  public private(set) var warnings: [String] = []

  private let root: Path
  /// Directories that hold distributions.
  private var sites: Set<String> = []

  /// Documents of PEP 770 with more bytes are not read.
  private static let longestDocument = 8 << 20

  /// Looks at a tree. Reads metadata, and the first bytes of files that belong to no distribution.
  ///
  /// - Parameter copied: libraries that are components of their own, from the tree's root.
  /// - Throws: a system call's failure.
  public init(_ root: Path, copied: Set<String> = []) throws(Failure) {
    self.root = root
    let entries = try listTree(root)
    for entry in entries where entry.status.kind == .directory { try noteDirectory(entry.path) }
    distributions.sort { $0.location < $1.location }
    let addedLibraries = noteAddedLibraries(entries)
    var owned = copied.union(addedLibraries)
    for distribution in distributions { owned.formUnion(distribution.files) }
    for entry in entries where entry.status.kind == .file {
      let path = entry.path.string
      if owned.contains(path) || isOfRuntime(path) { continue }
      if try isELF(entry.path) {
        binaries.append((entry.path, try hash(of: root.appending(entry.path.bytes))))
      } else {
        data.files += 1
        data.bytes += UInt64(entry.status.size)
      }
    }
  }

  // MARK: Directories

  private mutating func noteDirectory(_ path: Path) throws(Failure) {
    let name = String(decoding: path.lastComponent, as: UTF8.self)
    let parent = String(decoding: path.parent.lastComponent, as: UTF8.self)
    if name.hasSuffix(".dist-info") {
      try noteDistribution(path)
    } else if parent == "lib" || parent == "lib64", name.hasPrefix("python"),
      isVersion(name.dropFirst("python".utf8.count))
    {
      interpreters.append((String(name.dropFirst("python".utf8.count)), path.string))
    }
  }

  private func isVersion(_ text: Substring) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(\.isNumber) }
  }

  private mutating func noteDistribution(_ path: Path) throws(Failure) {
    let directory = root.appending(path.bytes)
    let file = directory.appending("METADATA")
    // A directory without one is no distribution, for example a leftover of pruning.
    guard exists(file), !isDirectory(file) else { return }
    let name = String(decoding: path.lastComponent, as: UTF8.self)
    let metadata = DistributionMetadata(parsing: try readFile(file), directory: name)
    warnings += metadata.problems.map { "\(printable(name))/METADATA \(printable($0))" }
    var found = Installed(metadata: metadata, location: path.string)
    let site = path.parent.string
    sites.insert(site)
    let record = directory.appending("RECORD")
    if exists(record), !isDirectory(record) {
      found.files = recordedPaths(try readFile(record)).map {
        normalizedPath("\(site)/\(String(decoding: $0, as: UTF8.self))")
      }
    }
    found.tags = try wheelTags(directory.appending("WHEEL"))
    found.documents = try documents(directory.appending("sboms"), of: name)
    distributions.append(found)
  }

  private func wheelTags(_ file: Path) throws(Failure) -> Set<String> {
    guard exists(file), !isDirectory(file) else { return [] }
    let lines = String(decoding: try readFile(file), as: UTF8.self).split(
      whereSeparator: \.isNewline)
    return Set(
      lines.filter { $0.hasPrefix("Tag:") }.map { line in
        String(line.dropFirst("Tag:".utf8.count).filter { !$0.isWhitespace })
      })
  }

  /// Reads the software bills of materials in a wheel (PEP 770).
  private mutating func documents(_ directory: Path, of name: String) throws(Failure)
    -> [(name: String, bytes: [UInt8])]
  {
    guard isDirectory(directory) else { return [] }
    var documents: [(name: String, bytes: [UInt8])] = []
    for entry in try listTree(directory)
    where entry.status.kind == .file && entry.path.bytes.hasSuffix(".json") {
      let text = "\(name)/sboms/\(entry.path.string)"
      guard entry.status.size <= Self.longestDocument else {
        warnings.append("\(printable(text)) is larger than 8 MiB, and was not read")
        continue
      }
      documents.append((text, try readFile(directory.appending(entry.path.bytes))))
    }
    return documents
  }

  /// Notes the files in `NAME.libs` directories, and returns their paths.
  private mutating func noteAddedLibraries(_ entries: [TreeEntry]) -> Set<String> {
    var owners: [String: Int] = [:]
    for (index, distribution) in distributions.enumerated() {
      for file in distribution.files { owners[file] = index }
    }
    var paths: Set<String> = []
    for entry in entries where entry.status.kind == .file {
      let directory = entry.path.parent
      guard directory.bytes.hasSuffix(".libs"), sites.contains(directory.parent.string),
        let owner = owners[entry.path.string]
      else { continue }
      paths.insert(entry.path.string)
      distributions[owner].addedLibraries.append(entry.path.string)
    }
    return paths
  }

  // MARK: Files

  /// Whether a file is the interpreter's, the packer's, byte code, or metadata of a distribution.
  private func isOfRuntime(_ path: String) -> Bool {
    let parts = path.split(separator: "/")
    let name = parts.last ?? ""
    let directories = parts.dropLast()
    if directories.first == ".onefold" || directories.first ?? "" == Application.nameDirectory {
      return true
    }
    if path == "pyvenv.cfg" { return true }
    if name == "__onefold__.pth" || name.hasPrefix("_onefold_") { return true }
    if directories.last == "__pycache__" { return true }
    // Below a directory of distributions, files without an owner are data.
    if directories.contains(where: isPackageDirectory)
      || sites.contains(where: { path.hasPrefix($0 + "/") })
    {
      return directories.contains { $0.hasSuffix(".dist-info") }
    }
    return interpreters.contains { interpreter in
      let prefix = interpreter.location.split(separator: "/").dropLast(2)
      guard parts.starts(with: prefix) else { return false }
      let below = parts.dropFirst(prefix.count)
      return below.count > 1 && ["bin", "include", "lib", "lib64"].contains(below.first)
    }
  }

  private func isELF(_ path: Path) throws(Failure) -> Bool {
    let file = try FileDescriptor.open(root.appending(path.bytes), .readNoFollow)
    return try file.bytes(at: 0, count: 4) == [0x7F, 0x45, 0x4C, 0x46]
  }
}
