internal import Posix

/// The tables that a loaded file's dynamic section points to. Only a loader reads them, and tools can move them.
///
/// See System V ABI, "Dynamic Section". Supports ELF64 in little-endian order.
struct LoaderTables {
  struct Symbol: Equatable {
    var name: [UInt8]
    var info: UInt8
    var other: UInt8
    /// Undefined (0), absolute, common, or 1 for any section: a loader does not distinguish sections.
    var place: UInt16
    var value: UInt64
    var size: UInt64
  }

  /// Tags and values of `DT_*` in order, up to `DT_NULL`.
  private(set) var entries: [(tag: UInt64, value: UInt64)] = []
  /// The address range of each table, by the tag that points to it.
  private(set) var tables: [UInt64: Range<UInt64>] = [:]
  private(set) var symbols: [Symbol] = []
  private(set) var strings: [UInt8] = []

  private enum Tag {
    static let hash: UInt64 = 4
    static let strings: UInt64 = 5
    static let symbols: UInt64 = 6
    static let stringSize: UInt64 = 10
    static let versions: UInt64 = 0x6fff_fff0
    static let gnuHash: UInt64 = 0x6fff_fef5
    static let definitions: UInt64 = 0x6fff_fffc
    static let needs: UInt64 = 0x6fff_fffe
    static let procedures: UInt64 = 23
    /// The tag of each relocation table, and the tag of its size.
    static let relocations: [(table: UInt64, size: UInt64)] = [
      (7, 8), (17, 18), (23, 2), (36, 35),
    ]
  }

  /// Tags whose values tools can change: addresses of tables, the size of the strings, library names, and search paths.
  static let movable: Set<UInt64> = [
    4, 5, 6, 7, 17, 23, 36, 10, 0x6fff_fff0, 0x6fff_fef5, 0x6fff_fffc, 0x6fff_fffe, 1, 15, 29,
  ]
  /// Tables that must keep every byte.
  static let fixed: [UInt64] = [4, 7, 17, 23, 36, 0x6fff_fff0, 0x6fff_fef5, 0x6fff_fffc]

  func value(_ tag: UInt64) -> UInt64? { entries.first { $0.tag == tag }?.value }

  /// Nil if a table lies outside of the loaded memory.
  ///
  /// - Parameter dynamic: the addresses of `PT_DYNAMIC`.
  init?(_ file: borrowing LoadedFile, dynamic: Range<UInt64>) throws(Failure) {
    guard let section = try file.bytes(dynamic) else { return nil }
    var position = 0
    while let tag: UInt64 = section.number(at: position),
      let value: UInt64 = section.number(at: position + 8), tag != 0
    {
      entries.append((tag, value))
      position += 16
    }
    guard let start = value(Tag.strings), let size = value(Tag.stringSize),
      let strings = try addTable(Tag.strings, start, size, file)
    else { return nil }
    self.strings = strings
    var count: UInt64 = 0
    for kind in Tag.relocations {
      guard let start = value(kind.table), let size = value(kind.size) else { continue }
      guard let bytes = try addTable(kind.table, start, size, file) else { return nil }
      // RELR has addresses but no symbols.
      if kind.table != 36 { count = max(count, highestSymbol(bytes, entrySize(kind.table)) + 1) }
    }
    guard let hashed = try hashTables(file) else { return nil }
    guard try readSymbols(max(count, hashed), file), try versionTables(file) else { return nil }
  }

  private func entrySize(_ table: UInt64) -> Int {
    table == 17 || (table == Tag.procedures && value(20) == 17) ? 16 : 24
  }

  private func highestSymbol(_ relocations: [UInt8], _ entrySize: Int) -> UInt64 {
    stride(from: 8, to: relocations.count, by: entrySize)
      .compactMap { relocations.number(at: $0 + 4, as: UInt32.self) }.max().map { UInt64($0) } ?? 0
  }

  private mutating func addTable(
    _ tag: UInt64, _ start: UInt64, _ size: UInt64, _ file: borrowing LoadedFile
  ) throws(Failure) -> [UInt8]? {
    guard start < 1 << 60, size < 1 << 30, let bytes = try file.bytes(start..<start + size) else {
      return nil
    }
    tables[tag] = start..<start + size
    return bytes
  }

