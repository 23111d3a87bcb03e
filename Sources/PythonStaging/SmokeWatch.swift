import AppSpec
import BinaryRelocation
import BuildTools
import Posix
import Reporting

/// A file below the tree, written by a tested program.
public struct WrittenFile: Sendable {
  /// From the tree's root.
  public var path: String
  /// Whether it is a file of the tree with changed content.
  public var isPacked: Bool
  /// The source and line that wrote it, from the root of data files; nil if unknown.
  ///
  /// A source of the application is preferred to one of a distribution.
  public var writer: String?
  /// The distribution whose code wrote it; nil if no distribution did.
  public var distribution: String?
}

/// A shared library outside of the tree that a tested program mapped.
public struct ForeignLibrary: Sendable {
  /// Its name in `python.libraries`.
  public var name: String
  public var path: String
  /// The distributions whose imports mapped it; empty if the application did.
  public var distributions: [String]
  /// Whether another of these libraries needs it.
  public var isNeededByOther: Bool
}

/// Watches which files the tested programs write below the unpacked tree, and which libraries they take from this
/// machine.
final class TreeWatch {
  private let staged: StagedApplication
  private let tree: Path
  private let log: Path
  private let scratch: String
  private let systemLibraries: Set<String>
  /// Sources of distributions, read once.
  private var sources: [String: [[UInt8]]] = [:]
  private var before: [String: FileStatus] = [:]
  /// By the path of a library: the distributions that mapped it. "" stands for the application.
  private var libraries: [String: Set<String>] = [:]

  /// The file that starts the runtime module in the tree. It also starts the watching module.
  private static let startFile = "__onefold__.pth"

  init(_ request: SmokeRequest, tree: Path) throws(Failure) {
    staged = request.staged
    self.tree = tree
    let place = ProcessContext.absolutePath(request.scratch)
    scratch = place.string
    log = place.appending("watched")
    systemLibraries = Set(request.spec.python?.systemLibraries ?? [])
    try install(place)
    for entry in try listTree(tree) { before[entry.path.string] = entry.status }
  }

  /// Makes each interpreter of the tree run the watching module.
  ///
  /// The file that names it is changed in place, so that every directory of the tree stays as it was sealed.
  private func install(_ place: Path) throws(Failure) {
    guard let site = staged.site else { return }
    let module = place.appending("watch.py")
    let values = ["@LOG@": hexText(log.bytes).string, "@SITE@": pythonText(site)]
    try writeFile(module, filledTemplate(Helper.watch, values))
    let start = tree.appending("\(site)/\(Self.startFile)")
    let line =
      "import sys; exec(compile(open(bytes.fromhex('\(hexText(module.bytes).string)'), 'rb').read(), 'onefold-watch', 'exec'), {})\n"
    let text = try readFile(start) + Array(line.utf8)
    let file = try FileDescriptor.open(start, .write)
    try file.write(text)
    try file.close()
  }

  // MARK: Files

  /// The files written below the tree that still exist, by path.
  func writtenFiles() throws(Failure) -> [WrittenFile] {
    var writers: [String: [String]] = [:]
    for value in Facts((try? readFile(log)) ?? []).all("writes") {
      let parts = value.split(separator: "\t").map(String.init)
      if parts.count > 1 { writers[parts[0]] = Array(parts[1...]) }
    }
    var owners: [String: String] = [:]
    for distribution in staged.distributions {
      for file in distribution.files {
        owners[file] = "\(distribution.name) \(distribution.version)"
      }
    }
    let entries = try listTree(tree)
    let parents = Set(entries.map { $0.path.parent.string })
    return entries.compactMap { entry in
      let path = entry.path.string
      let old = before[path]
      guard !path.hasSuffix("/\(Self.startFile)"), isWritten(entry, old, parents) else {
        return nil
      }
      let known = writers[path] ?? writers.first { path.hasPrefix($0.key + "/") }?.value ?? []
      let places = known.map { place in
        (text: place, owner: owners["\(staged.site ?? "")/" + place.prefix { $0 != ":" }])
      }
      let own = places.first { $0.owner == nil }
      return WrittenFile(
        path: path, isPacked: old != nil, writer: (own ?? places.first)?.text,
        distribution: places.first { $0.owner != nil }?.owner)
    }
  }

  private func isWritten(_ entry: TreeEntry, _ old: FileStatus?, _ parents: Set<String>) -> Bool {
    guard entry.status.kind == .directory else {
      guard let old else { return true }
      return entry.status.kind != old.kind || entry.status.size != old.size
        || entry.status.modified != old.modified
    }
    return old == nil && !parents.contains(entry.path.string)
  }

  // MARK: Libraries

  /// Records a library that the imports of a distribution mapped. "" and "-" stand for none.
  func note(library path: String, of distribution: String) {
    libraries[path, default: []].insert(distribution == "-" ? "" : distribution)
  }

  /// Records the libraries that the processes of a group have mapped.
  func noteLibraries(ofGroup group: Int32) {
    let place = Path("/proc")
    for name in (try? DirectoryHandle.current.names(in: place)) ?? [] {
      let process = place.appending(name)
      guard let number = name.first, isDigit(number), self.group(of: process) == group else {
        continue
      }
      let maps = String(decoding: content(of: process.appending("maps")), as: UTF8.self)
      for line in maps.split(separator: "\n") {
        let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard fields.count == 6, fields[1].contains("x"), let slash = fields[5].firstIndex(of: "/")
        else { continue }
        note(library: String(fields[5][slash...]), of: "")
      }
    }
  }

