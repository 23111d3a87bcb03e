import AppSpec
import BinaryRelocation
import BuildTools
import Posix

/// A file below the tree that a tested program wrote.
public struct WrittenFile: Sendable {
  /// From the tree's root.
  public var path: String
  /// Whether it is a file of the tree that has other content now.
  public var isPacked: Bool
  /// The source and the line that wrote it, from the root of data files: the application's own, or else a distribution's; nil where
  /// that is not known.
  public var writer: String?
  /// The distribution by whose code it was written; nil where it was none.
  public var distribution: String?
}

/// A shared library from outside of the tree that a tested program mapped.
public struct ForeignLibrary: Sendable {
  /// As `python.libraries` names it.
  public var name: String
  public var path: String
  /// The distributions whose imports mapped it; empty where the application did.
  public var distributions: [String]
  /// Whether another one of them needs it.
  public var isNeededByOther: Bool
}

/// Watches what the tested programs write below the unpacked tree, and which libraries they take from this machine.
final class TreeWatch {
  private let staged: StagedApplication
  private let tree: Path
  private let log: Path
  private let scratch: String
  private let systemLibraries: Set<String>
  /// Sources of distributions, read once.
  private var sources: [String: [[UInt8]]] = [:]
  private var before: [String: FileStatus] = [:]
  /// By the path of a library: the distributions that mapped it, "" for the application.
  private var libraries: [String: Set<String>] = [:]

  /// What starts the runtime module in the tree; it starts the watching module as well.
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

  /// Has each interpreter of the tree execute the watching module. The file that names it is changed in place, so that every
  /// directory of the tree stays as it was sealed.
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

  /// What was written below the tree and is still there, by path.
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

  /// Notes a library that the imports of a distribution mapped; "" or "-" stands for none.
  func note(library path: String, of distribution: String) {
    libraries[path, default: []].insert(distribution == "-" ? "" : distribution)
  }

  /// Notes the libraries that the processes of a group have mapped.
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

  /// The process group by `/proc/PID/stat` (proc(5)), whose second field may hold anything.
  private func group(of process: Path) -> Int32? {
    let stat = String(decoding: content(of: process.appending("stat")), as: UTF8.self)
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[end...].split(separator: " ")
    return fields.count > 3 ? Int32(fields[3]) : nil
  }

  /// A file of /proc, whose size is not known before.
  private func content(of file: Path) -> [UInt8] {
    guard let opened = try? FileDescriptor.open(file, .read) else { return [] }
    var result: [UInt8] = []
    while let bytes = try? opened.bytes(at: Int64(result.count), count: 64 << 10), !bytes.isEmpty {
      result += bytes
    }
    return result
  }

  /// The libraries that are neither the tree's nor those of every system, by name.
  func foreignLibraries(_ target: Target) -> [ForeignLibrary] {
    // An emulator maps its own.
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

  /// Whether a source of the distributions names a library, so that it is loaded by name whoever needs it as well.
  private func isNamed(_ name: String, by distributions: [String]) -> Bool {
    // "libpango-1.0.so.0" is found as "pango-1.0" as well.
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

  /// Those that don't merely require another one of them.
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
  /// What a person should know of what the tested programs did, a line each.
  public var warnings: [String] { lacking + writtenWarnings + libraryWarnings }

  /// A line for each source that wrote.
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
        + (rest > 0 ? " and \(rest) libraries that they need" : "")
        + ": taken from this machine by \(users), and not in the file: name them in python.libraries, or in "
        + "python.system-libraries if every target has them"
    }
  }
}
