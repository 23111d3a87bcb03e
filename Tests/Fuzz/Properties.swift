import PayloadFormat

// The properties that hold for any input of the parsers.
//
// Each function traps if a property fails: under libFuzzer that is a crash, and `FuzzCorpusTests` replays the corpus
// with them.

/// A trailer is refused, or equals its encoded bytes, and its parts follow one another.
public func checkTrailer(_ bytes: [UInt8]) {
  let span = bytes.span
  // Use the place that the trailer itself names, so that this rule does not hide the others.
  let position = bytes.count >= 80 ? littleEndian(bytes, 72) : 0
  if let trailer = try? Trailer(parsing: span, at: position) {
    precondition(trailer.encodedWithoutHash() == Array(bytes[..<Trailer.hashedByteCount]))
    precondition(trailer.bootloaderLength <= trailer.payloadOffset)
    precondition(trailer.payloadOffset <= trailer.manifestOffset)
    precondition(trailer.manifestOffset + trailer.manifestStoredLength == trailer.recordOffset)
    precondition(trailer.recordOffset + trailer.recordLength == trailer.trailerOffset)
  }
  // As the end of a file without other parts.
  if let index = Trailer.find(in: span, tailOffset: 0) {
    precondition(littleEndian(bytes, index) == 0x1A0A_0D44_4C46_4F89)
    precondition(littleEndian(bytes, index + 72) == UInt64(index))
  }
}

/// A record is refused, or can be encoded and parsed again. Its placeholders can be replaced.
public func checkRecord(_ bytes: [UInt8]) {
  guard let record = try? LaunchRecord(parsing: bytes.span) else { return }
  let again = try? LaunchRecord(parsing: record.encoded().span)
  precondition(again == record)
  precondition(PathRules.isPath(record.entry.span))
  if let glibc = record.glibc { precondition(PathRules.isPath(glibc.file.span)) }
  if let days = record.keepDays { precondition(0...LaunchRecord.longestKeep ~= days) }
  let placeholders = Placeholders(root: [0x72], executable: [0x78])
  for value in record.arguments + record.variables {
    let result = placeholders.filled(value)
    precondition(result.count <= value.count)
  }
  for variable in record.variables {
    let result = LaunchRecord.expandVariable(variable, placeholders) { name in
      precondition(!name.isEmpty)
      return [0x76]
    }
    precondition(result.contains(0x3D))
  }
}

/// A manifest is refused, or every row and every index in it is usable.
public func checkManifest(_ bytes: [UInt8]) {
  guard let manifest = try? Manifest(parsing: bytes) else { return }
  var stored: UInt64 = 0
  for index in 0..<manifest.frameCount {
    let frame = manifest.frame(index)
    precondition(frame.offset == stored)
    stored += UInt64(frame.storedLength)
    precondition(frame.rawLength <= manifest.longestRawFrame)
  }
  precondition(stored == manifest.framesLength)
  for index in 0..<manifest.segmentCount {
    let segment = manifest.segment(index)
    guard let frame = segment.frame else { continue }
    precondition(segment.offset + Int(segment.length) <= manifest.frame(frame).rawLength)
  }
  var content: UInt64 = 0
  // Long lists of segments cost time and reach no other code.
  var budget = 1 << 16
  for index in 0..<manifest.entryCount {
    let entry = manifest.entry(index)
    content += checkEntry(manifest, entry, index, &budget)
  }
  precondition(content == manifest.contentLength)
}

private func checkEntry(
  _ manifest: Manifest, _ entry: Manifest.Entry, _ index: Int, _ budget: inout Int
) -> UInt64 {
  let path = manifest.path(of: index)
  precondition(index == 0 ? path.isEmpty : PathRules.isPath(path.span))
  precondition(index == 0 || entry.parent < index)
  precondition(manifest.entry(entry.parent).type == .directory)
  switch entry.type {
  case .directory: return 0
  case .symlink:
    let depth = path.count { $0 == UInt8(ascii: "/") }
    let target = Array(manifest.target(of: entry))
    precondition(UInt64(target.count) == entry.size)
    precondition(PathRules.staysInside(target.span, depth: depth))
    return 0
  case .hardLink:
    precondition(manifest.entry(entry.hardLinkTarget).type == .file)
    return 0
  case .file:
    budget -= entry.segments.count
    if budget > 0 {
      let size = entry.segments.reduce(UInt64(0)) { $0 + manifest.segment($1).length }
      precondition(size == entry.size)
    }
    return entry.size
  }
}

func littleEndian(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
  (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
}
