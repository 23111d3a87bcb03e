import CLZMA
import ContentHash
import PayloadFormat
import Posix

/// The content of one or several files of the tree.
struct Content: Sendable {
  /// The first entry with this content; packing reads it from there.
  var entry: Int
  var hash: Digest
  var kind: Kind
  var extents: [Extent]
  /// The checksums of its stretches, in order. Each extent that is not a hole is cut into stretches of the frame
  /// size; the last one may be shorter.
  var checksums: [UInt64]

  /// Contents share frames only with contents of their kind. Frames are in the order of the kinds.
  enum Kind: Int, Sendable {
    case other
    /// Programs and shared libraries, except those for AArch64.
    case elf
    /// Programs and shared libraries for AArch64.
    case arm64

    /// The filter that may make frames of this kind smaller.
    var filter: FrameFilter {
      switch self {
      case .other: .none
      case .elf: .x86
      case .arm64: .arm64
      }
    }

    /// Content of this kind begins in its frame at a multiple of this number of bytes. ADRP counts in pages of 4
    /// KiB. Uses of one address become equal only if pages of the file are pages of the frame.
    var alignment: Int { self == .arm64 ? 4096 : 1 }

    /// Finds the kind by the first bytes of a content.
    init(of bytes: UnsafeMutableRawBufferPointer) {
      guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
        self = .other
        return
      }
      // e_machine is EM_AARCH64, little-endian.
      self = bytes.dropFirst(18).starts(with: [183, 0]) ? .arm64 : .elf
    }
  }

  /// A part of the content, from the end of the previous one.
  struct Extent: Sendable, Equatable {
    var offset: UInt64
    var length: UInt64
    /// Whether it is all zeros and is left unallocated.
    var isHole: Bool
  }
}

/// The distinct contents of a tree, in the order of the first entries that have them.
struct ContentIndex: Sendable {
  var contents: [Content] = []
  /// The index of each entry's content; nil for empty files and entries that are not files.
  var contentOfEntry: [Int?]
  /// The hash of each entry's content.
  var hashes: [Digest]
  /// Bytes of the longest stretch.
  let frameSize: Int

  /// Reads every file of `tree` once, with `workers` threads.
  init(_ tree: ScannedTree, frameSize: Int, workers: Int, progress: PackProgress?)
    throws(Failure)
  {
    self.frameSize = frameSize
    let count = tree.entries.count
    let results = ParallelResults<Content>(count: count)
    let total = tree.entries.reduce(UInt64(0)) { $0 + ($1.kind == .file ? $1.size : 0) }
    let work = SharedWork(count: count)
    runWorkers(workers) { number in
      do throws(Failure) {
        let buffer = try Buffer(count: hashChunk)
        while let index = work.take() {
          guard tree.entries[index].kind == .file else { continue }
          results[index] = try examine(
            index, of: tree, frameSize: frameSize, buffer: buffer.bytes, work: work)
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
  _ index: Int, of tree: ScannedTree, frameSize: Int, buffer: UnsafeMutableRawBufferPointer,
  work: SharedWork
) throws(Failure) -> Content {
  let size = tree.entries[index].size
  let file = try openUnchanged(tree, index)
  var hasher = SHA256Hasher()
  var extents: [Content.Extent] = []
  var stretches = Stretches(longest: frameSize)
  var kind = Content.Kind.other
  var offset: UInt64 = 0
  while offset < size {
    let wanted = Int(min(UInt64(buffer.count), size - offset))
    let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
    let read = try file.read(into: chunk, at: Int64(offset))
    guard read == wanted else { throw .changed(tree.path(index)) }
    hasher.update(UnsafeRawBufferPointer(chunk))
    if offset == 0 { kind = Content.Kind(of: chunk) }
    var start = 0
    while start < wanted {
      let length = min(holeBlock, wanted - start)
      let block = UnsafeRawBufferPointer(rebasing: chunk[start..<start + length])
      // A shorter last block can be a hole only if it is not the first block.
      let mayBeHole = length == holeBlock || size > UInt64(holeBlock)
      let isHole = mayBeHole && isZero(block)
      extend(&extents, by: length, isHole: isHole)
      if isHole { stretches.end() } else { stretches.add(block) }
      start += length
    }
    offset += UInt64(wanted)
    work.add(bytes: wanted)
  }
  stretches.end()
  return Content(
    entry: index, hash: hasher.finish(), kind: kind, extents: extents,
    checksums: stretches.checksums)
}

/// A checksum that detects a change between two reads. It does not detect forgery: users who can write to the
/// tree decide what is packed.
func checksum(_ bytes: UnsafeRawBufferPointer, continuing before: UInt64 = 0) -> UInt64 {
  lzma_crc64(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, before)
}

/// Cuts extents into stretches, the pieces that frames hold.
private struct Stretches {
  /// The longest stretch in bytes.
  let longest: Int
  private(set) var checksums: [UInt64] = []
  private var length = 0
  private var running: UInt64 = 0

  init(longest: Int) { self.longest = longest }

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(longest - length))
      running = checksum(part, continuing: running)
      length += part.count
      if length == longest { end() }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
    }
  }

  mutating func end() {
    guard length > 0 else { return }
    checksums.append(running)
    running = 0
    length = 0
  }
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

/// Opens the file of an entry. Checks by its status that it is the scanned file and has not been written to
/// since.
///
/// Checksums detect a program that writes by mmap(2) or restores the time. The change time would detect it too,
/// but it also changes when another pack creates a hard link to a file of the same layer.
func openUnchanged(_ tree: ScannedTree, _ index: Int) throws(Failure) -> OpenContent {
  let entry = tree.entries[index]
  if let content = entry.content { return .bytes(content) }
  let path = tree.path(index)
  let file = try FileDescriptor.open(path, .readNoFollow)
  let status = try file.status()
  guard status.kind == .file, status.device == entry.device, status.inode == entry.inode,
    status.modified == entry.modified, UInt64(status.size) == entry.size
  else { throw .changed(path) }
  return .file(file)
}

/// The content of an entry, ready to be read.
enum OpenContent: ~Copyable {
  case file(FileDescriptor)
  case bytes([UInt8])

  /// Reads from `offset`, and returns the number of bytes: fewer than the buffer has only at the end.
  ///
  /// - Throws: "read".
  borrowing func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Failure)
    -> Int
  {
    switch self {
    case .file(let file): return try file.read(into: buffer, at: offset)
    case .bytes(let bytes):
      let some = bytes.dropFirst(Int(offset)).prefix(buffer.count)
      buffer.copyBytes(from: some)
      return some.count
    }
  }
}
