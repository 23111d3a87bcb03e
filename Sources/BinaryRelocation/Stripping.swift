public import Posix

extension ElfFile {
  /// Writes the file at `path` to the new file `output`, without debug sections and symbol table.
  ///
  /// `self` must have been read from `path`. The result lacks the sections that `strip --strip-unneeded` removes from a
  /// program or library.
  ///
  /// Every byte up to the end of the last segment stays, except for the place of the sections in the ELF header.
  /// Sections outside of segments move up behind it, and the section headers follow. Supports ELF64 in little-endian
  /// order for any architecture. The same file always gives the same bytes.
  ///
  /// Returns nil if `output` was written. Otherwise nothing was written, and the text says why the file must stay as it
  /// is. It completes a sentence that begins with the file's name.
  ///
  /// - Throws: a system call's failure.
  public func writeStripped(_ path: Path, to output: Path) throws(Failure) -> String? {
    guard is64Bit, isLittleEndian else { return "is not a 64-bit little-endian file" }
    guard !hasAppendedData else { return "has data appended" }
    let file = try FileDescriptor.open(path, .read)
    switch try SectionTable.read(file, self) {
    case .refused(let reason): return reason
    case .table(let table):
      guard try table.hasNoOrphans(file) else { return "has data between its sections" }
      let layout = StrippedLayout(table)
      guard layout.size < table.size else { return "has its symbols between its segments" }
      let new = try FileDescriptor.open(output, .createNew, mode: 0o600)
      try layout.write(from: file, to: new)
      try new.close()
      return nil
    }
  }
}

/// A section header (`Elf64_Shdr`), and the fate of its section.
private struct Section {
  enum Fate {
    /// Inside the loaded part or before it: stays in place.
    case fixed
    /// Stays, but can move.
    case kept
    case removed
  }

  var name: [UInt8]
  var type: UInt32
  var flags: UInt64
  var offset: UInt64
  var size: UInt64
  var link: UInt32
  var info: UInt32
  var alignment: UInt64
  /// `sh_addr` and `sh_entsize`.
  var address: UInt64
  var entrySize: UInt64
  var fate = Fate.kept

  static let symbolTable: UInt32 = 2
  static let noBits: UInt32 = 8

  var isAllocated: Bool { flags & 2 != 0 }
  var isRelocation: Bool { type == 4 || type == 9 }
  /// The end of its bytes in the file.
  var end: UInt64 { type == Self.noBits || type == 0 ? offset : offset + size }

  func begins(_ prefixes: [String]) -> Bool { prefixes.contains { name.starts(with: $0.utf8) } }

  /// Sections for debuggers, by the names that binutils knows.
  var isDebug: Bool {
    begins([
      ".debug", ".zdebug", ".gnu.debuglto_", ".gnu.linkonce.wi.", ".stab", ".gdb_index", ".line",
    ])
  }

  /// Sections of compilers and linkers that are not loaded but that strip keeps.
  var isKnown: Bool {
    let note: UInt32 = 7
    let ofProcessors = 0x7000_0000...0x7fff_ffff as ClosedRange<UInt32>
    return type == 0 || type == note || ofProcessors.contains(type) || size == 0
      || begins([
        ".comment", ".note", ".gnu_debug", ".gnu.build.attributes", ".gnu.lto_", ".GCC.",
        ".annobin",
        ".ident", ".BTF", ".ctf", ".SUNW", ".llvm", ".gnu.warning",
      ])
  }
}

private struct SectionTable {
  enum Result {
    case table(SectionTable)
    case refused(String)
  }

  var sections: [Section] = []
  var nameTable = 0
  /// The file range of the section headers.
  var headers: Range<UInt64> = 0..<0
  /// The end of everything that must stay in place.
  var fixedEnd: UInt64 = 0
  var size: UInt64 = 0

  static func read(_ file: borrowing FileDescriptor, _ elf: ElfFile) throws(Failure) -> Result {
    var table = SectionTable()
    guard try table.readHeaders(file, elf), table.sections.count > 1 else {
      return .refused("has section headers that can't be read")
    }
    table.fixedEnd = max(
      64, try programHeadersEnd(file), elf.segments.map { $0.offset + $0.fileSize }.max() ?? 0,
      table.sections.filter(\.isAllocated).map(\.end).max() ?? 0)
    if let reason = table.choose() { return .refused(reason) }
    return .table(table)
  }

  private static func programHeadersEnd(_ file: borrowing FileDescriptor) throws(Failure)
    -> UInt64
  {
    let header = try file.bytes(at: 0, count: 64)
    let start: UInt64 = header.number(at: 32) ?? 0
    let size: UInt16 = header.number(at: 54) ?? 0
    let count: UInt16 = header.number(at: 56) ?? 0
    return start &+ UInt64(size) * UInt64(count)
  }

