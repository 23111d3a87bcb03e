import BinaryInspection
import Posix

/// Strips symbols and writes search paths, several files at a time.
///
/// A file is never changed in place: installers make hard links to their caches.
func rewrite(
  _ binaries: [Binary], _ request: RelocationRequest, _ report: inout RelocationReport
) throws(StagingError) {
  let work = binaries.filter { $0.isToStrip(request) || $0.isToRelink }
  let results = ParallelResults<RewriteResult>(count: work.count)
  try forEach(work.count, request.workers) { index throws(StagingError) in
    results[index] = try rewrite(work[index], request)
  }
  for (index, binary) in work.enumerated() {
    if binary.isToRelink { report.relinked.append(binary.path) }
    switch results[index] {
    case .stripped(let before, let after):
      report.strippedFiles += 1
      report.strippedBytes.before += before
      report.strippedBytes.after += after
    case .unstrippable: report.unstrippable.append(binary.path)
    case .relinkedOnly, nil: break
    }
  }
  report.relinked.sort { $0.precedes($1) }
  report.unstrippable.sort { $0.precedes($1) }
}

private enum RewriteResult: Sendable {
  /// Bytes.
  case stripped(before: UInt64, after: UInt64)
  case unstrippable
  case relinkedOnly
}

extension Binary {
  fileprivate func isToStrip(_ request: RelocationRequest) -> Bool {
    request.stripDebug && (elf.hasDebugSections || !elf.isStripped) && !request.keep(path)
  }
}

private func rewrite(_ binary: Binary, _ request: RelocationRequest) throws(StagingError)
  -> RewriteResult
{
  let original = request.root.appending(binary.path.bytes)
  let temporary = TemporaryFiles()
  var current = original
  var result = RewriteResult.relinkedOnly
  // Symbols go first: what strip writes after patchelf has moved sections, no loader may be able to load.
  if binary.isToStrip(request) {
    if let stripped = try strip(binary, original, temporary) {
      result = .stripped(
        before: UInt64(binary.status.size), after: UInt64(try size(of: stripped)))
      current = stripped
    } else {
      result = .unstrippable
    }
  }
  if binary.isToRelink { current = try relink(binary, original, current, temporary) }
  guard !current.elementsEqual(original) else { return result }
  try system { () throws(SystemError) in
    try DirectoryHandle.current.setMode(of: current, binary.status.mode)
    try DirectoryHandle.current.setModificationTime(of: current, binary.status.modified)
    try DirectoryHandle.current.rename(current, to: original)
  }
  return result
}

/// Files that are removed when their owner ends, if they are still there.
private final class TemporaryFiles {
  private var paths: [Path] = []

  /// A new name beside `path`.
  func name(beside path: Path) throws(StagingError) -> Path {
    let hidden = try system { () throws(SystemError) in try hiddenName(for: path.lastComponent) }
    paths.append(path.parent.appending(hidden.bytes))
    return paths[paths.count - 1]
  }

  deinit { for path in paths { try? DirectoryHandle.current.removeFile(path) } }
}

private func size(of path: Path) throws(StagingError) -> Int64 {
  try system { () throws(SystemError) in try DirectoryHandle.current.status(of: path).size }
}

/// Writes the file without symbols that no loader reads; nil where what is loaded of it would not stay the same to the byte.
private func strip(_ binary: Binary, _ path: Path, _ temporary: TemporaryFiles) throws(StagingError)
  -> Path?
{
  // strip loses what is appended to a program.
  guard !binary.elf.hasAppendedData else { return nil }
  let output = try temporary.name(beside: path)
  let result = try run(
    Path("strip"), [Path("--strip-unneeded"), Path("-o"), output, path],
    missing: "install binutils, or set debug-symbols = false in the spec's [prune]")
  guard result.succeeded, let stripped = try? ElfFile.read(output),
    stripped.segments == binary.elf.segments, stripped.loadsLike(binary.elf),
    stripped.searchPath == binary.elf.searchPath
  else { return nil }
  let same = try system { () throws(SystemError) in
    try loadedBytesAreEqual(path, output, binary.elf.segments)
  }
  return same ? output : nil
}

extension ElfFile {
  /// Whether the loader finds the same in both, but for the search path and the names of needed libraries.
  fileprivate func loadsLike(_ other: ElfFile) -> Bool {
    is64Bit == other.is64Bit && machine == other.machine && kind == other.kind
      && entryAddress == other.entryAddress && isDynamic == other.isDynamic
      && interpreter?.string == other.interpreter?.string && soname == other.soname
      && needed.count == other.needed.count && requiredVersions == other.requiredVersions
      && hasRelativeRelocations == other.hasRelativeRelocations
  }
}

