public import AppSpec
public import BinaryRelocation
import BuildTools
import ContentHash
public import PayloadFormat
public import Posix
import Processes
import Reporting

/// The inputs of staging.
public struct StagingRequest: Sendable {
  public var spec: Spec
  /// An empty directory. The tree is created as `tree` in it. Other files left there can be removed.
  public var directory: Path
  /// The directory of layers, which speed up later staging; nil for none.
  public var layers: Path?
  /// Threads to use, at least 1.
  public var workers: Int
  /// The time of the application's own files, in seconds since 1970 (SOURCE_DATE_EPOCH); nil for the time of their
  /// commit.
  public var epoch: Int64?
  /// The path of the packed file, which is not a source of the application.
  public var output: Path
  /// The version of the packer. Each version has its own layers.
  public var packer: String
  /// Called with the requirements that have no hash, before they are installed. What it throws ends the build.
  public var admit: @Sendable ([UnhashedRequirement]) throws(Failure) -> Void

  public init(
    spec: Spec, directory: Path, layers: Path?, workers: Int, epoch: Int64?, output: Path,
    packer: String,
    admit: @escaping @Sendable ([UnhashedRequirement]) throws(Failure) -> Void = { _ in }
  ) {
    self.spec = spec
    self.directory = directory
    self.layers = layers
    self.workers = workers
    self.epoch = epoch
    self.output = output
    self.packer = packer
    self.admit = admit
  }
}

/// A tree that is ready for packing, and its launch command.
public struct StagedApplication: Sendable {
  /// Another program of the file, from `[commands.NAME]`.
  public struct Command: Sendable {
    public var name: String
    /// From the tree's root.
    public var entry: String
    /// The arguments before the user's.
    public var arguments: [String]
  }

  public var tree: Path
  /// The executed program, from the tree's root.
  public var entry: String
  /// The arguments before the user's.
  public var arguments: [String]
  /// What the file can start instead.
  public var commands: [Command] = []
  public var variables: [(name: String, value: String)]
  public var removedVariables: [String]
  /// The modification time of the application's own files, in seconds since 1970. Each release has a later one.
  public var releaseTime: Int64
  public var report: StagingReport
  /// The interpreter, from the tree's root; nil for none.
  var interpreter: String?
  /// The interpreter that runs helper programs: the original of the tree's, or a local one.
  var helper: Path
  /// The directory of site-packages, from the tree's root; nil for none.
  var site: String?
  var distributions: [Distribution]
  /// The root of the system with the interpreter, for another target.
  var systemRoot: Path?
  var origin = StagedOrigin()

  /// The command that runs the smoke tests of `file` on a machine of the target; nil if the tree has no interpreter.
  public func smokeCommand(_ file: Path) -> String? {
    interpreter.map { _ in
      let name = file.bytes.contains(UInt8(ascii: "/")) ? file.string : "./\(file.string)"
      return "\"$(ONEFOLD=prewarm \(name))\"/bin/python3 -IBm \(Application.smokeModule) \(name)"
    }
  }
}

/// The results of staging, for the packer's summary.
public struct StagingReport: Sendable {
  /// "3.11.7"; empty if the tree has no interpreter.
  public var pythonVersion = ""
  /// The source of the interpreter.
  public var interpreter = ""
  /// "pip 23.2.1"; empty if nothing was installed.
  public var installer = ""
  public var distributions = 0
  /// Excluded distributions.
  public var excluded: [String] = []
  /// Pruned files by owner, most bytes first.
  public var pruned: [PrunedRow] = []
  /// The source that makes the interpreter's headers stay; nil if they were removed, or were not to be.
  public var compiles: String?
  /// Bytes of debug symbols that were stripped.
  public var strippedBytes: UInt64 = 0
  /// Files that keep their debug symbols although stripping was requested, with the reason; sorted by path.
  public var unstripped: [RelocationReport.Unstrippable] = []
  /// Shared libraries copied from the build machine into the tree, sorted by name.
  public var copiedLibraries: [CopiedLibrary] = []
  /// The oldest glibc that the tree runs on, and a file that needs it; nil if none does.
  public var glibc: GlibcRequirement?
  /// The reason to set `sys.frozen`, to be read after "because"; nil if it is not set.
  public var frozen: String?
  /// Whether the interpreter and the requirements came from a layer.
  public var reusedLayer = false
  public var warnings: [String] = []
}

