import Insight
import PayloadFormat
import PayloadReader
import Posix

/// The cost of an update from one onefile to another in bytes, and its causes. Uses the hashes that the files hold.
struct Comparison {
  /// The files are the same, except for appended bytes such as a signature.
  var isSameBuild: Bool
  /// Sorted by name.
  var distributions: [DistributionChange] = []
  /// Differing entries in the order of the new tree, then removed entries, then entries that differ only in time.
  var entries: [EntryChange] = []
  var sameEntries = 0
  /// Bytes of files that the new tree shares with the old one if both are unpacked (docs/launch.md, "Files of older
  /// trees").
  var sharedBytes: UInt64 = 0
  var treeBytes: UInt64 = 0
  var frames = 0
  var reusedFrames = 0
  /// Bytes to fetch if the old file is present, by owner or reason, largest first.
  var causes: [Cause] = []
  /// Of the new file, including appended bytes.
  var bytes: UInt64

  struct DistributionChange: Equatable {
    var name: [UInt8]
    /// Empty if the old file lacks the distribution.
    var oldVersion: [UInt8]
    var newVersion: [UInt8]
  }

  struct EntryChange: Equatable {
    var path: [UInt8]
    var difference: Difference
  }

  enum Difference: String, CaseIterable {
    case added, removed, type, content, target, mode, time
  }

  struct Cause: Equatable {
    var name: [UInt8]
    var bytes: UInt64
  }

  var fetchedBytes: UInt64 { causes.reduce(0) { $0 + $1.bytes } }
  /// The fetched part of the new file in thousandths, rounded up, so that 0 means nothing.
  var fetchedShare: UInt64 { bytes == 0 ? 0 : (fetchedBytes * 1000 + bytes - 1) / bytes }

  func count(_ difference: Difference) -> Int { entries.count { $0.difference == difference } }
}

/// Reads both manifests, and decodes the frames of the new file that hold the distributions' file lists.
func compare(_ old: Payload, with new: Payload) throws(Failure) -> Comparison {
  let oldManifest = try old.readManifest()
  let newManifest = try new.readManifest()
  var result = Comparison(
    isSameBuild: old.trailer == new.trailer,
    bytes: new.length)
  result.treeBytes = newManifest.contentLength
  result.compareEntries(oldManifest, newManifest)
  if old.record.name != new.record.name || !new.record.reuse { result.sharedBytes = 0 }
  result.distributions = changes(
    from: FileOwners.titles(oldManifest), to: FileOwners.titles(newManifest))
  result.countFrames(oldManifest, newManifest, try FileOwners(new, newManifest))
  result.countOtherParts(old, new)
  result.causes.sort { a, b in
    a.bytes != b.bytes ? a.bytes > b.bytes : a.name.lexicographicallyPrecedes(b.name)
  }
  return result
}

/// Each title is "name version".
private func changes(from old: [[UInt8]], to new: [[UInt8]]) -> [Comparison.DistributionChange] {
  let (old, new) = (versions(old), versions(new))
  return Set(old.keys).union(new.keys).sorted { $0.lexicographicallyPrecedes($1) }
    .filter { old[$0] != new[$0] }
    .map {
      Comparison.DistributionChange(
        name: $0, oldVersion: old[$0] ?? [], newVersion: new[$0] ?? [])
    }
}

/// The versions by name. A name that occurs several times gets all its versions.
private func versions(_ titles: [[UInt8]]) -> [[UInt8]: [UInt8]] {
  var result: [[UInt8]: [UInt8]] = [:]
  for title in titles.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
    let end = title.lastIndex(of: UInt8(ascii: " ")) ?? title.endIndex
    let version = [UInt8](title[end...].dropFirst())
    let name = [UInt8](title[..<end])
    result[name] = result[name].map { $0 + ", ".utf8 + version } ?? version
  }
  return result
}

