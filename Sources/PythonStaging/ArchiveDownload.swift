import AppSpec
import BuildTools
import Posix
import Processes

/// Downloads archives of interpreters into the packer's cache, each once.
///
/// A file in the cache is named by its SHA-256. It gets this name once it is complete and has that hash, so that
/// concurrent packers at most download it twice. The hash is checked again at each unpacking.
struct ArchiveDownload {
  var url: Located<String>
  var sha256: Located<String>
  /// The cache directory; nil for none.
  var cache: Path?
  /// The download directory if there is no cache.
  var scratch: Path

  /// The URL that is fetched: `ONEFOLD_PYTHON_MIRROR` replaces the scheme and host (docs/spec.md, "[python]").
  var source: String {
    guard let mirror = ProcessContext.environment("ONEFOLD_PYTHON_MIRROR")?.string,
      let host = url.value.firstRange(of: "://"),
      let slash = url.value[host.upperBound...].firstIndex(of: "/")
    else { return url.value }
    return (mirror.hasSuffix("/") ? String(mirror.dropLast()) : mirror) + url.value[slash...]
  }

  /// The path of the archive. Downloads it if the cache lacks it.
  func path(_ progress: (String) -> Void) throws(Failure) -> Path {
    let directory = try storage()
    let path = directory.appending("\(sha256.value.lowercased())\(suffix)")
    // A file with the wrong hash is replaced: the disk may have been full, or a person may have changed it.
    if exists(path) {
      if try hash(of: path) == sha256.value.lowercased() {
        markAsUsed(path)
        return path
      }
      try removeIfPresent(path)
    }
    progress("downloading \(source)")
    let name = path.lastComponent
    let hidden = try hiddenName(for: name)
    let temporary = directory.appending(hidden.bytes)
    do throws(Failure) {
      try download(to: temporary)
      try DirectoryHandle.current.rename(temporary, to: path)
    } catch {
      try? removeIfPresent(temporary)
      throw error
    }
    prune(directory)
    return path
  }

  private func storage() throws(Failure) -> Path {
    let directory = cache ?? scratch
    do throws(Failure) {
      try createDirectories(directory)
      return directory
    } catch {
      // An unusable cache is ignored, as for layers.
      guard cache != nil, error.kind == .system else { throw error }
      try createDirectories(scratch)
      return scratch
    }
  }

  // MARK: Pruning

  /// The maximum size of all kept archives: 1 GiB, about thirty interpreters.
  private static let capacity: UInt64 = 1 << 30
  /// For so many seconds, another packer may still use an archive or write a hidden file.
  private static let useTime: Int64 = 3600

  /// The modification time of an archive is its last use.
  private func markAsUsed(_ path: Path) {
    try? FileDescriptor.open(path, .read).setModificationTimeToNow()
  }

  /// Removes the least recently used archives above `capacity`, and the leftovers of killed packers.
  ///
  /// Ignores failures: the wanted archive is there.
  private func prune(_ directory: Path) {
    let names = (try? DirectoryHandle.current.names(in: directory)) ?? []
    let files = names.compactMap { name -> (path: Path, status: FileStatus)? in
      let path = directory.appending(name)
      guard let status = try? DirectoryHandle.current.status(of: path), status.kind == .file else {
        return nil
      }
      return (path, status)
    }
    let oldestFirst = files.sorted { $0.status.modified.seconds < $1.status.modified.seconds }
    var total = files.reduce(UInt64(0)) { $0 + UInt64(max(0, $1.status.size)) }
    for (path, status) in oldestFirst
    where WallClock.seconds(since: status.modified) > Self.useTime {
      let isLeftover = path.lastComponent.first == UInt8(ascii: ".")
      guard total > Self.capacity || isLeftover else { continue }
      try? DirectoryHandle.current.removeFile(path)
      total -= UInt64(max(0, status.size))
    }
  }

  // MARK: Downloading

  /// The suffix of the URL's path, such as ".tar.gz", without the query.
  private var suffix: String {
    let path = url.value.prefix { $0 != "?" && $0 != "#" }
    return archiveSuffixes.first { path.hasSuffix($0) } ?? ""
  }

  private func download(to path: Path) throws(Failure) {
    for python in helperPythons() {
      let arguments = [source, path.string, sha256.value.lowercased()].map { Path($0) }
      guard
        let result = try ifInstalled({ () throws(Failure) in
          try runHelper(python, Helper.download, arguments)
        })
      else { continue }
      if result.succeeded { return }
      // This Python lacks TLS or is too old.
      if result.end == .exited(3) { continue }
      throw failure(String(decoding: result.errors, as: UTF8.self))
    }
    let arguments = [
      "--fail", "--location", "--silent", "--show-error", "--retry", "2", "--connect-timeout", "60",
      "--output", path.string, source,
    ].map { Path($0) }
    guard
      let result = try ifInstalled({ () throws(Failure) in
        try runProgram(HostProgram.curl.path, arguments)
      })
    else {
      throw .failed(
        url.place,
        "python3 (with TLS) or curl is needed to download '\(source)', and neither is beside onefold or on the PATH: "
          + "install one (apt-get install curl), or download the file and give its path as python.archive"
      )
    }
    guard result.succeeded else { throw failure(String(decoding: result.errors, as: UTF8.self)) }
    let actual = try hash(of: path)
    guard actual == sha256.value.lowercased() else { throw failure("HASH \(actual)") }
  }

  private func failure(_ errors: String) -> Failure {
    let last =
      curlMessage([UInt8](errors.utf8)) ?? errors.split(separator: "\n").last.map(String.init)
      ?? "it failed"
    if last.hasPrefix("HASH ") {
      return .failed(
        sha256.place,
        "'\(source)' has the SHA-256 \(last.dropFirst(5)): correct python.sha256, or the URL")
    }
    let mirrored =
      source == url.value ? "set ONEFOLD_PYTHON_MIRROR" : "correct ONEFOLD_PYTHON_MIRROR"
    return .failed(
      url.place,
      "cannot download '\(source)': \(readable(last.utf8)); correct python.archive, \(mirrored), or download the file "
        + "yourself and give its path")
  }
}
