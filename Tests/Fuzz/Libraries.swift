import BinaryRelocation
import PayloadFormat
import Launcher
import Posix

/// A system's C library has a readable version, or the launch continues.
public func checkSystemGlibc(_ bytes: [UInt8]) {
  let place = Workshop.shared
  for name in ["root", "root/lib"]
  where (try? DirectoryHandle.current.status(of: place(name))) == nil {
    try! DirectoryHandle.current.createDirectory(place(name), mode: 0o700)
  }
  place.write(bytes, to: "root/lib/libc.so.6")
  var record = LaunchRecord(name: [0x61], entry: [0x61], target: [0x61])
  record.glibc = GlibcVersion(2, 36).map { GlibcRequirement(version: $0, file: [0x61]) }
  do throws(Failure) { try requireGlibc(for: record, below: place("root")) } catch {
    guard case .glibc = error.kind else { preconditionFailure("another error") }
    // The found version is the last word.
    let found = error.text.bytes.split(separator: UInt8(ascii: " ")).last.flatMap {
      GlibcVersion(parsing: Array($0).span)
    }
    if let found, let needed = record.glibc { precondition(found < needed.version) }
  }
}

/// A file is not an ELF file, is refused, or is read; then its texts and tables are usable.
public func checkElf(_ bytes: [UInt8]) {
  let place = Workshop.shared
  place.write(bytes, to: "library")
  guard let file = try? ElfFile.read(place("library")) else { return }
  precondition(bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]))
  _ = file.glibc
  _ = file.needsPrivateGlibc
  _ = file.searchPath
  _ = file.machine.processor
}