extension Comparison {
  fileprivate mutating func compareEntries(_ old: Manifest, _ new: Manifest) {
    var remaining: [[UInt8]: Int] = [:]
    for index in 0..<old.entryCount { remaining[old.path(of: index)] = index }
    let targets = Set(
      (0..<new.entryCount).map { new.entry($0) }.filter { $0.type == .hardLink }
        .map(\.hardLinkTarget))
    for index in 0..<new.entryCount {
      let path = new.path(of: index)
      guard let before = remaining.removeValue(forKey: path) else {
        entries.append(EntryChange(path: path, difference: .added))
        continue
      }
      if let difference = difference(old, before, new, index) {
        entries.append(EntryChange(path: path, difference: difference))
      } else {
        sameEntries += 1
        let entry = new.entry(index)
        if entry.type == .file && !targets.contains(index) { sharedBytes += entry.size }
      }
    }
    for (path, _) in remaining.sorted(by: { $0.value < $1.value }) {
      entries.append(EntryChange(path: path, difference: .removed))
    }
    entries =
      entries.filter { $0.difference != .time } + entries.filter { $0.difference == .time }
  }

  /// Returns the most important difference.
  private func difference(_ old: Manifest, _ before: Int, _ new: Manifest, _ after: Int)
    -> Difference?
  {
    let (a, b) = (old.entry(before), new.entry(after))
    if a.type != b.type { return .type }
    switch a.type {
    case .file: if a.hash != b.hash || a.size != b.size { return .content }
    case .symlink: if old.target(of: a) != new.target(of: b) { return .target }
    case .hardLink:
      return old.path(of: a.hardLinkTarget) == new.path(of: b.hardLinkTarget) ? nil : .target
    case .directory: break
    }
    if a.mode != b.mode { return .mode }
    let isSameTime =
      (a.modifiedSeconds, a.modifiedNanoseconds) == (b.modifiedSeconds, b.modifiedNanoseconds)
    return isSameTime ? nil : .time
  }

  /// Divides the bytes of each frame that the old file lacks among the owners of its new content.
  ///
  /// A frame without new content only groups its segments differently.
  fileprivate mutating func countFrames(
    _ old: Manifest, _ new: Manifest, _ owners: FileOwners
  ) {
    let known = Set((0..<old.frameCount).map { old.frame($0).hash })
    let isFetched = (0..<new.frameCount).map { !known.contains(new.frame($0).hash) }
    frames = new.frameCount
    reusedFrames = isFetched.count { !$0 }

    let oldContents = Set(
      (0..<old.entryCount).map { old.entry($0) }.filter { $0.type == .file }.map(\.hash))
    var ownerOfSegment = [[UInt8]?](repeating: nil, count: new.segmentCount)
    for index in 0..<new.entryCount {
      let entry = new.entry(index)
      guard entry.type == .file, !oldContents.contains(entry.hash) else { continue }
      for segment in entry.segments where ownerOfSegment[segment] == nil {
        guard let frame = new.segment(segment).frame, isFetched[frame] else { continue }
        ownerOfSegment[segment] = owners.name(of: new.path(of: index))
      }
    }
    var shares = FrameShares(new, segments: ownerOfSegment.map { $0 != nil })
    var bytes: [[UInt8]: UInt64] = [:]
    for (index, owner) in ownerOfSegment.enumerated() {
      if let owner { bytes[owner, default: 0] += shares.take(new, new.segment(index)) }
    }
    let all = (0..<new.frameCount).filter { isFetched[$0] }
      .reduce(0) { $0 + UInt64(new.frame($1).storedLength) }
    add("(moved to other frames)", all - bytes.values.reduce(0, +))
    for (name, bytes) in bytes { causes.append(Cause(name: name, bytes: bytes)) }
  }

  fileprivate mutating func countOtherParts(_ old: Payload, _ new: Payload) {
    let (before, after) = (old.trailer, new.trailer)
    if before.prefixHash != after.prefixHash { add("(bootloader)", after.payloadOffset) }
    if before.manifestHash != after.manifestHash {
      add("(manifest)", after.manifestStoredLength)
    }
    if before.recordHash != after.recordHash { add("(launch record)", after.recordLength) }
    if before != after { add("(trailer)", UInt64(Trailer.byteCount)) }
    add("(appended)", new.appendedLength)
  }

  private mutating func add(_ name: String, _ bytes: UInt64) {
    if bytes > 0 { causes.append(Cause(name: [UInt8](name.utf8), bytes: bytes)) }
  }
}
