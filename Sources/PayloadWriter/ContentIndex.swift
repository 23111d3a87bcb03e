import ContentHash
import PayloadFormat
import Posix

/// One content that one or several files of the tree have.
struct Content: Sendable {
  /// The first entry that has it; what is packed is read from there.
  var entry: Int
  var hash: Digest
  /// Whether it begins as programs and shared libraries do.
  var isELF: Bool
  var extents: [Extent]

  /// What may make frames of it smaller.
  var filter: FrameFilter { isELF ? .x86 : .none }

  /// A stretch of the content, from the end of the one before it.
  struct Extent: Sendable, Equatable {
    var offset: UInt64
    var length: UInt64
    /// All zeros, to be left unallocated.
    var isHole: Bool
  }
}

/// The distinct contents of a tree, in the order of the first entries that have them.
struct ContentIndex: Sendable {
  var contents: [Content] = []
  /// For each entry the index of its content; nil for what is no file, and for empty files.
  var contentOfEntry: [Int?]
  /// For each entry the hash of its content.
  var hashes: [Digest]

  /// Reads every file of `tree` once, on all cores.
  init(_ tree: ScannedTree, workers: Int, progress: PackProgress?) throws(PackError) {
    let count = tree.entries.count
    let results = ParallelResults<Content>(count: count)
    let total = tree.entries.reduce(UInt64(0)) { $0 + ($1.kind == .file ? $1.size : 0) }
    let work = SharedWork<PackError>(count: count) { .interrupted(signal: $0) }
    runWorkers(workers) { number in
      do throws(PackError) {
        let buffer = try system { () throws(SystemError) in try Buffer(count: hashChunk) }
        while let index = work.take() {
          guard tree.entries[index].kind == .file else { continue }
          results[index] = try examine(tree, index, buffer.bytes, work)
          if number == 0, let progress { progress(.reading, work.bytesDone, total) }
        }
      } catch { work.fail(error) }
    }
    try work.finish()

    var known: [Digest: Int] = [:]
    contentOfEntry = [Int?](repeating: nil, count: count)
    hashes = [Digest](repeating: .zero, count: count)
    for index in 0..<count {
      guard let result = results[index] else { continue }
      hashes[index] = result.hash
      guard tree.entries[index].size > 0 else { continue }
      if let content = known[result.hash] {
        contentOfEntry[index] = content
      } else {
        known[result.hash] = contents.count
        contentOfEntry[index] = contents.count
        contents.append(result)
      }
    }
  }
}

private let hashChunk = 1 << 20

/// The unit of holes: docs/format.md, "Canonical writing".
private let holeBlock = 64 << 10

private func examine(
  _ tree: ScannedTree, _ index: Int, _ buffer: UnsafeMutableRawBufferPointer,
  _ work: SharedWork<PackError>
) throws(PackError) -> Content {
  let size = tree.entries[index].size
  let file = try openUnchanged(tree, index)
  var hasher = SHA256Hasher()
  var extents: [Content.Extent] = []
  var isELF = false
  var offset: UInt64 = 0
  while offset < size {
    let wanted = Int(min(UInt64(buffer.count), size - offset))
    let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
    let read = try system { () throws(SystemError) in try file.read(into: chunk, at: Int64(offset))
    }
    guard read == wanted else { throw .changed(tree.path(index)) }
    hasher.update(UnsafeRawBufferPointer(chunk))
    if offset == 0 { isELF = chunk.starts(with: [0x7F, 0x45, 0x4C, 0x46]) }
    var start = 0
    while start < wanted {
      let length = min(holeBlock, wanted - start)
      let block = UnsafeRawBufferPointer(rebasing: chunk[start..<start + length])
      // A last, shorter block counts only where it is not the first.
      let mayBeHole = length == holeBlock || size > UInt64(holeBlock)
      extend(&extents, by: length, isHole: mayBeHole && isZero(block))
      start += length
    }
    offset += UInt64(wanted)
    work.add(bytes: wanted)
  }
  return Content(entry: index, hash: hasher.finish(), isELF: isELF, extents: extents)
}

private func extend(_ extents: inout [Content.Extent], by length: Int, isHole: Bool) {
  if let last = extents.indices.last, extents[last].isHole == isHole {
    extents[last].length += UInt64(length)
  } else {
    let offset = extents.last.map { $0.offset + $0.length } ?? 0
    extents.append(Content.Extent(offset: offset, length: UInt64(length), isHole: isHole))
  }
}

private func isZero(_ block: UnsafeRawBufferPointer) -> Bool {
  var index = 0
  while index + 8 <= block.count {
    if block.loadUnaligned(fromByteOffset: index, as: UInt64.self) != 0 { return false }
    index += 8
  }
  while index < block.count {
    if block[index] != 0 { return false }
    index += 1
  }
  return true
}

/// Opens the file of an entry, and makes sure that it is the one that was scanned and was not written to
/// since.
func openUnchanged(_ tree: ScannedTree, _ index: Int) throws(PackError) -> FileDescriptor {
  let entry = tree.entries[index]
  let path = tree.path(index)
  let file = try system { () throws(SystemError) in try FileDescriptor.open(path, .readNoFollow) }
  let status = try system { () throws(SystemError) in try file.status() }
  guard status.kind == .file, status.device == entry.device, status.inode == entry.inode,
    status.modified == entry.modified, UInt64(status.size) == entry.size
  else { throw .changed(path) }
  return file
}
