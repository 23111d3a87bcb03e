import AppSpec
import BuildTools
import ContentHash
public import Inventory
import PayloadFormat
public import Posix
import Reporting

/// The inputs of a staged tree that its files do not tell.
struct StagedOrigin: Sendable {
  var asked: Set<String> = []
  var isLocked = false
  /// See `Requirements`.
  var archives: [(sha256: String, name: String)] = []
  var revision: SourceRevision?
  /// Of the spec's file, in hexadecimal; nil if the spec is in none.
  var specSHA256: String?
  /// The files that fix versions: locks and requirements files.
  var locks: [Path] = []
  /// The package of the build machine's system that the interpreter is from.
  var interpreterPackage: SystemPackage?
  /// Of the archive that the interpreter is from; empty for none.
  var interpreterSHA256 = ""
  var processor = Target.native.processor

  init() {}

  init(_ spec: Spec, _ requirements: Requirements?, revision: SourceRevision?) {
    self.revision = revision
    specSHA256 = spec.source.map { hexText(SHA256Hasher.digest(of: $0.span).bytes).string }
    asked = requirements?.asked ?? []
    isLocked = requirements?.isLocked ?? false
    archives = requirements?.archives ?? []
    processor = spec.target.processor
    locks = spec.dependencies.requirements.map { spec.resolve($0.value) }
    if let lock = spec.dependencies.lock { locks.append(spec.resolve(lock.value)) }
    if let lock = requirements?.foundLock { locks.append(Path(lock)) }
  }

  mutating func noteInterpreter(_ interpreter: Interpreter, _ python: Spec.Python) throws(Failure) {
    interpreterSHA256 = python.sha256?.value.lowercased() ?? ""
    guard python.archive == nil, python.archiveURL == nil else { return }
    let root = interpreter.foreign.map(\.systemRoot) ?? Path("/")
    guard let root else { return }
    interpreterPackage = try SystemPackages(root: root).package(of: interpreter.executable)
  }
}

extension StagedApplication {
  /// Makes the inventory of the staged tree.
  ///
  /// - Throws: a system call's failure.
  public func inventory(name: String, version: String) throws(Failure) -> InventoryBuilder {
    let copied = report.copiedLibraries
    let parts = try TreeParts(tree, copied: Set(copied.map(\.path)))
    var builder = InventoryBuilder(name: name, version: version, parts: parts)
    if let interpreter = parts.interpreters.first {
      builder.addInterpreter(
        version: report.pythonVersion, location: interpreter.location,
        package: origin.interpreterPackage, sha256: origin.interpreterSHA256)
    }
    builder.addDistributions(
      asked: asked(parts), python: report.pythonVersion,
      processor: origin.processor, origins: origins(parts))
    builder.addCopied(copied)
    builder.addFiles()
    return builder
  }

  /// Normalized names of those that the application asks for.
  ///
  /// A list like that of `pip freeze` does not say which of its distributions are dependencies of others: empty then.
  private func asked(_ parts: TreeParts) -> Set<String> {
    let all = Set(parts.distributions.map { normalizedName($0.metadata.name) })
    let own = Set(distributions.filter(\.isLocal).map(\.name))
    let asked = origin.asked.union(own)
    return origin.isLocked && asked.isSuperset(of: all) ? [] : asked
  }

  private func origins(_ parts: TreeParts) -> [String: InventoryBuilder.Origin] {
    var origins: [String: InventoryBuilder.Origin] = [:]
    let known = Dictionary(distributions.map { ($0.directory, $0) }) { first, _ in first }
    for installed in parts.distributions {
      let directory = String(decoding: Path(installed.location).lastComponent, as: UTF8.self)
      var result = InventoryBuilder.Origin()
      result.sha256 = archiveSHA256(of: installed) ?? ""
      if let distribution = known[directory] {
        result.isLocal = distribution.isLocal
        result.read(distribution.origin)
      }
      origins[directory] = result
    }
    return origins
  }

  /// The hash that the lock has for the archive of a distribution; nil if it has none, or does not say which one.
  private func archiveSHA256(of installed: TreeParts.Installed) -> String? {
    let name = normalizedName(installed.metadata.name)
    let version = installed.metadata.version
    if let only = origin.archives.first(where: { $0.name == name }) { return only.sha256 }
    let suiting = origin.archives.filter { archive in
      guard let wheel = WheelName(archive.name) else { return false }
      return normalizedName(wheel.name) == name && wheel.version == version
        && wheel.tags == installed.tags
    }
    return suiting.count == 1 ? suiting[0].sha256 : nil
  }

  /// The inputs of the build, for the inventory's properties. Nothing in them is of the build machine.
  ///
  /// - Throws: a system call's failure, if a lock can no longer be read.
  public func provenance() throws(Failure) -> [Component.Property] {
    var properties: [Component.Property] = []
    if let hash = origin.specSHA256 {
      properties.append(Component.Property("onefold:spec:sha256", hash))
    }
    for lock in origin.locks {
      let name = printable(String(decoding: lock.lastComponent, as: UTF8.self))
      properties.append(
        Component.Property("onefold:lock:\(name):sha256", try hash(of: lock)))
    }
    if let revision = origin.revision {
      properties.append(Component.Property("onefold:source:commit", revision.commit))
      properties.append(
        Component.Property("onefold:source:modified", revision.isModified ? "true" : "false"))
    }
    return properties
  }
}

extension InventoryBuilder.Origin {
  /// Reads an entry of `direct_url.json` (PyPA, "Recording the direct URL origin").
  fileprivate mutating func read(_ json: String) {
    guard let value = JSONValue(parsing: [UInt8](json.utf8)) else { return }
    if let commit = value["vcs_info"]?["commit_id"]?.text { self.commit = commit }
    // A wheel that was built from a project of this machine has another hash each time.
    if !isLocal, let hash = value["archive_info"]?["hashes"]?["sha256"]?.text { sha256 = hash }
  }
}

/// The name of a wheel file (PyPA, "Binary distribution format").
struct WheelName: Equatable {
  var name: String
  var version: String
  /// Each combination of its compressed tags.
  var tags: Set<String>

  /// Nil for other names.
  init?(_ file: String) {
    guard file.hasSuffix(".whl") else { return nil }
    let parts = file.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 5 || parts.count == 6 else { return nil }
    name = String(parts[0])
    version = String(parts[1])
    let last = parts.suffix(3).map { $0.split(separator: ".") }
    tags = []
    for python in last[0] {
      for abi in last[1] {
        for platform in last[2] { tags.insert("\(python)-\(abi)-\(platform)") }
      }
    }
  }
}
