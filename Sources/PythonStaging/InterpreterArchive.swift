import AppSpec
import BuildTools
import CArchive
import ContentHash
import PayloadFormat
import Posix

/// Unpacks an archive of an interpreter to a new directory: tar, uncompressed or compressed by gzip, zstd or xz.
///
/// Refuses entries that would leave the directory: absolute paths, "..", and links that point outside.
func unpackArchive(_ path: Path, sha256: Located<String>?, to target: Path) throws(Failure) {
  guard exists(path) else {
    throw .failed(nil, "the archive \(path.quoted) does not exist: correct python.archive")
  }
  if let sha256 { try checkHash(path, sha256) }
  guard let archive = archive_read_new() else { throw .failed(nil, "no memory") }
  defer { archive_read_free(archive) }
  archive_read_support_format_tar(archive)
  archive_read_support_filter_gzip(archive)
  archive_read_support_filter_zstd(archive)
  archive_read_support_filter_xz(archive)
  let opened = path.withCString { archive_read_open_filename(archive, $0, 1 << 20) }
  guard opened == ARCHIVE_OK else { throw damaged(path, archive) }
  try createDirectories(target)
  var hardLinks: [(Path, to: Path)] = []
  while true {
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    var next: OpaquePointer? = nil
    let result = archive_read_next_header(archive, &next)
    if result == ARCHIVE_EOF { break }
    guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry = next else {
      throw damaged(path, archive)
    }
    guard let name = archive_entry_pathname(entry) else { continue }
    let relative = try checked(Path(cString: name), in: path)
    if relative.isEmpty { continue }
    let place = target.appending(relative.bytes)
    try createParents(of: relative, in: target, path)
    if let link = archive_entry_hardlink(entry) {
      hardLinks.append((place, to: try checked(Path(cString: link), in: path)))
    } else {
      try write(entry, named: relative, of: archive, at: path, to: place)
    }
  }
  for (place, existing) in hardLinks {
    try createParents(of: existing, in: target, path)
    let source = target.appending(existing.bytes)
    let status = try DirectoryHandle.current.statusIfExists(of: source)
    guard status?.kind == .file else {
      throw .failed(
        nil, "\(path.quoted) is refused: its hard link to \(existing.quoted) leads to no file")
    }
    if source.string == place.string { continue }
    try removeIfPresent(place)
    try copyFile(source, to: place)
  }
}

private func write(
  _ entry: OpaquePointer, named relative: Path, of archive: OpaquePointer, at path: Path,
  to place: Path
) throws(Failure) {
  switch archive_entry_filetype(entry) & UInt32(S_IFMT) {
  case UInt32(S_IFDIR): try createDirectories(place)
  case UInt32(S_IFLNK):
    guard let link = archive_entry_symlink(entry) else { throw damaged(path, archive) }
    let target = Path(cString: link)
    let depth = relative.bytes.split(separator: UInt8(ascii: "/")).count - 1
    guard PathRules.staysInside([UInt8](target.bytes).span, depth: depth) else {
      throw .failed(
        nil, "\(path.quoted) is refused: its symlink \(relative.quoted) leaves the archive")
    }
    try removeIfPresent(place)
    try DirectoryHandle.current.createSymlink(place, to: target)
  case UInt32(S_IFREG):
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = buffer.withUnsafeMutableBytes {
        archive_read_data(archive, $0.baseAddress, $0.count)
      }
      guard count >= 0 else { throw damaged(path, archive) }
      if count == 0 { break }
      content += buffer[..<count]
    }
    let executable = archive_entry_perm(entry) & 0o100 != 0
    try writeFile(place, content, mode: executable ? 0o755 : 0o644)
  default:
    throw .failed(
      nil, "\(path.quoted) is refused: \(relative.quoted) is neither a file, a directory nor a link"
    )
  }
}

/// Creates the directories above an entry. None of them may be a symlink of the archive, which could lead outside.
private func createParents(of relative: Path, in target: Path, _ archive: Path) throws(Failure) {
  var place = target
  for part in relative.parent.bytes.split(separator: UInt8(ascii: "/")) {
    place = place.appending(part)
    let status = try DirectoryHandle.current.statusIfExists(of: place)
    if status?.kind == .symlink {
      throw .failed(
        nil, "\(archive.quoted) is refused: its path \(relative.quoted) goes through a symlink")
    }
    try createDirectories(place)
  }
}

/// Removes "." and empty components. Refuses paths that leave the directory.
private func checked(_ path: Path, in archive: Path) throws(Failure) -> Path {
  var result = Path()
  for part in path.bytes.split(separator: UInt8(ascii: "/")) where part != [UInt8(ascii: ".")] {
    guard part != [UInt8(ascii: "."), UInt8(ascii: ".")], !path.isAbsolute else {
      throw .failed(nil, "\(archive.quoted) is refused: its path \(path.quoted) leaves the archive")
    }
    result = result.appending(part)
  }
  return result
}

private func checkHash(_ path: Path, _ wanted: Located<String>) throws(Failure) {
  let hash = try hash(of: path)
  guard hash == wanted.value.lowercased() else {
    throw .failed(
      wanted.place,
      "the archive \(path.quoted) has the SHA-256 \(hash): download it again, or correct python.sha256"
    )
  }
}

/// The SHA-256 of a file, as hexadecimal digits.
func hash(of path: Path) throws(Failure) -> String {
  let file = try FileDescriptor.open(path, .read)
  let size = try file.status().size
  var hasher = SHA256Hasher()
  var offset: Int64 = 0
  while offset < size {
    let bytes = try file.bytes(at: offset, count: 1 << 20)
    if bytes.isEmpty { break }
    hasher.update(bytes.span)
    offset += Int64(bytes.count)
  }
  return hexText(hasher.finish().bytes).string
}

private func damaged(_ path: Path, _ archive: OpaquePointer) -> Failure {
  let text = archive_error_string(archive).map { Path(cString: $0).string } ?? "unknown"
  return .failed(nil, "cannot unpack \(path.quoted): \(text)")
}
