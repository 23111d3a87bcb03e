import Posix

/// All bytes of a file.
func content(of path: Path) throws(SystemError) -> [UInt8] {
  let file = try FileDescriptor.open(path, .read)
  return try file.bytes(at: 0, count: Int(try file.status().size))
}

/// Copies a file's content and time to a new file; follows symlinks at `source`. Returns the new file's status.
func copyFile(_ source: Path, to target: Path, mode: UInt32) throws(SystemError) -> FileStatus {
  let input = try FileDescriptor.open(source, .read)
  let output = try FileDescriptor.open(target, .createNew, mode: 0o600)
  let buffer = try Buffer(count: 1 << 20)
  var offset: Int64 = 0
  while true {
    let count = try input.read(into: buffer.bytes, at: offset)
    if count == 0 { break }
    try output.write(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]))
    offset += Int64(count)
  }
  try output.setMode(mode)
  try output.setModificationTime(try input.status().modified)
  return try output.status()
}
