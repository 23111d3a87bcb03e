import BinaryRelocation
import PayloadFormat
import PayloadReader
import Posix

/// The system files that the tree of a onefile needs but does not hold: loaders and libraries, sorted by path.
///
/// Unpacks the tree to a temporary directory, and removes it afterwards.
func neededLibraries(of payload: Payload) throws(Failure) -> [Path] {
  let place = ProcessContext.variable("TMPDIR") ?? Path("/tmp")
  let directory = place.appending(try hiddenName(for: Path("onefold-inspect").bytes[...]).bytes)
  defer { try? removeTree(directory, in: .current) }
  let manifest = try extract(payload, to: directory)
  let needs = try readNeeds(of: manifest, in: directory)
  return try find(needs, for: payload.record.target)
}

/// Names of libraries that are not in the tree, and paths of loaders.
private func readNeeds(of manifest: Manifest, in directory: Path) throws(Failure) -> [String] {
  var held: Set<[UInt8]> = []
  var needs: Set<String> = []
  for index in 0..<manifest.entryCount {
    let path = Path(manifest.path(of: index))
    held.insert([UInt8](path.lastComponent))
    guard manifest.entry(index).type == .file else { continue }
    do throws(Failure) {
      guard let elf = try ElfFile.read(directory.appending(path.bytes)), elf.isDynamic else {
        continue
      }
      needs.formUnion(elf.needed)
      if let interpreter = elf.interpreter { needs.insert(interpreter.string) }
    } catch {
      // No loader loads a damaged file: it is data.
      continue
    }
  }
  return needs.filter { !held.contains([UInt8]($0.utf8)) }.sorted()
}

/// Finds the paths on this system as a loader without a cache does.
private func find(_ needs: [String], for target: [UInt8]) throws(Failure) -> [Path] {
  let processor = String(decoding: target.prefix { $0 != UInt8(ascii: "-") }, as: UTF8.self)
  let triplet = "\(processor)-linux-gnu"
  let directories = [
    "/lib/\(triplet)", "/usr/lib/\(triplet)", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
  ]
  var found: [Path] = []
  var missing: [String] = []
  for name in needs {
    let candidates =
      name.hasPrefix("/") ? [Path(name)] : directories.map { Path($0).appending(name) }
    let path = candidates.first {
      (try? DirectoryHandle.current.statusIfExists(of: $0, follow: true))?.kind == .file
    }
    if let path { found.append(path) } else { missing.append("\(quotedText(name.utf8))") }
  }
  guard missing.isEmpty else {
    throw .failed(
      "this system lacks \(missing.joined(separator: ", ")), which the tree needs: "
        + "run this on a system like the one that the file is for")
  }
  return found.sorted { $0.string < $1.string }
}
