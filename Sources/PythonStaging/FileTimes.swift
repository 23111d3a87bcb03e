import AppSpec
import BuildTools
import ContentHash
import PayloadFormat
import Posix
import Processes

/// The time of packed files that no release changes, in seconds since 1970: 1980-01-02T12:00Z.
public let earliestFileTime = FileTimes.earliest

/// The revision of the application's own sources.
public struct SourceRevision: Equatable, Sendable {
  /// The hash of the commit that is checked out.
  public var commit: String
  /// Whether tracked files of the sources have changed since.
  public var isModified: Bool
}

/// The modification times of a tree's files, in seconds since 1970: docs/packing.md, "File times".
enum FileTimes {
  /// 1980-01-02T12:00Z: zip archives start at 1980, and this is 1980 in every time zone.
  static let earliest: Int64 = 315_662_400

  /// The time of every file of a distribution, derived from its name, version and origin.
  ///
  /// It is an even number of seconds in the eight years after `earliest`.
  static func ofDistribution(_ name: String, _ version: String, origin: String = "") -> Int64 {
    let text = [UInt8]("\(name)\n\(version)\n\(origin)".utf8)
    let digest = SHA256Hasher.digest(of: text.span).bytes
    let number = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(digest[$1]) }
    return earliest + Int64(number % (1 << 27)) * 2
  }

  /// The time of the application's own files in `places`: the time of the checked-out commit.
  ///
  /// Outside of a repository it is the time of the newest file. If there is a repository but git fails, the warning
  /// says why.
  ///
  /// A spec with only packages and a script does not say when the application changed: packages have their own times.
  /// So saving the same spec later gives the same times.
  ///
  /// `output` can lie among the sources, from an earlier build, but does not count as one.
  static func ofSources(_ spec: Spec, in places: [Path], output: Path) throws(Failure) -> (
    time: Int64, revision: SourceRevision?, warning: String?
  ) {
    let dependencies = spec.dependencies
    let isBare =
      spec.data.isEmpty && dependencies.project == nil && dependencies.lock == nil
      && dependencies.requirements.isEmpty
      && !(dependencies.packages.isEmpty && dependencies.script == nil)
    if isBare && places.isEmpty { return (earliest, nil, nil) }
    let file = isBare ? [] : [Path(spec.place.file)]
    let newest = try newestTime(file + places, except: output)
    guard isInRepository(spec.directory) else { return (newest, nil, nil) }
    let commit = try git(["log", "-1", "--format=%ct %H", "HEAD"], spec)
    let changes = try git(
      ["status", "--porcelain", "--untracked-files=no", "--"]
        + places.map { ProcessContext.absolutePath($0).string }, spec)
    let words = commit.output?.split(separator: " ").map(String.init) ?? []
    guard words.count == 2, let time = Int64(words[0]), let changed = changes.output else {
      let problem = commit.output == nil ? commit.problem : changes.problem
      let warning =
        "the time of the commit is unknown (\(problem)), so the application's files have the time of the newest one: "
        + "set SOURCE_DATE_EPOCH for builds that repeat"
      return (newest, nil, warning)
    }
    let revision = SourceRevision(commit: words[1], isModified: !changed.isEmpty)
    return (changed.isEmpty ? time : max(time, newest), revision, nil)
  }

  private static func isInRepository(_ directory: Path) -> Bool {
    var path = ProcessContext.absolutePath(directory)
    while true {
      if exists(path.appending(".git")) { return true }
      let parent = path.parent
      if parent.bytes == path.bytes || parent.isEmpty { return false }
      path = parent
    }
  }

  /// The first line that git prints, which may be empty. If git fails, nil and the reason.
  private static func git(_ arguments: [String], _ spec: Spec) throws(Failure) -> (
    output: String?, problem: String
  ) {
    let directory = ProcessContext.absolutePath(spec.directory)
    let all = ["--no-optional-locks", "-C", directory.string] + arguments
    guard
      let result = try ifInstalled({ () throws(Failure) in
        try runProgram(HostProgram.git.path, all.map { Path($0) })
      })
    else { return (nil, "git is not on the PATH") }
    guard result.succeeded else {
      return (nil, "git: \(readable(lastLines(result.errors, count: 1).utf8))")
    }
    return (String(decoding: result.output.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self), "")
  }

  private static func isSame(_ one: FileStatus, _ other: FileStatus?) -> Bool {
    one.inode == other?.inode && one.device == other?.device
  }

  private static func newestTime(_ places: [Path], except output: Path) throws(Failure)
    -> Int64
  {
    let output = try? DirectoryHandle.current.statusIfExists(of: output, follow: true)
    var newest = earliest
    for place in places {
      guard let status = try? DirectoryHandle.current.statusIfExists(of: place, follow: true)
      else { continue }
      guard status.kind == .directory else {
        newest = max(newest, status.modified.seconds)
        continue
      }
      for entry in try listTree(place, enters: isSourceDirectory)
      where entry.status.kind == .file && !isSame(entry.status, output) {
        newest = max(newest, entry.status.modified.seconds)
      }
    }
    return newest
  }
}