  /// Adds the hash tables, and returns the number of symbols they cover.
  private mutating func hashTables(_ file: borrowing LoadedFile) throws(Failure) -> UInt64? {
    var count: UInt64 = 0
    if let start = value(Tag.hash) {
      guard let head = try file.bytes(start..<start &+ 8),
        let buckets: UInt32 = head.number(at: 0), let chains: UInt32 = head.number(at: 4),
        try addTable(Tag.hash, start, 8 + 4 * (UInt64(buckets) + UInt64(chains)), file) != nil
      else { return nil }
      count = UInt64(chains)
    }
    if let start = value(Tag.gnuHash) {
      guard let known = try gnuHashTable(start, file) else { return nil }
      count = max(count, known)
    }
    return count
  }

  private mutating func gnuHashTable(_ start: UInt64, _ file: borrowing LoadedFile)
    throws(Failure) -> UInt64?
  {
    guard let head = try file.bytes(start..<start &+ 16),
      let buckets: UInt32 = head.number(at: 0), let first: UInt32 = head.number(at: 4),
      let words: UInt32 = head.number(at: 8)
    else { return nil }
    let bucketStart = start + 16 + 8 * UInt64(words)
    let chainStart = bucketStart + 4 * UInt64(buckets)
    guard buckets < 1 << 27, let table = try file.bytes(bucketStart..<chainStart) else {
      return nil
    }
    let heads = (0..<Int(buckets)).compactMap { table.number(at: 4 * $0, as: UInt32.self) }
    guard var last = heads.max(), last >= first, last > 0 else {
      return try addTable(Tag.gnuHash, start, chainStart - start, file) == nil ? nil : UInt64(first)
    }
    // The last chain ends at an odd hash.
    while true {
      let place = chainStart + 4 * UInt64(last - first)
      guard let word = try file.bytes(place..<place + 4), last < .max else { return nil }
      last += 1
      if word[0] & 1 == 1 { break }
    }
    let size = chainStart - start + 4 * UInt64(last - first)
    return try addTable(Tag.gnuHash, start, size, file) == nil ? nil : UInt64(last)
  }

  private mutating func readSymbols(_ count: UInt64, _ file: borrowing LoadedFile)
    throws(Failure) -> Bool
  {
    guard let start = value(Tag.symbols), count > 0 else { return true }
    guard let bytes = try addTable(Tag.symbols, start, 24 * count, file) else { return false }
    symbols.reserveCapacity(Int(count))
    for place in stride(from: 0, to: bytes.count, by: 24) {
      guard let name: UInt32 = bytes.number(at: place), let text = strings.text(at: UInt64(name)),
        let section: UInt16 = bytes.number(at: place + 6),
        let value: UInt64 = bytes.number(at: place + 8),
        let size: UInt64 = bytes.number(at: place + 16)
      else { return false }
      let info = bytes[place + 4]
      // A section's own symbol moves with it.
      let isSection = info & 15 == 3
      symbols.append(
        Symbol(
          name: Array(text), info: info, other: bytes[place + 5],
          place: section == 0 || section >= 0xff00 ? section : 1, value: isSection ? 0 : value,
          size: size))
    }
    return true
  }

  /// Adds the version tables: one word for each symbol. Definitions and needs are linked lists without a recorded size.
  private mutating func versionTables(_ file: borrowing LoadedFile) throws(Failure) -> Bool {
    if let start = value(Tag.versions) {
      guard try addTable(Tag.versions, start, 2 * UInt64(symbols.count), file) != nil else {
        return false
      }
    }
    for (tag, count, auxiliary, next, link, size) in [
      (Tag.definitions, UInt64(0x6fff_fffd), 12, 16, 4, UInt64(20)),
      (Tag.needs, 0x6fff_ffff, 8, 12, 12, 16),
    ] {
      guard let start = value(tag), let number = value(count) else { continue }
      var place = start
      var end = start
      for _ in 0..<min(number, 1 << 16) {
        guard let record = try file.bytes(place..<place &+ size),
          let items: UInt16 = record.number(at: tag == Tag.needs ? 2 : 6),
          let first: UInt32 = record.number(at: auxiliary),
          let step: UInt32 = record.number(at: next)
        else { return false }
        end = max(end, place + size)
        var item = place + UInt64(first)
        for _ in 0..<items {
          let itemSize: UInt64 = tag == Tag.needs ? 16 : 8
          guard let bytes = try file.bytes(item..<item + itemSize),
            let more: UInt32 = bytes.number(at: link)
          else { return false }
          end = max(end, item + itemSize)
          item += UInt64(more)
        }
        if step == 0 { break }
        place += UInt64(step)
      }
      guard try addTable(tag, start, end - start, file) != nil else { return false }
    }
    return true
  }
}