/// Whether both files have the same bytes in all loaded segments, but for the ELF header, which says where
/// the sections are.
private func loadedBytesAreEqual(_ left: Path, _ right: Path, _ segments: [ElfFile.Segment])
  throws(SystemError) -> Bool
{
  let left = try FileDescriptor.open(left, .read)
  let right = try FileDescriptor.open(right, .read)
  let chunk = 1 << 20
  let headerSize: UInt64 = 64
  for segment in segments where segment.isLoaded {
    var offset = max(segment.offset, headerSize)
    let end = segment.offset + segment.fileSize
    while offset < end {
      let count = Int(min(end - offset, UInt64(chunk)))
      let bytes = try left.bytes(at: Int64(offset), count: count)
      guard try bytes == right.bytes(at: Int64(offset), count: count) else { return false }
      offset += UInt64(count)
    }
  }
  return true
}

/// Writes the file with its new search path and names. `original` is for messages.
private func relink(
  _ binary: Binary, _ original: Path, _ current: Path, _ temporary: TemporaryFiles
) throws(StagingError) -> Path {
  let names = binary.renames.flatMap { ["--replace-needed", $0.from, $0.to] }
  var output = current
  if let path = binary.newSearchPath {
    // Removed first: patchelf fills the text of a path that it replaces with "X", and linkers let a symbol's name share the end of that
    // text.
    output = try patch(binary, ["--remove-rpath"], output, original, temporary)
    let added = path.isEmpty ? [] : ["--force-rpath", "--set-rpath", path.joined(separator: ":")]
    if !(names + added).isEmpty {
      output = try patch(binary, names + added, output, original, temporary)
    }
  } else {
    output = try patch(binary, names, output, original, temporary)
  }
  let relinked: ElfFile?
  do throws(ElfError) { relinked = try ElfFile.read(output) } catch { throw StagingError(error) }
  guard let relinked, relinked.isRelinked(from: binary) else {
    throw .failed(
      nil,
      "patchelf damaged \(binary.path.quoted): install another version of patchelf, or build the file "
        + "without an absolute RUNPATH")
  }
  return output
}

private func patch(
  _ binary: Binary, _ arguments: [String], _ input: Path, _ original: Path,
  _ temporary: TemporaryFiles
) throws(StagingError) -> Path {
  let output = try temporary.name(beside: original)
  let result = try run(
    Path("patchelf"), arguments.map { Path($0) } + [Path("--output"), output, input],
    missing: "install patchelf")
  guard result.succeeded else {
    let why =
      String(decoding: result.errors, as: UTF8.self).split(separator: "\n").last ?? "it failed"
    throw .failed(nil, "patchelf can't change the search path of \(binary.path.quoted): \(why)")
  }
  return output
}

extension ElfFile {
  /// Whether it is what `binary` was to become.
  fileprivate func isRelinked(from binary: Binary) -> Bool {
    let needed = binary.elf.needed.map { name in
      binary.renames.first { $0.from == name }?.to ?? name
    }
    let path = binary.newSearchPath ?? binary.elf.searchPath
    guard loadsLike(binary.elf), self.needed == needed, searchPath == path else { return false }
    if binary.newSearchPath != nil && runpath != nil { return false }
    let loaded = segments.filter(\.isLoaded)
    let isAligned = loaded.allSatisfy {
      $0.alignment <= 1 || $0.offset % $0.alignment == $0.address % $0.alignment
    }
    // What was in memory is there still, at the same address.
    let isComplete = binary.elf.segments.filter(\.isLoaded).allSatisfy { old in
      loaded.contains {
        $0.flags == old.flags && $0.address <= old.address
          && $0.address &+ $0.memorySize >= old.address &+ old.memorySize
      }
    }
    return isAligned && isComplete
  }
}

/// Runs a tool; `missing` says what to do where there is none.
private func run(_ program: Path, _ arguments: [Path], missing: String) throws(StagingError)
  -> Subprocess.Result
{
  let environment =
    ProcessContext.environmentEntries().filter { !$0.string.hasPrefix("LC_") } + [Path("LC_ALL=C")]
  let process = Subprocess(program, arguments, environment: environment, timeout: 600)
  let result: Subprocess.Result
  do throws(SystemError) { result = try process.run() } catch {
    guard error.errno == .noSuchFile else { throw .system(error) }
    throw .failed(nil, "there is no \(program.string) on the PATH: \(missing)")
  }
  if case .interrupted(let signal) = result.end { throw .interrupted(signal: signal) }
  return result
}
