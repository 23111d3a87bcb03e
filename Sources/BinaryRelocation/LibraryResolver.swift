import BuildTools
import Posix

/// Resolves each name that the tree's binaries need, and copies the libraries that the tree lacks.
struct LibraryResolver {
  private(set) var binaries: [Binary]
  let request: RelocationRequest
  let machine: MachineLibraries
  /// The binaries by inode, since several names and symlinks can lead to one.
  private var byFile: [FileID: Int] = [:]
  /// The binaries by name: file names and sonames.
  private var byName: [String: [Int]] = [:]
  /// Files that patchelf would damage by moving their appended data.
  private var unpatchable: [Path] = []
  private var copied: [(name: String, from: Path, binary: Int)] = []

  private struct FileID: Hashable {
    var device: UInt64
    var inode: UInt64

    init(_ status: FileStatus) {
      device = status.device
      inode = status.inode
    }
  }

  init(_ request: RelocationRequest, _ binaries: [Binary]) {
    self.request = request
    self.binaries = []
    machine = MachineLibraries(request)
    for binary in binaries { add(binary) }
  }

  private mutating func add(_ binary: Binary) {
    let index = binaries.count
    binaries.append(binary)
    byFile[FileID(binary.status)] = index
    let name = String(decoding: binary.path.lastComponent, as: UTF8.self)
    byName[name, default: []].append(index)
    if let soname = binary.elf.soname, soname != name { byName[soname, default: []].append(index) }
  }

  /// Resolves every binary's names, including those of copied libraries, and chooses the search paths.
  mutating func resolveAll() throws(Failure) -> RelocationReport {
    try copyListed()
    var index = 0
    while index < binaries.count {
      for name in binaries[index].elf.needed + binaries[index].role.lateNeeds {
        let resolution = try resolve(name, for: index)
        binaries[index].needs.append(resolution)
      }
      index += 1
    }
    followInheritedPaths()
    chooseSearchPaths()
    return report()
  }

  private mutating func resolve(_ name: String, for index: Int) throws(Failure) -> Resolution {
    if name.utf8.contains(UInt8(ascii: "/")) { return try resolvePath(name, for: index) }
    if isSystemLibrary(name) || request.systemLibraries.contains(name) { return .system }
    for directory in binaries[index].treeSearchPath {
      if let found = binary(at: directory, name), found != index { return .own(found) }
    }
    if let found = binary(at: "lib", name), found != index { return .library(found) }
    let others = (byName[name] ?? []).filter { $0 != index && binaries[$0].elf.kind == .shared }
    let package = binaries[index].role.package
    if !package.isEmpty,
      let found = others.first(where: { binaries[$0].role.package == package })
    {
      return .elsewhere(found)
    }
    if let library = try machine.find(name, for: binaries[index]) {
      return .library(try copy(library, as: name))
    }
    // A package can load another package's library before the one that needs it.
    if !package.isEmpty, let found = others.first { return .elsewhere(found) }
    return .missing
  }

  /// Resolves a name that is a path: of a library linked without a soname.
  private mutating func resolvePath(_ path: String, for index: Int) throws(Failure)
    -> Resolution
  {
    guard path.hasPrefix("/"), let name = path.split(separator: "/").last.map(String.init) else {
      return .missing
    }
    let resolution: Resolution
    if isSystemLibrary(name) || request.systemLibraries.contains(name) {
      resolution = .system
    } else if let found = binary(at: "lib", name) {
      resolution = .library(found)
    } else if let library = try machine.find(at: path) {
      resolution = .library(try copy(library, as: name))
    } else {
      return .missing
    }
    binaries[index].renames.append((path, name))
    return resolution
  }

  /// The binary with this name in `directory`, a path in the tree.
  func binary(at directory: String, _ name: String) -> Int? {
    let path = request.root.appending(directory).appending(name)
    guard
      let status = try? DirectoryHandle.current.statusIfExists(of: path, follow: true)
    else { return nil }
    return byFile[FileID(status)]
  }

