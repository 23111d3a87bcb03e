import BuildTools
import PayloadFormat
import Posix
import Signatures

/// Why bytes could not be had from a source.
enum SourceError: Error {
  /// Another attempt fails too.
  case failed(Failure)
  /// Another attempt may succeed.
  case passing(Failure)
  /// The file is another one than at the beginning.
  case changed
}

/// Receives bytes that stand at an offset of the file.
typealias Receive = (UnsafeRawBufferPointer, _ offset: UInt64) throws(Failure) -> Void

/// The last bytes of a file.
struct Tail {
  var bytes: [UInt8]
  /// Of the whole file.
  var size: UInt64
  var offset: UInt64 { size - UInt64(bytes.count) }

  /// The bytes that follow the trailer.
  func bytesAfter(_ trailer: Trailer) -> [UInt8] {
    [UInt8](bytes[(Int(trailer.trailerOffset - offset) + Trailer.byteCount)...])
  }
}

/// The new file: on this machine or on a server.
protocol Source: AnyObject {
  /// The path or the URL, for messages.
  var name: Path { get }
  /// Bytes that are cheaper than a further request.
  var longestGap: UInt64 { get }
  /// The bytes of the file that have arrived, with those that were of no use.
  var receivedBytes: UInt64 { get }
  /// The requests so far; 0 for a path.
  var requests: Int { get }

  /// Reads the last `count` bytes, or all of a shorter file, and begins anew: later reads must be of this file.
  ///
  /// Returns nil if the source can only give the whole file. Then all of it went to `whole`.
  func readTail(_ count: Int, whole: Receive) throws(SourceError) -> Tail?

  /// Reads ranges, which are in the order of the file. An answer may be shorter than its range.
  func read(_ ranges: [Range<UInt64>], _ receive: Receive) throws(SourceError)

  /// Reads the file with the signature, which has the name of this file with ".minisig"; nil if there is none.
  func readSignature() throws(SourceError) -> FoundSignature?
}

extension Source {
  /// The path or the URL in single quotes.
  var quoted: Text { name.quoted }
}

/// A file of this machine.
final class LocalSource: Source {
  let name: Path
  let longestGap: UInt64 = 0
  let requests = 0
  private(set) var receivedBytes: UInt64 = 0
  private let file: FileDescriptor
  private var status: FileStatus?

  init(_ path: Path) throws(Failure) {
    name = path
    let status = try DirectoryHandle.current.status(of: path, follow: true)
    guard status.kind == .file else { throw .sourceIsNoFile(path) }
    file = try FileDescriptor.open(path, .read)
  }

  func readTail(_ count: Int, whole: Receive) throws(SourceError) -> Tail? {
    do throws(Failure) {
      let status = try file.status()
      self.status = status
      let size = UInt64(status.size)
      let length = min(count, Int(status.size))
      let bytes = try file.bytes(at: Int64(size) - Int64(length), count: length)
      receivedBytes += UInt64(bytes.count)
      guard bytes.count == length else { throw .sourceIsShort(name) }
      return Tail(bytes: bytes, size: size)
    } catch { throw .failed(error) }
  }

  func read(_ ranges: [Range<UInt64>], _ receive: Receive) throws(SourceError) {
    do throws(Failure) {
      for range in ranges {
        for offset in chunkOffsets(of: range) {
          if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
          let count = min(chunkLength, Int(range.upperBound - offset))
          let bytes = try file.bytes(at: Int64(offset), count: count)
          receivedBytes += UInt64(bytes.count)
          guard bytes.count == count else { throw .sourceIsShort(name) }
          try bytes.span.withUnsafeBytes { (buffer) throws(Failure) -> Void in
            try receive(buffer, offset)
          }
        }
      }
    } catch {
      if try hasChanged() { throw .changed }
      throw .failed(error)
    }
    if try hasChanged() { throw .changed }
  }

  func readSignature() throws(SourceError) -> FoundSignature? {
    do throws(Failure) { return try detachedSignature(at: signaturePath(of: name)) } catch {
      throw .failed(error)
    }
  }

  private func hasChanged() throws(SourceError) -> Bool {
    do throws(Failure) {
      let now = try file.status()
      guard let status else { return false }
      return now.size != status.size || now.modified != status.modified
    } catch { throw .failed(error) }
  }
}

/// The offsets of chunks that cover a range, each of `chunkLength` but the last.
func chunkOffsets(of range: Range<UInt64>) -> StrideTo<UInt64> {
  stride(from: range.lowerBound, to: range.upperBound, by: chunkLength)
}

/// The length of the reads and writes in bytes: memory does not grow with the file.
let chunkLength = 256 << 10
