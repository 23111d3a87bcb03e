import AppSpec
import Posix

/// Fetches archives of interpreters, each once, into the packer's cache.
///
/// A file in the cache is named by its SHA-256 and gets its name when it is complete and has that hash: packers that run
/// at the same time at most download it twice. It is checked again whenever it is unpacked.
struct ArchiveDownload {
  var url: Located<String>
  var sha256: Located<String>
  /// The cache; nil for none.
  var cache: Path?
  /// For the download, if there is no cache.
  var scratch: Path

  /// The URL that is really fetched: `ONEFOLD_PYTHON_MIRROR` replaces the scheme and host (docs/spec.md, "[python]").
  var source: String {
    guard let mirror = ProcessContext.environment("ONEFOLD_PYTHON_MIRROR")?.string,
      let host = url.value.firstRange(of: "://"),
      let slash = url.value[host.upperBound...].firstIndex(of: "/")
    else { return url.value }
    return (mirror.hasSuffix("/") ? String(mirror.dropLast()) : mirror) + url.value[slash...]
  }

  /// The path of the archive, which is downloaded if it is not in the cache.
  func path(_ progress: (String) -> Void) throws(StagingError) -> Path {
    let directory = try storage()
    let path = directory.appending("\(sha256.value.lowercased())\(suffix)")
    // What has another content is replaced: a disk may have been full, or a person may have changed it.
    if exists(path) {
      if try hash(of: path) == sha256.value.lowercased() { return path }
      try removeIfPresent(path)
    }
    progress("downloading \(source)")
    let name = path.lastComponent
    let hidden = try system { () throws(SystemError) in try hiddenName(for: name) }
    let temporary = directory.appending(hidden.bytes)
    do throws(StagingError) {
      try download(to: temporary)
      try system { () throws(SystemError) in
        try DirectoryHandle.current.rename(temporary, to: path)
      }
    } catch {
      try? removeIfPresent(temporary)
      throw error
    }
    return path
  }

  private func storage() throws(StagingError) -> Path {
    let directory = cache ?? scratch
    do throws(StagingError) {
      try createDirectories(directory)
      return directory
    } catch {
      // As for layers: a cache that can't be used is none.
      guard cache != nil, case .system = error else { throw error }
      try createDirectories(scratch)
      return scratch
    }
  }

  /// ".tar.gz" of a URL, whatever its query.
  private var suffix: String {
    let path = url.value.prefix { $0 != "?" && $0 != "#" }
    return archiveSuffixes.first { path.hasSuffix($0) } ?? ""
  }

  private func download(to path: Path) throws(StagingError) {
    for python in ["python3", "python"] {
      let arguments = [source, path.string, sha256.value.lowercased()].map { Path($0) }
      guard
        let result = try started({ () throws(StagingError) in
          try runHelper(Path(python), Helper.download, arguments)
        })
      else { continue }
      if result.succeeded { return }
      throw failure(String(decoding: result.errors, as: UTF8.self))
    }
    let arguments = [
      "--fail", "--location", "--silent", "--show-error", "--retry", "2", "--connect-timeout", "60",
      "--output", path.string, source,
    ].map { Path($0) }
    guard
      let result = try started({ () throws(StagingError) in
        try runProgram(Path("curl"), arguments)
      })
    else {
      throw .failed(
        url.place,
        "python3 or curl is needed to download '\(source)', and neither is on the PATH: install one, or download the "
          + "file and give its path as python.archive")
    }
    guard result.succeeded else { throw failure(String(decoding: result.errors, as: UTF8.self)) }
    let actual = try hash(of: path)
    guard actual == sha256.value.lowercased() else { throw failure("HASH \(actual)") }
  }

  /// Nil if there is no such program.
  private func started(_ body: () throws(StagingError) -> Subprocess.Result) throws(StagingError)
    -> Subprocess.Result?
  {
    do throws(StagingError) { return try body() } catch {
      if case .system(let error) = error, error.errno == .noSuchFile { return nil }
      throw error
    }
  }

  private func failure(_ errors: String) -> StagingError {
    let last = errors.split(separator: "\n").last.map(String.init) ?? "it failed"
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