  private mutating func readHeaders(_ file: borrowing FileDescriptor, _ elf: ElfFile)
    throws(Failure) -> Bool
  {
    size = UInt64(try file.status().size)
    let header = try file.bytes(at: 0, count: 64)
    guard let start: UInt64 = header.number(at: 40), let entry: UInt16 = header.number(at: 58),
      let count: UInt16 = header.number(at: 60), let names: UInt16 = header.number(at: 62),
      entry == 64, names < count, start < size, size - start >= 64 * UInt64(count)
    else { return false }
    nameTable = Int(names)
    headers = start..<start + 64 * UInt64(count)
    let bytes = try file.bytes(at: Int64(start), count: 64 * Int(count))
    for place in stride(from: 0, to: bytes.count, by: 64) {
      sections.append(
        Section(
          name: [], type: bytes.number(at: place + 4)!, flags: bytes.number(at: place + 8)!,
          offset: bytes.number(at: place + 24)!, size: bytes.number(at: place + 32)!,
          link: bytes.number(at: place + 40)!, info: bytes.number(at: place + 44)!,
          alignment: bytes.number(at: place + 48)!, address: bytes.number(at: place + 16)!,
          entrySize: bytes.number(at: place + 56)!))
    }
    for section in sections where section.type != Section.noBits && section.type != 0 {
      guard section.offset <= size, section.size <= size - section.offset else { return false }
    }
    let table = sections[nameTable]
    guard table.type == 3, table.size < 1 << 24 else { return false }
    let texts = try file.bytes(at: Int64(table.offset), count: Int(table.size))
    for index in sections.indices {
      let place: UInt32 = bytes.number(at: 64 * index)!
      guard let name = texts.text(at: UInt64(place)) else { return false }
      sections[index].name = Array(name)
    }
    return true
  }

  /// Chooses the fate of each section. Returns a reason if the file must stay as it is.
  private mutating func choose() -> String? {
    for index in sections.indices.dropFirst() {
      let section = sections[index]
      if section.isAllocated || (section.end > section.offset && section.offset < fixedEnd) {
        sections[index].fate = .fixed
        if section.isAllocated { continue }
        guard section.end <= fixedEnd else { return "has sections that overlap its segments" }
      }
      if section.isDebug || section.type == Section.symbolTable { sections[index].fate = .removed }
    }
    for index in sections.indices where sections[index].isRelocation {
      let section = sections[index]
      if !section.isAllocated, isRemoved(section.info) { sections[index].fate = .removed }
    }
    removeUnusedStrings()
    for (index, section) in sections.enumerated()
    where index != 0 && index != nameTable && section.fate != .removed && !section.isAllocated {
      let name = String(decoding: section.name, as: UTF8.self)
      if isRemoved(section.link) || section.isRelocation {
        return "has the section '\(name)', which needs the symbol table"
      }
      guard section.isKnown || isStringTable(index) else {
        return "has the section '\(name)', which is not loaded and may be read from the file"
      }
    }
    return nil
  }

  /// Whether every byte after the segments belongs to a section or to the headers, or is 0.
  func hasNoOrphans(_ file: borrowing FileDescriptor) throws(Failure) -> Bool {
    let ranges = sections.map { $0.offset..<max($0.end, $0.offset) } + [headers]
    var next = fixedEnd
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) + [size..<size] {
      if next < range.lowerBound {
        let gap = range.lowerBound - next
        // An alignment gap is short. A longer one contains data.
        guard gap <= 1 << 16 else { return false }
        let bytes = try file.bytes(at: Int64(next), count: Int(gap))
        guard bytes.allSatisfy({ $0 == 0 }) else { return false }
      }
      next = max(next, range.upperBound)
    }
    return true
  }

  private func isRemoved(_ index: UInt32) -> Bool {
    index > 0 && Int(index) < sections.count && sections[Int(index)].fate == .removed
  }

  /// Removes the names of removed symbols.
  private mutating func removeUnusedStrings() {
    let users = { (index: Int, sections: [Section]) in
      sections.enumerated().filter { $0.offset != 0 && Int($0.element.link) == index }.map(
        \.element)
    }
    for index in sections.indices
    where sections[index].type == 3 && index != nameTable && !sections[index].isAllocated {
      let all = users(index, sections)
      if !all.isEmpty, all.allSatisfy({ $0.fate == .removed }) { sections[index].fate = .removed }
    }
  }

  private func isStringTable(_ index: Int) -> Bool {
    sections[index].type == 3 && sections.contains { Int($0.link) == index }
  }
}

