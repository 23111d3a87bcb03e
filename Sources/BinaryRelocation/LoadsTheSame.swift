public import Posix

extension ElfFile {
  /// Compares a program loaded from `rewritten` with `original`. Returns the difference, or nil if both find the same.
  ///
  /// Compares memory instead of files, because tools that write search paths split, move and add segments. Every loaded
  /// address must have the same byte and at least the same permissions. It must not become both writable and
  /// executable. The tables that only a loader reads (names, symbols, relocations, hashes, versions) can move, but must
  /// have the same content. The caller compares search paths and the names of needed libraries.
  ///
  /// The text completes a sentence that begins with the file's name. Files other than ELF64 in little-endian order are
  /// never the same.
  ///
  /// - Parameters:
  ///   - original: the path of the file that `self` was read from.
  ///   - rewritten: the path of the other file.
  ///   - new: the other file, already read.
  /// - Throws: a system call's failure.
  public func difference(original: Path, rewritten: Path, _ new: ElfFile) throws(Failure)
    -> String?
  {
    guard is64Bit, isLittleEndian, new.is64Bit, new.isLittleEndian else {
      return "is not a 64-bit little-endian file"
    }
    guard machine == new.machine, kind == new.kind, entryAddress == new.entryAddress else {
      return "has another header"
    }
    for size in pageSizes {
      let old = try FileDescriptor.open(original, .read)
      let other = try FileDescriptor.open(rewritten, .read)
      guard let oldImage = LoadedImage(segments, pageSize: size) else { continue }
      guard let newImage = LoadedImage(new.segments, pageSize: size) else {
        return "can't be mapped with pages of \(size) bytes"
      }
      let comparison = Comparison(
        old: self, new: new, oldFile: LoadedFile(file: old, image: oldImage),
        newFile: LoadedFile(file: other, image: newImage))
      if let reason = try comparison.difference() { return reason }
    }
    return nil
  }

  /// The page sizes of Linux on this architecture that the file's segments are aligned for.
  private var pageSizes: [UInt64] {
    let least = segments.lazy.filter(\.isLoaded).map(\.alignment).min() ?? 4096
    let sizes: [UInt64] = machine == .x86_64 ? [4096] : [4096, 16384, 65536]
    return sizes.filter { $0 <= max(least, 4096) }
  }
}

extension ElfFile.Segment {
  fileprivate enum Kind {
    static let dynamic: UInt32 = 2
    static let interpreter: UInt32 = 3
    static let note: UInt32 = 4
    static let headers: UInt32 = 6
    static let property: UInt32 = 0x6474_e553
  }

  fileprivate var addresses: Range<UInt64> { address..<address &+ max(memorySize, fileSize) }

  /// Whether sums of its numbers cannot overflow.
  fileprivate var isSmall: Bool { max(address, offset, memorySize, fileSize) < 1 << 60 }

  /// Whether only its content matters, at any address.
  fileprivate var isMovable: Bool {
    [Kind.dynamic, Kind.interpreter, Kind.note, Kind.headers, Kind.property].contains(type)
  }
}

private struct Comparison: ~Copyable {
  let old: ElfFile
  let new: ElfFile
  let oldFile: LoadedFile
  let newFile: LoadedFile

  private typealias Kind = ElfFile.Segment.Kind

  func difference() throws(Failure) -> String? {
    let addresses = new.segments.lazy.filter(\.isLoaded).map(\.address)
    guard zip(addresses, addresses.dropFirst()).allSatisfy({ $0 < $1 }) else {
      return "has segments that are not in the order of their addresses"
    }
    // From here on, sums cannot overflow.
    guard (old.segments + new.segments).allSatisfy(\.isSmall) else {
      return "has a segment of an impossible size"
    }
    if let reason = try segmentDifference() { return reason }
    if let reason = headerDifference() { return reason }
    var ranges = headerRanges(old) + headerRanges(new).flatMap { rest(of: $0, without: padded) }
    ranges += sectionGaps + sectionHeaders
    for segment in old.segments where segment.isMovable { ranges.append(segment.addresses) }
    if let section = old.segments.first(where: { $0.type == Kind.dynamic }),
      let newSection = new.segments.first(where: { $0.type == Kind.dynamic })
    {
      guard let tables = try LoaderTables(oldFile, dynamic: section.addresses) else {
        return "has tables that can't be read"
      }
      guard let newTables = try LoaderTables(newFile, dynamic: newSection.addresses) else {
        return "has tables outside of what is loaded"
      }
      if let reason = try tableDifference(tables, newTables) { return reason }
      if flags(section, oldFile) & LoadedImage.writable
        & ~flags(newSection, newFile) != 0
      {
        return "has a dynamic section that can't be written"
      }
      ranges += tables.tables.values
    }
    if let reason = try memoryDifference(except: ranges) { return reason }
    return permissionDifference()
  }

