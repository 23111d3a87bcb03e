internal import CElf
public import Posix

extension ElfFile {
  /// Reads the facts of the file `name` in `directory`; nil if it has no ELF magic.
  ///
  /// Hostile bytes give an error, never a trap. Follows symlinks. If the file has another byte order than this machine,
  /// only the headers are read.
  ///
  /// - Throws: `damaged` if a file with the ELF magic is not an ELF file, or a system call's failure.
  public static func read(_ name: Path, in directory: DirectoryHandle = .current) throws(Failure)
    -> ElfFile?
  {
    let file = try FileDescriptor.open(name, in: directory, .read)
    guard try file.bytes(at: 0, count: 4) == [0x7F, 0x45, 0x4C, 0x46] else { return nil }
    let size = UInt64(try file.status().size)
    var result = try ElfReader(file, size: size).file()
    // patchelf 0.19 writes a NUL after the last segment.
    let tail = size - min(result.unclaimedStart, size)
    if tail > 0 && tail <= 4096 {
      let bytes = try file.bytes(at: Int64(size - tail), count: Int(tail))
      if bytes.allSatisfy({ $0 == 0 }) { result.hasAppendedData = false }
    }
    return result
  }
}

/// An open libelf handle.
private struct ElfReader: ~Copyable {
  private let elf: OpaquePointer
  private let size: UInt64
  private let path: Path
  private var result = ElfFile()
  /// The dynamic section's string table.
  private var strings: UnsafeMutablePointer<Elf_Data>?

  /// libelf reads through `file`, which must stay open.
  init(_ file: borrowing FileDescriptor, size: UInt64) throws(Failure) {
    guard elf_version(UInt32(EV_CURRENT)) != UInt32(EV_NONE) else { throw .noLibelf }
    guard let elf = elf_begin(file.rawValue, ELF_C_READ, nil) else {
      throw .damaged(elf: file.path, "libelf refuses it")
    }
    self.elf = elf
    self.size = size
    self.path = file.path
  }

  deinit { elf_end(elf) }

  consuming func file() throws(Failure) -> ElfFile {
    let header = try readHeader()
    try readSegments(header)
    readSections(header)
    if result.isNativeOrder { try readDynamicSection() }
    return result
  }

  private func damaged(_ what: StaticString) -> Failure { .damaged(elf: path, what) }

  private mutating func readHeader() throws(Failure) -> GElf_Ehdr {
    var header = GElf_Ehdr()
    guard elf_kind(elf) == ELF_K_ELF, gelf_getehdr(elf, &header) != nil else {
      throw damaged("its header is cut or unknown")
    }
    result.is64Bit = gelf_getclass(elf) == ELFCLASS64
    result.isLittleEndian = header.e_ident.5 == UInt8(ELFDATA2LSB)
    result.machine = ElfFile.Machine(rawValue: header.e_machine)
    result.entryAddress = header.e_entry
    switch Int32(header.e_type) {
    case ET_EXEC: result.kind = .executable
    case ET_DYN: result.kind = .shared
    case ET_REL: result.kind = .relocatable
    default: result.kind = .other
    }
    return header
  }

  private mutating func readSegments(_ header: GElf_Ehdr) throws(Failure) {
    var count = 0
    // For a truncated table, libelf counts no headers.
    guard elf_getphdrnum(elf, &count) == 0,
      count >= Int(header.e_phnum) || header.e_phnum == PN_XNUM
    else {
      throw damaged("its program headers are cut")
    }
    for index in 0..<count {
      var header = GElf_Phdr()
      guard let index = Int32(exactly: index), gelf_getphdr(elf, index, &header) != nil else {
        throw damaged("its program headers are cut")
      }
      result.segments.append(
        ElfFile.Segment(
          type: header.p_type, flags: header.p_flags, offset: header.p_offset,
          address: header.p_vaddr, fileSize: header.p_filesz, memorySize: header.p_memsz,
          alignment: header.p_align))
      guard end(header.p_offset, header.p_filesz) <= size else {
        throw damaged("a segment reaches beyond its end")
      }
    }
  }