/// The places of all parts of the stripped file.
private struct StrippedLayout {
  private let fixedEnd: UInt64
  /// Ranges of the old file and their new places, beyond `fixedEnd`, in order.
  private var moves: [(from: Range<UInt64>, to: UInt64)] = []
  private var names: [UInt8] = [0]
  private var namesPlace: UInt64 = 0
  private var headers: [UInt8] = []
  private var headersPlace: UInt64 = 0
  private var nameTable = 0

  /// The size of the whole file in bytes.
  var size: UInt64 { headersPlace + UInt64(headers.count) }

  init(_ table: SectionTable) {
    fixedEnd = table.fixedEnd
    // .dynsym, which is loaded, refers to section numbers. Removed sections before a loaded one leave an empty header.
    let lastLoaded = table.sections.lastIndex(where: \.isAllocated) ?? 0
    let kept = table.sections.indices.filter {
      $0 <= lastLoaded || table.sections[$0].fate != .removed
    }
    var position = fixedEnd
    var places: [Int: UInt64] = [:]
    let movable = kept.filter { index in
      let section = table.sections[index]
      return section.fate == .kept && index != table.nameTable && section.end > section.offset
    }
    for index in movable.sorted(by: { table.sections[$0].offset < table.sections[$1].offset }) {
      let section = table.sections[index]
      position = Self.aligned(position, section.alignment)
      places[index] = position
      moves.append((section.offset..<section.end, position))
      position += section.size
    }
    namesPlace = position
    var numbers: [Int: UInt32] = [:]
    for (number, index) in kept.enumerated() { numbers[index] = UInt32(number) }
    var nameOffsets: [[UInt8]: UInt32] = [[]: 0]
    for index in kept where table.sections[index].fate != .removed {
      let name = table.sections[index].name
      if nameOffsets[name] == nil {
        nameOffsets[name] = UInt32(names.count)
        names += name + [0]
      }
    }
    for index in kept {
      var section = table.sections[index]
      if index == table.nameTable {
        section.offset = namesPlace
        section.size = UInt64(names.count)
        nameTable = Int(numbers[index]!)
      } else if let place = places[index] {
        section.offset = place
      } else if section.fate == .kept && index > 0 {
        section.offset = min(section.offset, fixedEnd)
      }
      headers += Self.header(section, nameOffsets, numbers)
    }
    headersPlace = Self.aligned(namesPlace + UInt64(names.count), 8)
  }

  private static func aligned(_ position: UInt64, _ alignment: UInt64) -> UInt64 {
    let alignment = min(max(alignment, 1), 1 << 16)
    return (position + alignment - 1) / alignment * alignment
  }

  private static func header(
    _ section: Section, _ names: [[UInt8]: UInt32], _ numbers: [Int: UInt32]
  ) -> [UInt8] {
    if section.fate == .removed { return [UInt8](repeating: 0, count: 64) }
    let hasSectionInInfo = section.flags & 0x40 != 0 || section.isRelocation
    var bytes: [UInt8] = []
    bytes.append(little: names[section.name]!)
    bytes.append(little: section.type)
    bytes.append(little: section.flags)
    bytes.append(little: section.address)
    bytes.append(little: section.offset)
    bytes.append(little: section.size)
    bytes.append(little: numbers[Int(section.link)] ?? 0)
    bytes.append(
      little: hasSectionInInfo ? numbers[Int(section.info)] ?? 0 : section.info)
    bytes.append(little: section.alignment)
    bytes.append(little: section.entrySize)
    return bytes
  }

  func write(from file: borrowing FileDescriptor, to output: borrowing FileDescriptor)
    throws(Failure)
  {
    try copy(0..<fixedEnd, to: 0, file, output)
    for move in moves { try copy(move.from, to: move.to, file, output) }
    try write(names, at: namesPlace, output)
    try write(headers, at: headersPlace, output)
    var start: [UInt8] = []
    start.append(little: headersPlace)
    try write(start, at: 40, output)
    var counts: [UInt8] = []
    counts.append(little: UInt16(headers.count / 64))
    counts.append(little: UInt16(nameTable))
    try write(counts, at: 60, output)
  }

  private func copy(
    _ range: Range<UInt64>, to place: UInt64, _ file: borrowing FileDescriptor,
    _ output: borrowing FileDescriptor
  ) throws(Failure) {
    var done: UInt64 = 0
    while done < UInt64(range.count) {
      let bytes = try file.bytes(
        at: Int64(range.lowerBound + done), count: Int(min(UInt64(range.count) - done, 1 << 20)))
      if bytes.isEmpty { break }
      try write(bytes, at: place + done, output)
      done += UInt64(bytes.count)
    }
  }

  private func write(_ bytes: [UInt8], at place: UInt64, _ output: borrowing FileDescriptor)
    throws(Failure)
  {
    try bytes.span.withUnsafeBytes { (buffer) throws(Failure) -> Void in
      try output.write(buffer, at: Int64(place))
    }
  }
}