/// Stages the application of a spec.
///
/// - Parameter progress: called on this thread with the current step.
/// - Throws: an error with the spec's line if a part of the spec is unavailable; `interrupted` if termination signals
///   are held and one came; or a system call's failure. Partial results stay in the request's directory, which the
///   caller owns and removes.
public func stage(_ request: StagingRequest, progress: (String) -> Void) throws(Failure)
  -> StagedApplication
{
  var staging = Staging(request)
  return try staging.run(progress)
}

private struct Staging {
  let request: StagingRequest
  var spec: Spec
  let root: Path
  let scratch: Path
  var report = StagingReport()
  var layers: LayerCache
  /// Nil if the sources are in no repository.
  var revision: SourceRevision?

  init(_ request: StagingRequest) {
    self.request = request
    spec = request.spec
    root = request.directory.appending("tree")
    // Absolute, because installers run in the spec's directory but get paths of files in here.
    scratch = ProcessContext.absolutePath(request.directory).appending("scratch")
    layers = LayerCache(directory: request.layers, workers: request.workers)
  }

  mutating func run(_ progress: (String) -> Void) throws(Failure) -> StagedApplication {
    let removedVariables = try spec.launch.removedVariables()
    guard let python = spec.python else { return try runWithoutPython(progress) }
    try createDirectories(scratch)
    progress("looking at the interpreter")
    let unpacked = try unpack(python, progress)
    let interpreter = try findInterpreter(python, of: spec, unpacked: unpacked)
    report.pythonVersion = interpreter.version.description
    report.interpreter =
      python.archiveURL?.value ?? (python.archive?.value ?? interpreter.executable).string

    let time = try applicationTime()
    let requirements = try readRequirements(
      spec, for: interpreter, to: scratch.appending("requirements.txt"), admit: request.admit)
    report.warnings += requirements.warnings
    if let lock = requirements.foundLock { progress("taking the versions of \(lock)") }
    let installer =
      requirements.needsInstaller ? try Installer(spec, interpreter: interpreter) : nil
    report.installer = installer?.description ?? ""

    var layout = try base(
      interpreter, python: python, requirements: requirements, installer: installer,
      progress: progress)
    let settled = try SettledFiles(root)
    let facts = try askStaged(&layout, interpreter.foreign)
    let ours = try listByteCode(layout)
    report.excluded = requirements.dropped
    if let installer {
      let installation = Installation(
        spec: spec, installer: installer, layout: layout, scratch: scratch, epoch: time,
        requirements: requirements)
      if requirements.isLocked {
        if spec.dependencies.project != nil { progress("installing the project") }
        try installation.installBesideLocked()
      } else {
        progress("installing the requirements")
        let before = spec.policy.requireHashes == nil ? [] : try listDistributions(layout)
        report.excluded = try installation.installLoose()
        if spec.policy.requireHashes != nil { try admitInstalled(layout, before: before) }
      }
      report.warnings += try installation.check(dropped: report.excluded).map {
        "versions conflict: \($0)"
      }
    }
    spec.launch.replaceDataRoot("{root}/\(layout.site)")
    progress("adding data files")
    try DataFiles(spec: spec, root: layout.sitePath).add()
    let application = Application(spec: spec, layout: layout)
    let expectations = try askOwnSources(interpreter, layout)
    try application.addRuntime(facts, isFrozen: expectations.isFrozen)
    try removeForeignByteCode(layout, ours: ours)
    let distributions = try finish(
      layout, python: python, interpreter: interpreter, asked: requirements.asked,
      progress: progress)
    try application.checkModules()
    let command = try application.command()
    var origin = StagedOrigin(spec, requirements, revision: revision)
    try origin.noteInterpreter(interpreter, python)
    let ofInterpreter = FileTimes.ofDistribution("python", interpreter.version.description)
    try settle(
      root, distributions, others: time, interpreter: (layout, ofInterpreter), settled: settled)
    try removeIfPresent(scratch)

    return StagedApplication(
      tree: root, entry: command.entry, arguments: command.arguments,
      commands: try application.commands(), variables: variables,
      removedVariables: removedVariables,
      releaseTime: time, report: report, interpreter: layout.program, helper: layout.source,
      site: layout.site, distributions: distributions,
      systemRoot: interpreter.foreign?.systemRoot, origin: origin)
  }