  private func flags(_ segment: ElfFile.Segment, _ file: borrowing LoadedFile) -> UInt32 {
    file.image.pieces(in: segment.address..<segment.address + 1)?.first?.flags ?? 0
  }

  /// The ELF header and the program headers.
  private func headerRanges(_ elf: ElfFile) -> [Range<UInt64>] {
    let headers = elf.segments.lazy.filter { $0.type == Kind.headers }.map(\.addresses)
    let table = 64 + UInt64(elf.segments.count) * 56
    let first = elf.segments.lazy.filter { $0.isLoaded && $0.offset < table }
      .map { $0.address..<$0.address + (table - $0.offset) }
    return Array(headers) + Array(first)
  }

  /// The addresses that additional program headers must not cover: everything except padding between sections.
  ///
  /// Without section headers, these are all addresses.
  private var padded: [Range<UInt64>] {
    old.loadedSections.isEmpty
      ? old.segments.lazy.filter(\.isLoaded).map(\.addresses) : old.loadedSections
  }

  /// Alignment gaps between sections, which patchelf fills with arbitrary bytes.
  private var sectionGaps: [Range<UInt64>] {
    let sections = old.loadedSections.sorted { $0.lowerBound < $1.lowerBound }
    return zip(sections, sections.dropFirst()).compactMap { left, right in
      let isGap = left.upperBound < right.lowerBound && right.lowerBound - left.upperBound < 64
      return isGap ? left.upperBound..<right.lowerBound : nil
    }
  }

  /// Section headers in memory. patchelf can put a segment around them, and no loader reads them.
  private var sectionHeaders: [Range<UInt64>] {
    old.segments.filter(\.isLoaded).compactMap { segment in
      let range = old.sectionHeaders.clamped(
        to: segment.offset..<segment.offset + segment.fileSize)
      let start = segment.address &- segment.offset
      return range.isEmpty ? nil : range.lowerBound &+ start..<range.upperBound &+ start
    }
  }

  /// Compares segments that are not loaded on their own: they must be unchanged, or have the same content elsewhere.
  private func segmentDifference() throws(Failure) -> String? {
    func others(_ elf: ElfFile) -> [ElfFile.Segment] { elf.segments.filter { !$0.isLoaded } }
    let (before, after) = (others(old), others(new))
    for type in Set(before.map(\.type) + after.map(\.type)) {
      let left = before.filter { $0.type == type }
      let right = after.filter { $0.type == type }
      // patchelf makes a segment for each note.
      if type == Kind.note {
        guard try notes(left, oldFile) == notes(right, newFile) else { return "has other notes" }
      } else if left.count != right.count {
        return "has lost or got a segment of type \(type)"
      }
      for (segment, other) in zip(left, right) {
        if other.fileSize > 0, old.isLoadedAddress(segment.address),
          newFile.image.offset(of: other.address) != other.offset
        {
          return "has a segment of type \(type) that is not where its file offset says"
        }
        if segment.isMovable {
          if type == Kind.property,
            try oldFile.bytes(segment.addresses) != newFile.bytes(other.addresses)
          {
            return "has other notes"
          }
        } else if segment.flags != other.flags || segment.addresses != other.addresses
          || segment.alignment != other.alignment
        {
          return "has another segment of type \(type)"
        }
      }
    }
    return nil
  }

  /// The notes of some segments, each with its header: System V ABI, "Note Section".
  private func notes(_ segments: [ElfFile.Segment], _ file: borrowing LoadedFile)
    throws(Failure) -> Set<[UInt8]>
  {
    var result: Set<[UInt8]> = []
    for segment in segments {
      guard let bytes = try file.bytes(segment.addresses) else { continue }
      let mask = segment.alignment == 8 ? 7 : 3
      var place = 0
      while let name: UInt32 = bytes.number(at: place),
        let content: UInt32 = bytes.number(at: place + 4)
      {
        let start = (place + 12 + Int(name) + mask) & ~mask
        let end = start + Int(content)
        guard end <= bytes.count else { return result.union([Array(bytes[place...])]) }
        result.insert(Array(bytes[place..<end]))
        place = (end + mask) & ~mask
      }
    }
    return result
  }

  /// Kernels before 5.18 expect the program headers at the first segment's address plus their file offset.
  private func headerDifference() -> String? {
    guard let headers = new.segments.first(where: { $0.type == Kind.headers }) else { return nil }
    guard newFile.image.offset(of: headers.address) == headers.offset,
      let first = new.segments.first(where: \.isLoaded),
      headers.address == first.address &- first.offset &+ headers.offset
    else { return "has program headers that a kernel does not find" }
    return nil
  }