  /// Copies a library into the tree's `lib` under its soname.
  ///
  /// Binaries that need it by another name find it through a symlink, so that it is loaded only once.
  mutating func copy(_ library: MachineLibrary, as name: String) throws(Failure) -> Int {
    let directory = request.root.appending("lib")
    let own = library.elf.soname.flatMap { $0.utf8.contains(UInt8(ascii: "/")) ? nil : $0 } ?? name
    let index: Int
    if let known = binary(at: "lib", own) {
      index = known
    } else {
      try createDirectories(directory)
      let status = try copyFile(library.path, to: directory.appending(own), mode: 0o755)
      index = binaries.count
      add(
        Binary(
          path: Path("lib").appending(own), elf: library.elf, role: BinaryRole(),
          status: status, source: library.path.parent))
      copied.append((own, library.path, index))
    }
    if own != name {
      try DirectoryHandle.current.createSymlink(
        directory.appending(name), to: Path(own))
    }
    return index
  }

  /// The direct users of each binary.
  private func usersOfBinaries() -> [Int: [Int]] {
    var users: [Int: [Int]] = [:]
    for (index, binary) in binaries.enumerated() {
      for target in binary.needs.compactMap(\.binary) { users[target, default: []].append(index) }
    }
    return users
  }

  /// Resolves libraries found elsewhere, if the `DT_RPATH` of a binary that needs this one leads to them.
  private mutating func followInheritedPaths() {
    let users = usersOfBinaries()
    for index in binaries.indices where binaries[index].elf.runpath == nil {
      for (place, name) in binaries[index].elf.needed.enumerated() {
        guard case .elsewhere = binaries[index].needs[place] else { continue }
        let directories = closure(of: [index]) { users[$0] ?? [] }
          .filter { binaries[$0].elf.runpath == nil }.flatMap { binaries[$0].treeSearchPath }
        for directory in directories {
          guard let found = binary(at: directory, name) else { continue }
          binaries[index].needs[place] = .own(found)
          break
        }
      }
    }
  }

  private func report() -> RelocationReport {
    var report = RelocationReport()
    var missing: [String: [Int]] = [:]
    var elsewhere: [String: (at: Int, by: [Int])] = [:]
    let users = usersOfBinaries()
    for (index, binary) in binaries.enumerated() {
      for (name, resolution) in zip(binary.elf.needed, binary.needs) {
        if resolution == .missing { missing[name, default: []].append(index) }
        if case .elsewhere(let at) = resolution {
          elsewhere[name, default: (at, [])].by.append(index)
        }
      }
    }
    report.unpatchable = unpatchable
    report.copied = copied.sorted { $0.name < $1.name }.map {
      RelocationReport.Copied(name: $0.name, from: $0.from, neededBy: paths(users[$0.binary] ?? []))
    }
    report.foundElsewhere = elsewhere.sorted { $0.key < $1.key }.map {
      RelocationReport.FoundElsewhere(
        name: $0.key, at: binaries[$0.value.at].path, neededBy: paths($0.value.by))
    }
    report.missing = missing.sorted { $0.key < $1.key }.map { name, by in
      let dependents = closure(of: by) { users[$0] ?? [] }
      return RelocationReport.Missing(
        name: name, neededBy: paths(by),
        dependents: paths(dependents),
        stopsHost: dependents.contains { binaries[$0].role.isHost })
    }
    return report
  }

  private func paths(_ indexes: [Int]) -> [Path] {
    indexes.map { binaries[$0].path }.sorted { $0.precedes($1) }
  }
}

