import PayloadFormat

/// Bytes in a onefile that its maker may not expect.
public struct Surprise: Equatable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    /// The same library in several distributions.
    case library = "copied-library"
    /// Files of the same content.
    case content = "same-content"
    case debug = "debug-information"
    case tests
    case documentation
    case sources
    case staticLibraries = "static-libraries"
    case sourceMaps = "source-maps"
    case translations
    /// A file of data, or the data files of one directory.
    case data = "large-data"
  }

  public var kind: Kind
  /// "tests of pandas 3.0.0".
  public var title: String
  /// The bytes that the file could do without.
  public var size: Composition.Size
  public var files: Int
  /// Patterns for `prune.remove` of the spec; empty if removing the files is no cure.
  public var remove: [String] = []
  /// Names for `dependencies.exclude` of the spec, one of which would do.
  public var exclude: [String] = []
  /// Paths of the largest files.
  public var paths: [String]

  /// At most so many paths are named.
  static let mostPaths = 5
}

/// When bytes are a surprise.
enum SurpriseLimit {
  /// Smaller ones, unpacked, are none.
  static let leastBytes: UInt64 = 1_000_000
  /// In thousandths of all bytes, packed or unpacked.
  static let leastShare: UInt64 = 20
  /// The same for data, which an application rarely has by mistake.
  static let leastShareOfData: UInt64 = 100
  /// Several files of the same content count from this size on, each.
  static let leastCopy: UInt64 = 100_000
}

/// Finds surprises in a tree, the largest share of the file first.
///
/// - Parameters:
///   - kinds: by owner.
///   - debug: bytes of files that only debuggers and linkers read, by entry.
public func surprises(
  in tree: MeasuredTree, kinds: [Composition.Kind], debug: [Int: UInt64]
) -> [Surprise] {
  let files = SurprisingFiles(tree)
  var found = files.groups.map { files.surprise($0) }
  found += files.largeData
  found += CopiedFiles(tree, kinds).surprises
  if let one = debugInformation(debug, tree) { found.append(one) }
  let total = tree.total
  return found.filter { total.isSurprising($0) }.sorted { a, b in
    let (first, second) = (total.share(of: a.size), total.share(of: b.size))
    return first != second ? first > second : a.title < b.title
  }
}

extension MeasuredTree {
  /// The bytes of all files, and of all frames.
  var total: Composition.Size {
    Composition.Size(unpacked: manifest.contentLength, packed: manifest.framesLength)
  }
}

extension Composition.Size {
  /// The larger of both shares, in thousandths.
  func share(of part: Composition.Size) -> UInt64 {
    max(thousandths(part.packed, packed), thousandths(part.unpacked, unpacked))
  }

  private func thousandths(_ part: UInt64, _ all: UInt64) -> UInt64 {
    // The product may need 128 bits.
    all == 0 ? 0 : all.dividingFullWidth(min(part, all).multipliedFullWidth(by: 1000)).quotient
  }

  func isSurprising(_ surprise: Surprise) -> Bool {
    guard surprise.size.unpacked >= SurpriseLimit.leastBytes else { return false }
    let least =
      surprise.kind == .data ? SurpriseLimit.leastShareOfData : SurpriseLimit.leastShare
    return share(of: surprise.size) >= least
  }
}

private func debugInformation(_ debug: [Int: UInt64], _ tree: MeasuredTree) -> Surprise? {
  var size = Composition.Size()
  let entries = debug.filter { $0.value > 0 }.sorted {
    $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key
  }
  guard !entries.isEmpty else { return nil }
  for (entry, bytes) in entries {
    let all = tree.manifest.entry(entry).size
    let part = min(bytes, all)
    size.unpacked += part
    if all > 0 {
      size.packed +=
        all.dividingFullWidth(tree.packed(entry).multipliedFullWidth(by: part)).quotient
    }
  }
  let paths = entries.prefix(Surprise.mostPaths).map {
    visibleText(tree.manifest.path(of: $0.key))
  }
  return Surprise(
    kind: .debug, title: "debug information and symbols of programs and libraries", size: size,
    files: entries.count, paths: Array(paths))
}