  private func tableDifference(_ old: LoaderTables, _ new: LoaderTables) throws(Failure)
    -> String?
  {
    func fixed(_ tables: LoaderTables) -> [[UInt64]] {
      tables.entries.filter { !LoaderTables.movable.contains($0.tag) }.map { [$0.tag, $0.value] }
        .sorted { $0.lexicographicallyPrecedes($1) }
    }
    guard fixed(old) == fixed(new) else { return "has other entries in its dynamic section" }
    guard old.symbols == new.symbols else { return "has other dynamic symbols" }
    for tag in LoaderTables.fixed {
      let (before, after) = (old.tables[tag], new.tables[tag])
      guard (before == nil) == (after == nil) else { return "has lost or got a table (\(tag))" }
      guard let before, let after else { continue }
      guard try oldFile.bytes(before) == newFile.bytes(after) else {
        return "has another table of the loader (\(tag))"
      }
    }
    guard new.strings.starts(with: old.strings) else { return "has other dynamic strings" }
    return nil
  }

  private func memoryDifference(except tables: [Range<UInt64>]) throws(Failure) -> String? {
    for segment in old.segments where segment.isLoaded {
      for range in rest(of: segment.addresses, without: tables) {
        guard let before = oldFile.image.pieces(in: range),
          let after = newFile.image.pieces(in: range)
        else { return "lacks memory at \(hexadecimal(range.lowerBound))" }
        for piece in after where segment.flags & ~piece.flags != 0 {
          return "has lost permissions at \(hexadecimal(piece.addresses.lowerBound))"
        }
        for piece in before {
          if let place = try firstDifference(piece) {
            return "has another byte at \(hexadecimal(place))"
          }
        }
      }
    }
    return nil
  }

  private func firstDifference(_ piece: LoadedImage.Piece) throws(Failure) -> UInt64? {
    for other in newFile.image.pieces(in: piece.addresses) ?? [] {
      let part = piece.cut(to: other.addresses)
      if part.offset == nil && other.offset == nil { continue }
      var place = part.addresses.lowerBound
      while place < part.addresses.upperBound {
        let range = place..<min(place + 1 << 20, part.addresses.upperBound)
        let before = try oldFile.bytes(range) ?? []
        let after = try newFile.bytes(range) ?? []
        if before != after {
          return range.lowerBound + UInt64(zip(before, after).prefix { $0 == $1 }.count)
        }
        place = range.upperBound
      }
    }
    return nil
  }

  /// Reports memory that has become both writable and executable.
  private func permissionDifference() -> String? {
    let both = LoadedImage.writable | LoadedImage.executable
    for piece in newFile.image.pieces where piece.flags & both == both {
      let before = oldFile.image.pieces(in: piece.addresses) ?? []
      if before.isEmpty || before.contains(where: { $0.flags & both != both }) {
        return "can be written and executed at \(hexadecimal(piece.addresses.lowerBound))"
      }
    }
    return nil
  }

  private func rest(of range: Range<UInt64>, without tables: [Range<UInt64>]) -> [Range<UInt64>] {
    var result: [Range<UInt64>] = []
    var next = range.lowerBound
    for table in tables.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      let common = table.clamped(to: next..<range.upperBound)
      if common.isEmpty { continue }
      if next < common.lowerBound { result.append(next..<common.lowerBound) }
      next = common.upperBound
    }
    if next < range.upperBound { result.append(next..<range.upperBound) }
    return result
  }

  private func hexadecimal(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
}

extension ElfFile {
  /// Corrects the place of `PT_GNU_PROPERTY` in `rewritten`.
  ///
  /// patchelf before 0.16 leaves it behind when it moves the note, and Linux then refuses a program for arm64. Does
  /// nothing if the segment is right or the note is gone.
  ///
  /// - Throws: a system call's failure.
  public func correctProperties(original: Path, rewritten: Path, _ new: ElfFile)
    throws(Failure)
  {
    let type = Segment.Kind.property
    guard is64Bit, isLittleEndian, let wanted = segments.first(where: { $0.type == type }),
      let index = new.segments.firstIndex(where: { $0.type == type }), wanted.fileSize < 1 << 20
    else { return }
    let source = try FileDescriptor.open(original, .read)
    let target = try FileDescriptor.open(rewritten, .read)
    let count = Int(wanted.fileSize)
    let note = try source.bytes(at: Int64(wanted.offset), count: count)
    for segment in [new.segments[index]] + new.segments.filter({ $0.type == Segment.Kind.note }) {
      guard segment.fileSize >= wanted.fileSize, segment.offset < 1 << 60,
        try target.bytes(at: Int64(segment.offset), count: count) == note
      else { continue }
      guard segment.offset != new.segments[index].offset,
        let table: UInt64 = try target.bytes(at: 32, count: 8).number(at: 0)
      else { return }
      var values: [UInt8] = []
      for number in [segment.offset, segment.address, segment.address] {
        values.append(little: number)
      }
      try values.span.withUnsafeBytes { (buffer) throws(Failure) -> Void in
        let place = Int64(table) + 56 * Int64(index) + 8
        try FileDescriptor.open(rewritten, .write).write(buffer, at: place)
      }
      return
    }
  }

  fileprivate func isLoadedAddress(_ address: UInt64) -> Bool {
    segments.contains { $0.isLoaded && $0.addresses.contains(address) }
  }
}
