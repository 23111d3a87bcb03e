import Insight
import PayloadFormat
import PayloadReader
import Posix

/// Finds what a maker of a onefile may not expect in it, the largest share of the file first.
func surprises(
  in tree: MeasuredTree, _ owners: FileOwners, of payload: Payload
) throws(Failure) -> [Surprise] {
  surprises(
    in: tree, kinds: tree.owners.map { owners.kind(of: $0) },
    debug: try debugInformation(in: tree, of: payload))
}

/// Smaller programs and libraries are not looked at.
private let leastProgram: UInt64 = 64 << 10

/// Bytes of programs and libraries that only debuggers and linkers read, by entry. Decodes the frames that hold the
/// beginnings and ends of these files.
private func debugInformation(in tree: MeasuredTree, of payload: Payload) throws(Failure)
  -> [Int: UInt64]
{
  let manifest = tree.manifest
  let programs = (0..<manifest.entryCount).filter { index in
    let entry = manifest.entry(index)
    return entry.type == .file && entry.size >= leastProgram
      && (entry.mode & 0o111 != 0 || FileEndings.isLibrary([UInt8](manifest.name(of: entry))))
  }
  let headers = try readParts(
    programs.map { FilePart(entry: $0, range: 0..<SectionTable.headerByteCount) }, of: payload,
    manifest)
  let tables = zip(programs, headers).compactMap { index, header in
    SectionTable(header: header, fileSize: manifest.entry(index).size).map { (index, $0) }
  }
  let contents = try readParts(
    tables.map { FilePart(entry: $0.0, range: $0.1.range) }, of: payload, manifest)
  var result: [Int: UInt64] = [:]
  for ((index, table), bytes) in zip(tables, contents) {
    result[index] = table.unloadedBytes(bytes, fileSize: manifest.entry(index).size)
  }
  return result
}
