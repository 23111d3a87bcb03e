internal import ContentHash
public import PayloadFormat
public import Posix

/// An open onefile whose trailer and launch record are verified.
public final class Payload: Sendable {
  private let file: FileDescriptor
  public let trailer: Trailer
  public let record: LaunchRecord
  /// Bytes after the trailer, such as an appended signature: 0 to 65,536.
  public let appendedLength: UInt64

  /// The size of the file in bytes.
  public var length: UInt64 { trailer.trailerOffset + UInt64(Trailer.byteCount) + appendedLength }

  /// The file's name, for messages.
  public let path: Path
  /// The tree id: the hash of the stored manifest.
  public var treeID: Digest { trailer.manifestHash }

  /// The length of the first read: enough for the trailer and an ordinary launch record in one call.
  private static var tailLength: Int { 8 << 10 }

  private init(
    _ file: consuming FileDescriptor, named path: Path, _ trailer: Trailer, _ record: LaunchRecord,
    appendedLength: UInt64
  ) {
    self.file = file
    self.path = path
    self.trailer = trailer
    self.record = record
    self.appendedLength = appendedLength
  }

  /// Takes ownership of `file`, and reads and verifies its trailer and launch record. Messages call it `path`.
  ///
  /// - Throws: "read", `noPayload`, a format fault or damage of the trailer or the launch record.
  public static func read(_ file: consuming FileDescriptor, named path: Path) throws(Failure)
    -> Payload
  {
    let tail = try readTail(file, path)
    let trailerEnd = tail.trailer + Trailer.byteCount
    let trailer = try parseTrailer(
      [UInt8](tail.bytes[tail.trailer..<trailerEnd]), at: tail.offset + UInt64(tail.trailer), path)
    let recordBytes =
      trailer.recordOffset >= tail.offset
      ? [UInt8](tail.bytes[Int(trailer.recordOffset - tail.offset)..<tail.trailer])
      : try bytes(of: file, path, at: trailer.recordOffset, count: Int(trailer.recordLength))
    let record = try parseRecord(recordBytes, trailer, path)
    return Payload(
      file, named: path, trailer, record, appendedLength: UInt64(tail.bytes.count - trailerEnd))
  }

  /// Finds, parses and verifies the trailer in `tail`, the last bytes of a file of `size` bytes that need not be
  /// there otherwise, such as one on a server. Messages call it `path`.
  public static func trailer(inTail tail: [UInt8], size: UInt64, named path: Path) throws(Failure)
    -> Trailer
  {
    let offset = size - UInt64(tail.count)
    guard let index = Trailer.find(in: tail.span, tailOffset: offset) else {
      throw .noPayload(path)
    }
    let bytes = [UInt8](tail[index..<index + Trailer.byteCount])
    return try parseTrailer(bytes, at: offset + UInt64(index), path)
  }

  /// Opens the file at `path`, following symlinks.
  ///
  /// - Throws: "open", and the failures of `read(_:named:)`.
  public static func open(_ path: Path) throws(Failure) -> Payload {
    try read(
      try FileDescriptor.open(path, .read), named: path)
  }

  private static func parseTrailer(_ bytes: [UInt8], at position: UInt64, _ path: Path)
    throws(Failure) -> Trailer
  {
    let trailer: Trailer
    do throws(FormatError) { trailer = try Trailer(parsing: bytes.span, at: position) } catch {
      throw .format(error, path)
    }
    let hashed = SHA256Hasher.digest(of: bytes.span.extracting(0..<Trailer.hashedByteCount))
    guard hashed == Trailer.hash(in: bytes.span) else { throw .damaged(.trailer, path) }
    return trailer
  }

  private static func parseRecord(_ bytes: [UInt8], _ trailer: Trailer, _ path: Path)
    throws(Failure) -> LaunchRecord
  {
    guard SHA256Hasher.digest(of: bytes.span) == trailer.recordHash else {
      throw .damaged(.record, path)
    }
    do throws(FormatError) { return try LaunchRecord(parsing: bytes.span) } catch {
      throw .format(error, path)
    }
  }

