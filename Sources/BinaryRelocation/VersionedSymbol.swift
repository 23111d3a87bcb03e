public import Posix

extension ElfFile {
  /// The first symbol, in symbol table order, that the file at `path` needs in `version`, such as "GLIBC_2.34".
  ///
  /// Nil if there is none, or if the file is not ELF64 in little-endian order.
  ///
  /// - Parameter path: the file that `self` was read from.
  ///
  /// - Throws: a failure if the file cannot be read or is a damaged ELF file.
  public func symbol(needing version: String, in path: Path) throws(Failure) -> String? {
    guard is64Bit, isLittleEndian, let dynamic = segments.first(where: { $0.type == 2 }),
      let image = LoadedImage(segments, pageSize: 4096)
    else { return nil }
    let file = LoadedFile(file: try FileDescriptor.open(path, .read), image: image)
    let section = dynamic.address..<dynamic.address + dynamic.memorySize
    guard let tables = try LoaderTables(file, dynamic: section) else { return nil }
    return try tables.symbol(needing: Array(version.utf8), file)
  }
}

extension LoaderTables {
  fileprivate func symbol(needing version: [UInt8], _ file: borrowing LoadedFile)
    throws(Failure) -> String?
  {
    guard let place = tables[0x6fff_fffe], let needs = try file.bytes(place),
      let numbers = tables[0x6fff_fff0], let indexes = try file.bytes(numbers)
    else { return nil }
    var library = 0
    while let count: UInt16 = needs.number(at: library + 2),
      let first: UInt32 = needs.number(at: library + 8),
      let next: UInt32 = needs.number(at: library + 12)
    {
      var item = library + Int(first)
      for _ in 0..<count {
        guard let other: UInt16 = needs.number(at: item + 6),
          let name: UInt32 = needs.number(at: item + 8),
          let step: UInt32 = needs.number(at: item + 12)
        else { return nil }
        if strings.text(at: UInt64(name)).map({ Array($0) }) == version {
          let index = symbols.indices.first {
            indexes.number(at: 2 * $0, as: UInt16.self).map { $0 & 0x7fff } == other
          }
          if let index { return String(decoding: symbols[index].name, as: UTF8.self) }
        }
        item += Int(step)
      }
      if next == 0 { break }
      library += Int(next)
    }
    return nil
  }
}
