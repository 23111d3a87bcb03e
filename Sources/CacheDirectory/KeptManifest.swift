internal import PayloadFormat
internal import PayloadReader
internal import Posix

/// The file `manifest` beside a seal: the tree's manifest as it is stored in the onefile, for launches and
/// clean-ups that have only the tree (docs/launch.md, "The kept manifest"). The tree id vouches for it.
enum KeptManifest {
  static var fileName: Path { Path("manifest") }
  private static var headerLength: Int { 16 }
  private static var magic: UInt32 { 0x4D4B_464F }

  /// Writes the manifest of `payload` in `directory`, which has none yet.
  @inline(never)
  static func write(of payload: Payload, in directory: DirectoryHandle) throws(Failure) {
    let trailer = payload.trailer
    var bytes: [UInt8] = []
    bytes.append(littleEndian: magic)
    bytes.append(littleEndian: UInt32(trailer.manifestCodec.rawValue))
    bytes.append(littleEndian: trailer.manifestRawLength)
    bytes.append(contentsOf: try payload.storedManifest())
    let file = try FileDescriptor.open(fileName, in: directory, .createNew, mode: 0o644)
    try file.setMode(0o644)
    try file.write(bytes)
    try file.close()
  }

  /// Whether there is one. It may be damaged.
  static func exists(in directory: DirectoryHandle) -> Bool {
    (try? directory.status(of: fileName))?.kind == .file
  }

  /// Reads the manifest of the tree with this id; nil if there is none or it is damaged.
  @inline(never)
  static func read(in directory: DirectoryHandle, treeID: Digest) -> Manifest? {
    guard let file = try? FileDescriptor.open(fileName, in: directory, .readNoFollow),
      let size = try? file.status().size, size > Int64(headerLength),
      size - Int64(headerLength) <= Int64(Limits.manifestLength),
      let bytes = try? file.bytes(at: 0, count: Int(size)), bytes.count == Int(size)
    else { return nil }
    let span = bytes.span
    guard span.u32(0) == magic, let number = UInt8(exactly: span.u32(4)),
      let codec = Codec(rawValue: number)
    else { return nil }
    return try? Manifest(
      stored: span.extracting(headerLength..<bytes.count), codec, rawLength: span.u64(8),
      hash: treeID, named: file.path)
  }
}