  /// Reads, verifies and decodes the manifest. Checks that it matches the trailer.
  ///
  /// - Throws: "read", a format fault or damage of the manifest, or "allocate memory".
  public func readManifest() throws(Failure) -> Manifest {
    let stored = try storedManifest()
    let manifest = try Manifest(
      stored: stored.span, trailer.manifestCodec, rawLength: trailer.manifestRawLength,
      hash: trailer.manifestHash, named: path)
    guard manifest.framesLength == trailer.manifestOffset - trailer.payloadOffset else {
      throw .format(FormatError(.trailerManifest), path)
    }
    return manifest
  }

  /// Reads the manifest as it is stored, which is not verified.
  ///
  /// - Throws: "read", or a format fault if the file has become shorter.
  @inline(never)
  public func storedManifest() throws(Failure) -> [UInt8] {
    try Payload.bytes(
      of: file, path, at: trailer.manifestOffset, count: Int(trailer.manifestStoredLength))
  }

  /// Checks the hash of the bootloader and its padding.
  ///
  /// - Throws: "read", or damage of the bootloader.
  public func verifyPrefix() throws(Failure) {
    SHA256Hasher.prepareForBulk()
    var hasher = SHA256Hasher()
    var offset: UInt64 = 0
    let chunk = 256 << 10
    while offset < trailer.payloadOffset {
      let count = Int(min(UInt64(chunk), trailer.payloadOffset - offset))
      let bytes = try Payload.bytes(of: file, path, at: offset, count: count)
      hasher.update(bytes.span)
      offset += UInt64(count)
    }
    guard hasher.finish() == trailer.prefixHash else { throw .damaged(.bootloader, path) }
  }

  /// Fills all of `buffer` with stored bytes of the file, which are not verified.
  public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(Failure) {
    let count = try file.read(into: buffer, at: Int64(offset))
    guard count == buffer.count else { throw .format(FormatError(.trailerOffset), path) }
  }

  private static func bytes(
    of file: borrowing FileDescriptor, _ path: Path, at offset: UInt64, count: Int
  ) throws(Failure) -> [UInt8] {
    let bytes = try file.bytes(at: Int64(offset), count: count)
    guard bytes.count == count else { throw .format(FormatError(.trailerOffset), path) }
    return bytes
  }

  private struct Tail {
    var bytes: [UInt8]
    /// The offset of `bytes` in the file.
    var offset: UInt64
    /// Index of the trailer in `bytes`.
    var trailer: Int
  }

  private static func readTail(_ file: borrowing FileDescriptor, _ path: Path) throws(Failure)
    -> Tail
  {
    let status = try file.status()
    guard status.kind == .file else { throw .noPayload(path) }
    let size = UInt64(status.size)

    for length in [tailLength, Limits.signatureLength + Trailer.byteCount] {
      let count = Int(min(UInt64(length), size))
      let offset = size - UInt64(count)
      let bytes = try bytes(of: file, path, at: offset, count: count)
      if let trailer = Trailer.find(in: bytes.span, tailOffset: offset) {
        return Tail(bytes: bytes, offset: offset, trailer: trailer)
      }
    }
    throw .noPayload(path)
  }
}

extension Manifest {
  /// Verifies, decodes and parses a stored manifest. Messages call its file `path`.
  ///
  /// - Parameter rawLength: Its length after decompression: at most `Limits.manifestLength`, or it is damaged.
  /// - Throws: a format fault or damage of the manifest, or "allocate memory".
  @inline(never)
  public init(
    stored: Span<UInt8>, _ codec: Codec, rawLength: UInt64, hash: Digest, named path: Path
  ) throws(Failure) {
    guard SHA256Hasher.digest(of: stored) == hash else { throw .damaged(.manifest, path) }
    guard rawLength <= UInt64(Limits.manifestLength) else {
      throw .damaged(.undecodableManifest, path)
    }
    var raw = [UInt8](repeating: 0, count: Int(rawLength))
    let decoded = try raw.withUnsafeMutableBufferPointer { (buffer) throws(Failure) -> Bool in
      let target = UnsafeMutableRawBufferPointer(buffer)
      return try stored.withUnsafeBytes { (source) throws(Failure) -> Bool in
        try FrameDecoder.decompress(codec, source, into: target)
      }
    }
    guard decoded else { throw .damaged(.undecodableManifest, path) }
    do throws(FormatError) { try self.init(parsing: raw) } catch { throw .format(error, path) }
  }
}
