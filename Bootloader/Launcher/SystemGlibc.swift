public import PayloadFormat
import PayloadReader
public import Posix

/// Throws if the system's C library is known to be older than the tree of `record` needs, or not to be glibc. If
/// that cannot be determined, the launch continues, and the program's own loader reports the error.
///
/// - Parameter root: The root directory; tests pass another one.
public func requireGlibc(for record: LaunchRecord, below root: Path = Path("/"))
  throws(Failure)
{
  guard let needed = record.glibc else { return }
  var newest: GlibcVersion? = nil
  for place in libraryDirectories {
    switch readGlibc(root.appending(place).appending("libc.so.6"), needed.version) {
    case .version(let version):
      if version >= needed.version { return }
      newest = max(newest ?? version, version)
    case .unreadable: return
    case .none: continue
    }
  }
  if newest == nil {
    // There is a loader, but no library in these directories: the system has another layout, or another C library
    // stands in for glibc.
    let loader = root.appending(loaderPath)
    do throws(Failure) {
      if try DirectoryHandle.current.statusIfExists(of: loader, follow: true) != nil { return }
    } catch { return }
  }
  throw .glibc(needed, found: newest)
}

// The directories where distributions have the library, relative to the root; several may name the same
// directory. The newest library counts, because the loader decides which one a program gets.
#if arch(arm64)
  private let machine: UInt64 = 183
  private var loaderPath: StaticString { "lib/ld-linux-aarch64.so.1" }
  private var libraryDirectories: [StaticString] {
    ["lib/aarch64-linux-gnu", "lib64", "usr/lib/aarch64-linux-gnu", "usr/lib64", "lib", "usr/lib"]
  }
#else
  private let machine: UInt64 = 62
  private var loaderPath: StaticString { "lib64/ld-linux-x86-64.so.2" }
  private var libraryDirectories: [StaticString] {
    ["lib/x86_64-linux-gnu", "lib64", "usr/lib/x86_64-linux-gnu", "usr/lib64", "lib", "usr/lib"]
  }
#endif

private enum FoundLibrary {
  case version(GlibcVersion)
  /// The file exists, but its version cannot be read.
  case unreadable
  /// There is no file, or it is for another CPU.
  case none
}

/// Reads the version of a library. Looks for the release only if the version names are below `needed`.
private func readGlibc(_ path: Path, _ needed: GlibcVersion) -> FoundLibrary {
  let status: FileStatus?
  do throws(Failure) {
    status = try DirectoryHandle.current.statusIfExists(of: path, follow: true)
  } catch { return error.errno == .notDirectory ? .none : .unreadable }
  guard let status else { return .none }
  guard status.kind == .file, let file = try? FileDescriptor.open(path, .read),
    let header = try? file.bytes(at: 0, count: 64), header.count == 64
  else { return .unreadable }
  let isELF = header.starts(with: [0x7F, 0x45, 0x4C, 0x46])
  // 32-bit libraries have the same name in some of these directories.
  if isELF && (header[4] != 2 || header[5] != 1 || header.span.u16(18) != machine) { return .none }
  guard isELF, let strings = dynamicStrings(file, header), let version = newestGlibc(in: strings)
  else { return .unreadable }
  if version < needed, let release = release(of: file) { return .version(max(version, release)) }
  return .version(version)
}

/// The release in the library's own text: " release version 2.31.". A release may add versions only to other
/// libraries of glibc: 2.31 added them to libm and libpthread.
private func release(of file: borrowing FileDescriptor) -> GlibcVersion? {
  let mark: [UInt8] = [
    0x20, 0x72, 0x65, 0x6C, 0x65, 0x61, 0x73, 0x65, 0x20, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6F, 0x6E,
    0x20,
  ]
  // Blocks overlap by the length of the text and of the longest version.
  let step = 64 << 10
  let count = step + mark.count + 8
  for block in 0..<128 {
    guard let bytes = try? file.bytes(at: Int64(block * step), count: count) else { return nil }
    var start = 0
    while start + mark.count < bytes.count {
      if bytes[start] == mark[0] && bytes[start...].starts(with: mark) {
        let first = start + mark.count
        return version(in: bytes, first..<min(first + 8, bytes.count))
      }
      start += 1
    }
    if bytes.count < count { return nil }
  }
  return nil
}

/// Higher offsets are rejected, so that the sum of two cannot overflow.
private let highestOffset: UInt64 = 1 << 40

/// The string table of a 64-bit little-endian shared library (System V gABI, chapter 5). It holds the names of
/// the versions that the library defines. Nil if the headers make no sense. Reads less than 2 MiB.
private func dynamicStrings(_ file: borrowing FileDescriptor, _ header: [UInt8]) -> [UInt8]? {
  let programHeader = 56
  let count = Int(header.span.u16(56))
  guard header.span.u16(54) == UInt16(programHeader), (1...128).contains(count),
    let table = read(file, at: header.span.u64(32), count: UInt64(count * programHeader))
  else { return nil }

  let rows = stride(from: 0, to: table.count, by: programHeader)
  var dynamic: [UInt8] = []
  for row in rows where table.span.u32(row) == 2 {
    let size = table.span.u64(row + 32)
    guard size <= 64 << 10, let bytes = read(file, at: table.span.u64(row + 8), count: size)
    else { return nil }
    dynamic = bytes
  }
  var address: UInt64? = nil
  var length: UInt64 = 0
  var entry = 0
  while dynamic.count - entry >= 16 && dynamic.span.u64(entry) != 0 {
    if dynamic.span.u64(entry) == 5 { address = dynamic.span.u64(entry + 8) }
    if dynamic.span.u64(entry) == 10 { length = dynamic.span.u64(entry + 8) }
    entry += 16
  }
  guard let address, length <= 1 << 20 else { return nil }

  for row in rows where table.span.u32(row) == 1 {
    let start = table.span.u64(row + 16)
    guard address >= start && address - start < table.span.u64(row + 32),
      address - start < highestOffset, table.span.u64(row + 8) < highestOffset
    else { continue }
    return read(file, at: table.span.u64(row + 8) + (address - start), count: length)
  }
  return nil
}

private func read(_ file: borrowing FileDescriptor, at offset: UInt64, count: UInt64) -> [UInt8]? {
  guard offset < 2 * highestOffset,
    let bytes = try? file.bytes(at: Int64(offset), count: Int(count)), bytes.count == Int(count)
  else { return nil }
  return bytes
}

/// The highest N.M of the names "GLIBC_N.M" and "GLIBC_N.M.O".
private func newestGlibc(in strings: [UInt8]) -> GlibcVersion? {
  let prefix: [UInt8] = [0x47, 0x4C, 0x49, 0x42, 0x43, 0x5F]
  var newest: GlibcVersion? = nil
  var start = 0
  while start < strings.count {
    var end = start
    while end < strings.count && strings[end] != 0 { end += 1 }
    if strings[start..<end].starts(with: prefix) {
      if let version = version(in: strings, start + prefix.count..<end) {
        newest = max(newest ?? version, version)
      }
    }
    start = end + 1
  }
  return newest
}

/// The version in `part` of the text, up to a second dot.
private func version(in text: [UInt8], _ part: Range<Int>) -> GlibcVersion? {
  var last = part.lowerBound
  var dots = 0
  while last < part.upperBound {
    if text[last] == UInt8(ascii: ".") { dots += 1 }
    if dots == 2 { break }
    last += 1
  }
  return GlibcVersion(parsing: text.span.extracting(part.lowerBound..<last))
}