  /// No loader reads sections, so damage in them is ignored.
  private mutating func readSections(_ header: GElf_Ehdr) {
    var last = max(
      UInt64(header.e_ehsize),
      end(header.e_phoff, UInt64(header.e_phentsize) * UInt64(header.e_phnum)))
    for segment in result.segments { last = max(last, end(segment.offset, segment.fileSize)) }
    var count = 0
    var names = 0
    guard elf_getshdrnum(elf, &count) == 0, count >= 0, elf_getshdrstrndx(elf, &names) == 0 else {
      return
    }
    last = max(last, end(header.e_shoff, UInt64(header.e_shentsize) &* UInt64(count)))
    result.sectionHeaders =
      header
      .e_shoff..<max(
        header.e_shoff, end(header.e_shoff, UInt64(header.e_shentsize) &* UInt64(count)))
    for index in 0..<count {
      var section = GElf_Shdr()
      guard let handle = elf_getscn(elf, index), gelf_getshdr(handle, &section) != nil else {
        break
      }
      if section.sh_type != UInt32(SHT_NOBITS) {
        last = max(last, end(section.sh_offset, section.sh_size))
      }
      if section.sh_flags & UInt64(SHF_ALLOC) != 0, section.sh_flags & UInt64(SHF_TLS) == 0 {
        let end = end(section.sh_addr, section.sh_size)
        result.loadedSections.append(section.sh_addr..<max(section.sh_addr, end))
      }
      if section.sh_type == UInt32(SHT_SYMTAB) { result.isStripped = false }
      guard let name = elf_strptr(elf, names, Int(section.sh_name)) else { continue }
      if begins(name, ".debug_") || begins(name, ".zdebug_") { result.hasDebugSections = true }
    }
    result.unclaimedStart = last
    result.hasAppendedData = last < size
  }

  private func begins(_ text: UnsafePointer<CChar>, _ prefix: StaticString) -> Bool {
    for index in 0..<prefix.utf8CodeUnitCount
    where UInt8(bitPattern: text[index]) != prefix.utf8Start[index] { return false }
    return true
  }

  private mutating func readDynamicSection() throws(Failure) {
    for segment in result.segments where segment.type == UInt32(PT_INTERP) {
      guard let data = chunk(segment.offset, segment.fileSize, ELF_T_BYTE) else { continue }
      if let path = bytes(of: data, from: 0) { result.interpreter = Path([UInt8](path)) }
    }
    guard let segment = result.segments.first(where: { $0.type == UInt32(PT_DYNAMIC) }) else {
      return
    }
    let entrySize = gelf_fsize(elf, ELF_T_DYN, 1, UInt32(EV_CURRENT))
    guard segment.fileSize >= entrySize else { return }
    guard let data = chunk(segment.offset, segment.fileSize, ELF_T_DYN) else {
      throw damaged("its dynamic section can't be read")
    }
    result.isDynamic = true
    var entries: [GElf_Dyn] = []
    var entry = GElf_Dyn()
    var index: Int32 = 0
    while gelf_getdyn(data, index, &entry) != nil, entry.d_tag != Int64(DT_NULL) {
      entries.append(entry)
      index += 1
    }
    try interpret(entries)
  }

  private mutating func interpret(_ entries: [GElf_Dyn]) throws(Failure) {
    func value(_ tag: Int32) -> UInt64? { entries.first { $0.d_tag == Int64(tag) }?.d_un.d_val }
    if let address = value(DT_STRTAB), let length = value(DT_STRSZ) {
      guard let offset = offset(of: address), let data = chunk(offset, length, ELF_T_BYTE) else {
        throw damaged("its dynamic strings lie outside of it")
      }
      strings = data
    }
    for entry in entries {
      switch entry.d_tag {
      case Int64(DT_NEEDED): result.needed.append(try text(entry.d_un.d_val))
      case Int64(DT_SONAME): result.soname = try text(entry.d_un.d_val)
      case Int64(DT_RPATH): result.rpath = try directories(entry.d_un.d_val)
      case Int64(DT_RUNPATH): result.runpath = try directories(entry.d_un.d_val)
      case Int64(DT_RELR): result.hasRelativeRelocations = true
      default: break
      }
    }
    if let address = value(DT_VERNEED), let count = value(DT_VERNEEDNUM) {
      try readVersions(at: address, count: count)
    }
  }