  /// The spec's variables, and a PATH that makes the server find programs of the tree first.
  private var variables: [(name: String, value: String)] {
    let launch = spec.launch
    guard launch.binOnPath, isDirectory(root.appending("bin")), !launch.unset.contains("PATH"),
      !launch.environment.contains(where: { $0.name == "PATH" })
    else { return launch.environment }
    return [("PATH", "{root}/bin:{env:PATH}")] + launch.environment
  }

  /// Stages data files alone, for programs that need no Python.
  private mutating func runWithoutPython(_ progress: (String) -> Void) throws(Failure)
    -> StagedApplication
  {
    guard case .executable(let program) = spec.launch.program.value else {
      throw .failed(
        spec.place, "the spec names no interpreter: give python.version, prefix or archive")
    }
    spec.launch.replaceDataRoot("{root}")
    progress("adding data files")
    try createDirectories(root)
    try DataFiles(spec: spec, root: root).add()
    try checkExecutable(program, at: spec.launch.program.place, in: root)
    let commands = try executableCommands()
    let time = try applicationTime()
    try settle(root, others: time)
    return StagedApplication(
      tree: root, entry: program.string, arguments: spec.launch.arguments, commands: commands,
      variables: variables, removedVariables: spec.launch.unset,
      releaseTime: time, report: report,
      interpreter: nil, helper: HostProgram.python3.besideOnefold, distributions: [],
      origin: StagedOrigin(spec, nil, revision: revision))
  }

  /// The commands of a tree without an interpreter.
  private func executableCommands() throws(Failure) -> [StagedApplication.Command] {
    var result: [StagedApplication.Command] = []
    for command in spec.launch.commands {
      guard case .executable(let program) = command.program.value else {
        throw .failed(
          command.program.place,
          "the spec names no interpreter: give python.version, prefix or archive")
      }
      try checkExecutable(program, at: command.program.place, in: root)
      result.append(
        .init(name: command.name, entry: program.string, arguments: command.arguments))
    }
    return result
  }

  /// Admits the distributions that only a build backend or a wheel asked for.
  private func admitInstalled(_ layout: Layout, before: [Distribution]) throws(Failure) {
    let known = Set(before.map(\.directory))
    try request.admit(
      try listDistributions(layout).filter { !$0.isLocal && !known.contains($0.directory) }.map {
        UnhashedRequirement(name: "\($0.name) \($0.version)", place: "", neededBy: [])
      })
  }

  // MARK: Interpreter and locked requirements

  private func unpack(_ python: Spec.Python, _ progress: (String) -> Void) throws(Failure)
    -> Path?
  {
    let path: Path
    let place: SpecPlace
    if let url = python.archiveURL, let sha256 = python.sha256 {
      place = url.place
      let download = ArchiveDownload(
        url: url, sha256: sha256, cache: request.layers?.parent.appending("downloads"),
        scratch: request.directory.appending("downloads"))
      path = try located(place) { () throws(Failure) in try download.path(progress) }
    } else if let archive = python.archive {
      place = archive.place
      path = spec.resolve(archive.value)
    } else {
      return nil
    }
    let target = request.directory.appending("archive")
    try located(place) { () throws(Failure) in
      try unpackArchive(path, sha256: python.sha256, to: target)
    }
    return isDirectory(target.appending("python")) ? target.appending("python") : target
  }

  /// Stages the interpreter and, if they are locked, the requirements: from a layer, or anew with a new layer.
  private mutating func base(
    _ interpreter: Interpreter, python: Spec.Python, requirements: Requirements,
    installer: Installer?, progress: (String) -> Void
  ) throws(Failure) -> Layout {
    progress("looking for what was staged before")
    guard let installer, requirements.isLocked, requirements.count > 0 else {
      return try interpreterLayer(interpreter, python: python, progress: progress)
    }
    let key = try layerKey(interpreter, python: python, locked: requirements, installer: installer)
    if try start(from: key) { return Layout(root: root, interpreter) }
    var layout = try interpreterLayer(interpreter, python: python, progress: progress)
    report.reusedLayer = false
    let settled = try SettledFiles(root)
    _ = try askStaged(&layout, interpreter.foreign)
    let ours = try listByteCode(layout)
    progress("installing \(counted(requirements.count, "distribution"))")
    let installation = Installation(
      spec: spec, installer: installer, layout: layout, scratch: scratch,
      epoch: FileTimes.earliest, requirements: requirements)
    try installation.installLocked()
    try removeForeignByteCode(layout, ours: ours)
    try keep(
      layout, as: key, python: python, interpreter: interpreter, asked: requirements.asked,
      settled: settled, progress: progress)
    return layout
  }

