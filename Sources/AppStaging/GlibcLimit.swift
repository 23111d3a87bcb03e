import BinaryInspection
public import PayloadFormat
public import Posix

/// Files of a tree that need a newer glibc than is allowed: one message, the worst file first.
struct GlibcLimit {
  var most: GlibcVersion
  /// "python.max-glibc" or "--max-glibc", for the message.
  var option: String
  var root: Path

  /// Nil if no file needs a newer one.
  func message(_ binaries: [Binary]) throws(Failure) -> String? {
    let late = binaries.filter { ($0.elf.glibc ?? most) > most }
    let worst = late.min { left, right in
      let (a, b) = (left.elf.glibc!, right.elf.glibc!)
      return a == b ? left.path.precedes(right.path) : a > b
    }
    guard let worst, let version = worst.elf.glibc else { return nil }
    let path = root.appending(worst.path.bytes)
    let owner = distribution(of: worst.path, in: root)
    var text = worst.path.quoted.string
    if let owner { text += " of the distribution \(owner)" }
    text += " needs glibc \(version.string)\(try why(worst, version, path)), newer than "
    text += "\(option) allows (\(most.string))"
    if late.count > 1 {
      let lines = Set(late.compactMap { distribution(of: $0.path, in: root) }).subtracting([
        owner ?? ""
      ])
      text += "; so do \(late.count - 1) more files"
      if !lines.isEmpty {
        text += ", among them of \(lines.sorted().prefix(5).joined(separator: ", "))"
      }
    }
    return text + ": " + advice(worst, owner)
  }

  /// " (statx@GLIBC_2.28)".
  private func why(_ binary: Binary, _ version: GlibcVersion, _ path: Path) throws(Failure)
    -> String
  {
    let names = binary.elf.requiredVersions.flatMap(\.names)
    guard let name = names.first(where: { GlibcVersion(symbolVersion: $0) == version }) else {
      return " (for its DT_RELR relocations)"
    }
    let symbol = try binary.elf.symbol(needing: name, in: path)
    return " (\(symbol.map { "symbol \($0)@" } ?? "symbol version ")\(name))"
  }

  private func advice(_ binary: Binary, _ owner: String?) -> String {
    if owner != nil {
      return
        "take a version of it that has a wheel for manylinux_\(most.major)_\(most.minor) or older, build it "
        + "on an older system, or raise \(option)"
    }
    if binary.source != nil {
      return
        "it was copied from this machine: pack on an older system, take a relocatable interpreter "
        + "(python.archive) that brings its own, or raise \(option)"
    }
    return
      "take a relocatable interpreter (python.archive) or one that was built on an older system, or raise "
      + option
  }
}

extension GlibcVersion {
  /// "2.31".
  var string: String { String(decoding: text, as: UTF8.self) }
}

/// The oldest glibc that every program and library of a tree runs on, whatever made the tree; nil if none asks for one.
///
/// - Throws: if `most` is given and a file needs a newer one.
public func glibcFloor(ofTree root: Path, most: GlibcVersion?, option: String, workers: Int)
  throws(Failure) -> GlibcRequirement?
{
  let found = try findBinaries(in: RelocationRequest(root: root, workers: workers))
  let all = (found.native + found.others).sorted { $0.path.precedes($1.path) }
  if let most, let message = try GlibcLimit(most: most, option: option, root: root).message(all) {
    throw .failed(nil, message)
  }
  return floor(all).map { GlibcRequirement(version: $0.version, file: [UInt8]($0.path.bytes)) }
}

/// The file that needs the newest glibc, the first of several.
func floor(_ binaries: [Binary]) -> RelocationReport.GlibcFloor? {
  var result: RelocationReport.GlibcFloor?
  for binary in binaries {
    guard let version = binary.elf.glibc else { continue }
    if let known = result, version <= known.version { continue }
    result = RelocationReport.GlibcFloor(version: version, path: binary.path)
  }
  return result
}