  private mutating func readVersions(at address: UInt64, count: UInt64) throws(Failure) {
    // The file does not record the size. No real table comes near this.
    guard let offset = offset(of: address),
      let data = chunk(offset, min(size - offset, 1 << 20), ELF_T_VNEED)
    else { throw damaged("its symbol versions lie outside of it") }
    var position = 0
    for _ in 0..<min(count, 1 << 16) {
      var need = GElf_Verneed()
      guard let place = Int32(exactly: position), gelf_getverneed(data, place, &need) != nil else {
        throw damaged("its symbol versions are cut")
      }
      let names = try versions(data, at: position + Int(need.vn_aux), count: Int(need.vn_cnt))
      result.requiredVersions.append(
        ElfFile.RequiredVersions(library: try text(UInt64(need.vn_file)), names: names))
      if need.vn_next == 0 { break }
      position += Int(need.vn_next)
    }
  }

  /// The names of one library's versions, without weak ones.
  private func versions(_ data: UnsafeMutablePointer<Elf_Data>, at start: Int, count: Int)
    throws(Failure) -> [String]
  {
    var names: [String] = []
    var position = start
    for _ in 0..<count {
      var version = GElf_Vernaux()
      guard let place = Int32(exactly: position), gelf_getvernaux(data, place, &version) != nil
      else { throw damaged("its symbol versions are cut") }
      if Int32(version.vna_flags) & VER_FLG_WEAK == 0 {
        names.append(try text(UInt64(version.vna_name)))
      }
      if version.vna_next == 0 { break }
      position += Int(version.vna_next)
    }
    return names
  }

  private func directories(_ offset: UInt64) throws(Failure) -> [String] {
    try text(offset).split(separator: ":").map(String.init)
  }

  private func text(_ offset: UInt64) throws(Failure) -> String {
    guard let strings, let offset = Int(exactly: offset),
      let bytes = bytes(of: strings, from: offset)
    else { throw damaged("a name lies outside of its dynamic strings") }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes from `start` to the next NUL, or nil if there is none.
  private func bytes(of data: UnsafeMutablePointer<Elf_Data>, from start: Int)
    -> UnsafeRawBufferPointer.SubSequence?
  {
    let all = UnsafeRawBufferPointer(start: data.pointee.d_buf, count: data.pointee.d_size)
    guard start < all.count, let end = all[start...].firstIndex(of: 0) else { return nil }
    return all[start..<end]
  }

  /// The file offset of the address.
  private func offset(of address: UInt64) -> UInt64? {
    for segment in result.segments where segment.isLoaded && address >= segment.address {
      let distance = address - segment.address
      if distance < segment.fileSize { return segment.offset + distance }
    }
    return nil
  }

  /// Bytes of the file, valid as long as `self` lives; nil if there are none or some are beyond the file's end.
  private func chunk(_ offset: UInt64, _ count: UInt64, _ type: Elf_Type) -> UnsafeMutablePointer<
    Elf_Data
  >? {
    guard count > 0, end(offset, count) <= size, let offset = Int64(exactly: offset),
      let count = Int(exactly: count)
    else { return nil }
    return elf_getdata_rawchunk(elf, offset, count, type)
  }

  private func end(_ offset: UInt64, _ count: UInt64) -> UInt64 {
    let (sum, overflow) = offset.addingReportingOverflow(count)
    return overflow ? .max : sum
  }
}