/// Whether a directory of a project can hold the application's sources. Excludes directories of tools.
func isSourceDirectory(_ path: Path) -> Bool {
  let name = String(decoding: path.lastComponent, as: UTF8.self)
  return !name.hasPrefix(".") && name != "node_modules" && name != "__pycache__"
    && !name.hasPrefix("venv")
}

/// The files of a tree after its interpreter and locked requirements were installed.
///
/// They can be hard links to a layer's files, so later passes leave them as they are. A new file can reuse the inode of
/// a removed one, but has another time.
struct SettledFiles {
  private var times: [UInt64: FileTime] = [:]

  /// No files.
  init() {}

  init(_ root: Path) throws(Failure) {
    for entry in try listTree(root) where entry.status.kind == .file {
      times[entry.status.inode] = entry.status.modified
    }
  }

  func contains(_ entry: TreeEntry) -> Bool {
    entry.status.kind == .file && times[entry.status.inode] == entry.status.modified
  }
}

extension Distribution {
  /// The same distribution, treated as a dependency even if it is from this machine.
  var asDependency: Distribution {
    var copy = self
    copy.isLocal = false
    return copy
  }
}

/// Sets the time of everything in a tree to one independent of the build, and the modes to 0755 and 0644.
///
/// - Parameters:
///   - distributions: those with their own file times, without the application's.
///   - others: the time of files that belong to none of them.
///   - interpreter: the time of other files in `lib` that are not among this layout's data files.
///   - settled: files that already have their time.
func settle(
  _ root: Path, _ distributions: [Distribution] = [], others: Int64,
  interpreter: (layout: Layout, time: Int64)? = nil,
  settled: SettledFiles = SettledFiles()
) throws(Failure) {
  var times: [String: Int64] = [:]
  for distribution in distributions where !distribution.isLocal {
    let time = FileTimes.ofDistribution(
      distribution.name, distribution.version, origin: distribution.origin)
    for file in distribution.files { times[file] = time }
  }
  let local = Set(distributions.lazy.filter(\.isLocal).flatMap(\.files))
  func time(of path: String) -> Int64 {
    if let time = times[path] { return time }
    guard let interpreter, path.hasPrefix("lib/"), !local.contains(path),
      !path.hasPrefix(interpreter.layout.site + "/")
    else { return others }
    return interpreter.time
  }
  // Children first, because changes inside a directory change its time.
  for entry in try listTree(root).reversed() where !settled.contains(entry) {
    let isFile = entry.status.kind == .file
    let time = isFile ? time(of: entry.path.string) : FileTimes.earliest
    try settle(root.appending(entry.path.bytes), entry.status, time)
  }
  try setMode(root, 0o755)
  try setTime(root, FileTimes.earliest)
}

private func settle(_ path: Path, _ status: FileStatus, _ time: Int64) throws(Failure) {
  if status.kind != .symlink {
    let executable = status.kind == .directory || status.mode & 0o100 != 0
    try setMode(path, executable ? 0o755 : 0o644)
  }
  try setTime(path, time)
}

private func setTime(_ path: Path, _ seconds: Int64) throws(Failure) {
  try DirectoryHandle.current.setModificationTime(
    of: path, FileTime(seconds: seconds, nanoseconds: 0))
}