  /// The process group in `/proc/PID/stat` (proc(5)). The second field can contain any text.
  private func group(of process: Path) -> Int32? {
    let stat = String(decoding: content(of: process.appending("stat")), as: UTF8.self)
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[end...].split(separator: " ")
    return fields.count > 3 ? Int32(fields[3]) : nil
  }

  /// Reads a file of /proc, whose size is unknown.
  private func content(of file: Path) -> [UInt8] {
    guard let opened = try? FileDescriptor.open(file, .read) else { return [] }
    var result: [UInt8] = []
    while let bytes = try? opened.bytes(at: Int64(result.count), count: 64 << 10), !bytes.isEmpty {
      result += bytes
    }
    return result
  }

  /// The libraries that neither the tree nor every system has, by name.
  func foreignLibraries(_ target: Target) -> [ForeignLibrary] {
    // An emulator maps its own libraries.
    guard target == .native else { return [] }
    for path in Facts((try? readFile(log)) ?? []).all("library") { note(library: path, of: "") }
    let places = [tree.string, (try? realPath(tree)) ?? tree.string, scratch]
    var found: [ForeignLibrary] = []
    var needed: Set<String> = []
    for (path, distributions) in libraries {
      guard !places.contains(where: { path.hasPrefix($0 + "/") }), !path.contains("/gconv/"),
        let elf = try? ElfFile.read(Path(path)), elf.kind == .shared, elf.interpreter == nil
      else { continue }
      let name = elf.soname ?? String(decoding: Path(path).lastComponent, as: UTF8.self)
      guard !isSystemLibrary(name), !systemLibraries.contains(name) else { continue }
      needed.formUnion(elf.needed)
      found.append(
        ForeignLibrary(
          name: name, path: path, distributions: ownUsers(distributions), isNeededByOther: false))
    }
    for index in found.indices {
      found[index].isNeededByOther =
        needed.contains(found[index].name)
        && !isNamed(found[index].name, by: found[index].distributions)
    }
    return found.sorted { $0.name < $1.name }
  }

  /// Whether a source of the distributions names a library. It is then loaded by name, even if another library needs it
  /// too.
  private func isNamed(_ name: String, by distributions: [String]) -> Bool {
    // Code can also name "libpango-1.0.so.0" as "pango-1.0".
    var stem = name[...]
    if stem.hasPrefix("lib") { stem = stem.dropFirst(3) }
    while !stem.isEmpty && !stem.hasSuffix(".so") { stem = stem.dropLast() }
    stem = stem.dropLast(3)
    let texts = [name, String(stem)].flatMap { ["'\($0)'", "\"\($0)\""] }
    return distributions.contains { distribution in
      sources(of: distribution).contains { source in
        texts.contains { PythonStaging.contains(source, $0) }
      }
    }
  }

  private func sources(of name: String) -> [[UInt8]] {
    if let known = sources[name] { return known }
    let files = staged.distributions.first { $0.name == name }?.files ?? []
    let read = files.filter { $0.hasSuffix(".py") }.compactMap {
      try? readFile(tree.appending($0))
    }
    sources[name] = read
    return read
  }

  /// The distributions that do not require another of them.
  private func ownUsers(_ names: Set<String>) -> [String] {
    names.filter { name in
      !name.isEmpty && closure(of: name).isDisjoint(with: names)
    }.sorted()
  }

  private func closure(of name: String) -> Set<String> {
    var result: Set<String> = []
    var todo = [name]
    while let next = todo.popLast() {
      for distribution in staged.distributions where distribution.name == next {
        for required in distribution.requires where result.insert(required).inserted {
          todo.append(required)
        }
      }
    }
    return result.subtracting([name])
  }
}

// MARK: Warnings

extension SmokeReport {
  /// Warnings about the tested programs, one per line.
  public var warnings: [String] { lacking + writtenWarnings + libraryWarnings }

  /// A line for each source that wrote files.
  private var writtenWarnings: [String] {
    var groups: [(writer: String, files: [WrittenFile])] = []
    for file in written {
      let by = [file.writer, file.distribution.map { "with \($0)" }].compactMap(\.self)
      let writer = by.isEmpty ? "" : " by " + by.joined(separator: " ")
      if let index = groups.firstIndex(where: { $0.writer == writer }) {
        groups[index].files.append(file)
      } else {
        groups.append((writer, [file]))
      }
    }
    return groups.map { group in
      let more = group.files.count > 3 ? " and \(group.files.count - 3) more" : ""
      let names = group.files.prefix(3).map { printable($0.path) }.joined(separator: ", ")
      let isPacked = group.files.contains(where: \.isPacked)
      return
        "\(names)\(more): written\(printable(group.writer)) in the unpacked tree, which the next version does not have"
        + (isPacked ? "; a packed file that was changed is restored by later launches" : "")
        + ": keep data outside of the tree"
    }
  }

  /// A line for each set of distributions that take libraries from this machine.
  private var libraryWarnings: [String] {
    var groups: [(users: [String], libraries: [ForeignLibrary])] = []
    for library in libraries {
      if let index = groups.firstIndex(where: { $0.users == library.distributions }) {
        groups[index].libraries.append(library)
      } else {
        groups.append((library.distributions, [library]))
      }
    }
    return groups.map { group in
      let first = group.libraries.filter { !$0.isNeededByOther }
      let named = first.isEmpty ? group.libraries : first
      let rest = group.libraries.count - named.count
      let users =
        group.users.isEmpty ? "the application" : group.users.joined(separator: ", ")
      return "\(named.map(\.name).joined(separator: ", "))"
        + (rest > 0 ? " and \(counted(rest, "library", plural: "libraries")) that they need" : "")
        + ": taken from this machine by \(users), and not in the file: name them in python.libraries, or in "
        + "python.system-libraries if every target has them"
    }
  }
}