extension LibraryResolver {
  /// Chooses the search paths that change.
  ///
  /// For a library without a `DT_RUNPATH`, the loader also searches the `DT_RPATH` of the binaries that loaded it, up
  /// to the program. So one `DT_RPATH` in the host leads everything it loads to `lib`, and the packages' files stay as
  /// they are. Files with a `DT_RUNPATH` get it as a `DT_RPATH`, which changes one word of the file.
  private mutating func chooseSearchPaths() {
    let users = Set(binaries.lazy.filter(\.needsLibraryDirectory).map(\.role.package))
    for index in binaries.indices {
      let binary = binaries[index]
      guard binary.elf.isDynamic else { continue }
      let old = binary.elf.searchPath
      var new =
        binary.source == nil ? old.filter { binary.treeDirectory(of: $0) != nil } : []
      let opensLibraries = !request.libraries.isEmpty && binary.role.opensLibrariesByName
      var isInherited = binary.needsLibraryDirectory || opensLibraries
      if binary.elf.isProgram {
        isInherited =
          binary.role.isHost
          ? !users.isEmpty || !request.libraries.isEmpty
          : reachesLibraries(index)
            || (users.contains(binary.role.package) && !binary.role.package.isEmpty)
        if isInherited {
          if !new.contains(where: { binary.treeDirectory(of: $0) == "lib" }) {
            new.append(binary.searchEntryOfLibraries)
          }
        }
      }
      if new != old || (isInherited && binary.elf.runpath != nil) {
        binaries[index].newSearchPath = new
      }
      if binary.elf.hasAppendedData && binaries[index].isToRelink {
        unpatchable.append(binary.path)
        binaries[index].newSearchPath = nil
        binaries[index].renames = []
      }
    }
  }

  /// Whether the program's direct and indirect needs include a library in `lib`.
  private func reachesLibraries(_ program: Int) -> Bool {
    closure(of: [program]) { binaries[$0].needs.compactMap(\.binary) }
      .contains { binaries[$0].needsLibraryDirectory }
  }

  /// The items and everything that `next` reaches from them, in ascending order.
  private func closure(of items: [Int], _ next: (Int) -> [Int]) -> [Int] {
    var seen = Set(items)
    var rest = items
    while let item = rest.popLast() {
      for other in next(item) where seen.insert(other).inserted { rest.append(other) }
    }
    return seen.sorted()
  }
}

extension Binary {
  var needsLibraryDirectory: Bool {
    needs.contains { if case .library = $0 { true } else { false } }
  }

  /// The directories in the tree that its search path leads to.
  var treeSearchPath: [String] { elf.searchPath.compactMap(treeDirectory) }

  /// The directory that an entry of a search path means, at any place of the tree.
  ///
  /// Nil for directories of the build machine, of the working directory and outside of the tree.
  func treeDirectory(of entry: String) -> String? {
    guard let rest = originRelative(entry) else { return nil }
    var components = path.parent.string.split(separator: "/").filter { $0 != "." }
    for component in rest.split(separator: "/") where component != "." {
      if component == ".." {
        guard components.popLast() != nil else { return nil }
      } else {
        components.append(component)
      }
    }
    return components.joined(separator: "/")
  }

  /// The search path entry that leads from it to the tree's `lib`: "$ORIGIN/../lib" for "bin/python3.11".
  var searchEntryOfLibraries: String {
    let directory = path.parent.string.split(separator: "/").filter { $0 != "." }
    if directory.first == "lib" {
      return (["$ORIGIN"] + directory.dropFirst().map { _ in ".." }).joined(separator: "/")
    }
    return (["$ORIGIN"] + directory.map { _ in ".." } + ["lib"]).joined(separator: "/")
  }
}

/// The rest of a search path entry after `$ORIGIN`; nil if it does not begin with that or has other variables.
func originRelative(_ entry: String) -> Substring? {
  for origin in ["$ORIGIN", "${ORIGIN}"] where entry.hasPrefix(origin) {
    let rest = entry.dropFirst(origin.count)
    return rest.isEmpty || (rest.hasPrefix("/") && !rest.contains("$")) ? rest : nil
  }
  return nil
}