  /// Stages the interpreter alone, which all applications with the same `[python]` and `[prune]` share.
  private mutating func interpreterLayer(
    _ interpreter: Interpreter, python: Spec.Python, progress: (String) -> Void
  ) throws(Failure) -> Layout {
    let key = try layerKey(interpreter, python: python, locked: nil, installer: nil)
    if try start(from: key) { return Layout(root: root, interpreter) }
    progress("copying Python \(interpreter.version.description)")
    var layout = try stageInterpreter(interpreter, to: root)
    layout.site = interpreter.foreign?.site ?? "\(layout.standardLibrary)/site-packages"
    if !spec.prune.tkinter { _ = try Tkinter(interpreter: interpreter, layout: layout).add() }
    let pruner = Pruner(spec: spec, layout: layout, usesTkinter: false, isLast: false)
    add(try pruner.prune([]))
    try relocate(layout, python, interpreter)
    _ = try askStaged(&layout, interpreter.foreign)
    try linkScripts(layout)
    try removeForeignByteCode(layout, ours: [])
    try keep(
      layout, as: key, python: python, interpreter: interpreter, settled: SettledFiles(),
      progress: progress)
    return layout
  }

  /// Starts the tree from a layer. Returns whether there is one.
  private mutating func start(from key: String) throws(Failure) -> Bool {
    guard let note = try layers.start(root, from: key) else { return false }
    report.reusedLayer = true
    read(note)
    return true
  }

  /// Finishes what is in the tree, and keeps it as a layer. `settled` are the files of a layer below.
  private mutating func keep(
    _ layout: Layout, as key: String, python: Spec.Python, interpreter: Interpreter,
    asked: Set<String> = [], settled: SettledFiles, progress: (String) -> Void
  ) throws(Failure) {
    let distributions = try finish(
      layout, python: python, interpreter: interpreter, asked: asked, isLast: false,
      progress: progress)
    // A local file with a hash counts as one of an index: a layer holds no files of the application.
    try settle(
      root, distributions.map(\.asDependency),
      others: FileTimes.ofDistribution("python", interpreter.version.description),
      settled: settled)
    try layers.keep(root, as: key, note: note)
  }

  /// The removed and copied files of a layer, for the summary of later builds that start from it.
  private var note: String {
    """
    stripped \(report.strippedBytes)

    """ + report.pruned.map { "pruned \($0.files) \($0.bytes) \($0.name)\n" }.joined()
      + report.copiedLibraries.map { "copied \($0.line)\n" }.joined()
  }

  private mutating func read(_ note: String) {
    let facts = Facts([UInt8](note.utf8))
    report.pruned = facts.all("pruned").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 2)
      guard parts.count == 3, let files = Int(parts[0]), let bytes = UInt64(parts[1]) else {
        return nil
      }
      return PrunedRow(name: String(parts[2]), files: files, bytes: bytes)
    }
    report.strippedBytes = facts["stripped"].flatMap { UInt64($0) } ?? 0
    report.copiedLibraries = facts.all("copied").map(CopiedLibrary.init(line:))
  }

  private func layerKey(
    _ interpreter: Interpreter, python: Spec.Python, locked: Requirements?, installer: Installer?
  ) throws(Failure) -> String {
    let prune = spec.prune
    let switches = [
      prune.installers, prune.tests, prune.headers, prune.staticLibraries, prune.idle,
      prune.tkinter,
      prune.debugSymbols, prune.dropSources, prune.dropByteCode,
    ]
    let text = try locked.map { (requirements) throws(Failure) in
      String(decoding: try readFile(requirements.file), as: UTF8.self)
    }
    var parts = Helper.all
    // The last part changes with what a layer or its note has to hold.
    parts += [request.packer, interpreter.target.name, "licences of copied libraries"]
    if let foreign = interpreter.foreign {
      // The identity covers the files behind all other facts.
      parts += [interpreter.helper.string, interpreter.compiler?.string ?? "", foreign.site]
      parts.append("\(foreign.systemRoot?.string ?? "") \(foreign.glibc.description)")
      parts.append(spec.glibcLimit?.value ?? "")
    }
    parts.append(hexText(try interpreter.identity().bytes).string)
    parts.append(switches.map { $0 ? "1" : "0" }.joined())
    parts.append("\(ByteCodeForm(spec).optimization)")
    parts.append(prune.keep.map(\.value).joined(separator: "\n"))
    parts.append((locked?.asked.sorted() ?? []).joined(separator: "\n"))
    parts.append(python.systemLibraries.sorted().joined(separator: "\n"))
    if !python.libraries.isEmpty {
      let machine = MachineLibraries(relocation(python, interpreter))
      parts.append(try machine.identity(listedLibraries(python)))
    }
    parts.append(installer?.description ?? "")
    parts.append(text ?? "")
    return LayerCache.key(parts)
  }

  // MARK: Passes over the tree

  /// Prunes, relocates, compiles and records the tree. Results of an earlier pass stay.
  private mutating func finish(
    _ layout: Layout, python: Spec.Python, interpreter: Interpreter, asked: Set<String>,
    isLast: Bool = true, progress: (String) -> Void
  ) throws(Failure) -> [Distribution] {
    try relocateScripts(layout)
    progress("removing what is not needed")
    let installed = try listDistributions(layout)
    var pruner = Pruner(
      spec: spec, layout: layout, usesTkinter: false, asked: asked, isLast: isLast)
    if isLast { try look(&pruner, interpreter, installed) }
    add(try pruner.prune(installed))
    progress("making libraries relocatable")
    try relocate(layout, python, interpreter)
    progress("compiling byte code")
    let failed = try compileByteCode(
      layout, ByteCodeForm(spec), scratch: scratch, workers: request.workers)
    if isLast && !failed.isEmpty {
      report.warnings.append(
        "\(counted(failed.count, "source")) without byte code (not valid for Python \(layout.version.short)): "
          + failed.prefix(3).joined(separator: ", ") + (failed.count > 3 ? ", ..." : ""))
    }
    try rewriteRecords(layout, installed, ByteCodeForm(spec), workers: request.workers)
    var distributions = try listDistributions(layout)
    // The records no longer name the origin.
    let before = Dictionary(installed.map { ($0.directory, $0) }) { first, _ in first }
    for index in distributions.indices {
      guard let known = before[distributions[index].directory] else { continue }
      distributions[index].origin = known.origin
      distributions[index].isLocal = known.isLocal
    }
    report.distributions = distributions.count
    return distributions
  }

  /// Finds further needs of the sources in the tree, and adds tkinter if they show windows.
  private mutating func look(
    _ pruner: inout Pruner, _ interpreter: Interpreter, _ installed: [Distribution]
  ) throws(Failure) {
    let sources = try PackedSources(
      pruner.layout, passing: try pruner.doomedDistributions(installed), workers: request.workers)
    if spec.prune.headers, isDirectory(root.appending("include")) {
      pruner.compiles = sources.compiles
      report.compiles = sources.compiles
    }
    guard spec.prune.tkinter, try showsWindows(sources, installed) else { return }
    pruner.usesTkinter = try Tkinter(interpreter: interpreter, layout: pruner.layout).add()
    if !pruner.usesTkinter {
      report.warnings.append(
        "the application seems to show windows with tkinter, but \(interpreter.prefix.string) has no tkinter: "
          + "install it (for the system's Python of Debian: apt-get install python3-tk)")
    }
  }

  private func listedLibraries(_ python: Spec.Python) -> [ListedLibrary] {
    python.libraries.map { library in
      let isPath = library.value.bytes.contains(UInt8(ascii: "/"))
      let path =
        isPath ? ProcessContext.absolutePath(spec.resolve(library.value)) : library.value
      return ListedLibrary(path, library.place, option: "python.libraries")
    }
  }

  private mutating func relocate(
    _ layout: Layout, _ python: Spec.Python, _ interpreter: Interpreter
  ) throws(Failure) {
    let request = relocation(python, interpreter)
    let result = try located(python.maxGlibc?.place ?? python.place) { () throws(Failure) in
      try relocatePython(request, most: glibcLimit(python))
    }
    try note(result.report.copied, systemRoot: request.systemRoot)
    report.strippedBytes += result.report.strippedBytes.before - result.report.strippedBytes.after
    report.unstripped = result.report.unstrippable
    report.glibc = result.report.glibc.map {
      GlibcRequirement(version: $0.version, file: [UInt8]($0.path.bytes))
    }
    for warning in result.warnings where !report.warnings.contains(warning) {
      report.warnings.append(warning)
    }
  }

  /// Notes copied libraries with their packages. A later pass finds further users of those that are there.
  private mutating func note(_ copied: [RelocationReport.Copied], systemRoot: Path?)
    throws(Failure)
  {
    let packages = SystemPackages(root: systemRoot ?? Path("/"))
    for library in copied where !report.copiedLibraries.contains(where: { $0.name == library.name })
    {
      let package = try packages.package(of: library.from)
      report.copiedLibraries.append(
        CopiedLibrary(
          name: library.name, package: package, neededBy: library.neededBy.map(\.string)))
      if let package { try addLicenses(of: package, packages) }
    }
    report.copiedLibraries.sort { $0.name < $1.name }
  }

  /// Adds the licences of a package to the tree, because they must go where its libraries go.
  private func addLicenses(of package: SystemPackage, _ packages: SystemPackages) throws(Failure) {
    let directory = root.appending(CopiedLibrary.licenseDirectory(of: package))
    guard !exists(directory) else { return }
    for file in try packages.licenseFiles(of: package) {
      try createDirectories(directory)
      let target = directory.appending([UInt8](file.lastComponent))
      try writeFile(target, try readFile(file))
    }
  }

  private func relocation(_ python: Spec.Python, _ interpreter: Interpreter) -> RelocationRequest {
    let keep = spec.prune.keep.map { Pattern($0.value) }
    return RelocationRequest(
      root: root, target: interpreter.target,
      systemRoot: interpreter.target == .native ? Path("/") : interpreter.foreign?.systemRoot,
      searchDirectories: interpreter.searchDirectories,
      systemLibraries: Set(python.systemLibraries), libraries: listedLibraries(python),
      stripDebug: spec.prune.debugSymbols,
      keep: { path in keep.contains { $0.matches(path.bytes) } },
      workers: request.workers)
  }

  private func glibcLimit(_ python: Spec.Python) -> GlibcVersion? {
    python.maxGlibc.flatMap { GlibcVersion(parsing: Array($0.value.utf8).span) }
  }

  private mutating func add(_ pruned: PruningReport) {
    var all = PruningReport(rows: report.pruned)
    all.add(pruned)
    report.pruned = all.rows.sorted { a, b in
      a.bytes != b.bytes ? a.bytes > b.bytes : a.name < b.name
    }
  }

  // MARK: The application's own sources

  /// The files and directories of the application's own sources, as the spec names them.
  private var ownPlaceNames: [Path] {
    var places = spec.data.map(\.source.value)
    for program in spec.launch.programs {
      if case .script(let path) = program.value { places.append(path) }
    }
    if let project = spec.dependencies.project { places.append(project.value) }
    return places
  }

  private var ownPlaces: [Path] { ownPlaceNames.map(spec.resolve) }

  private mutating func applicationTime() throws(Failure) -> Int64 {
    let (time, revision, warning) = try FileTimes.ofSources(
      spec, in: ownPlaces, output: request.output)
    self.revision = revision
    if request.epoch == nil, let warning { report.warnings.append(warning) }
    return request.epoch.map { max($0, FileTimes.earliest) } ?? time
  }

  /// Checks the PyInstaller features that the application's own sources expect, and warns about missing ones.
  private mutating func askOwnSources(_ interpreter: Interpreter, _ layout: Layout)
    throws(Failure) -> OwnSources
  {
    let sources = try OwnSources(
      spec, ownPlaceNames, installed: layout.sitePath, helper: interpreter.helper)
    report.frozen = sources.reason
    report.warnings += sources.warnings
    return sources
  }

  /// Whether the application imports tkinter or a module that needs it, or has a distribution that cannot be imported
  /// without it.
  private func showsWindows(_ sources: PackedSources, _ installed: [Distribution])
    throws(Failure) -> Bool
  {
    if installed.contains(where: { $0.modules.contains(where: sources.windows(module:)) }) {
      return true
    }
    for program in spec.launch.programs {
      switch program.value {
      case .module(let module), .function(let module, _):
        if sources.windows(module: module) { return true }
      case .script, .executable: break
      }
    }
    let environment = spec.launch.environment.map { [UInt8]($0.value.utf8) }
    if environment.contains(where: sources.windows(_:)) { return true }
    for place in ownPlaces {
      guard isDirectory(place) else {
        let isSource = place.bytes.hasSuffix(".py") && exists(place)
        if isSource, sources.windows(try readFile(place)) { return true }
        continue
      }
      for source in try listTree(place, enters: isSourceDirectory)
      where source.status.kind == .file && source.path.bytes.hasSuffix(".py") {
        let bytes = try readFile(place.appending(source.path.bytes))
        if sources.windows(bytes) { return true }
      }
    }
    return false
  }
}
