import BuildTools
import CLZMA
import ContentHash
import CZstd
import OutputFiles
import PayloadFormat
import Posix
import Synchronization

/// A cache of compressed frames (docs/decisions/0008-frame-cache.md).
///
/// Each frame has a file `<2 digits>/<64 digits>`, named after its key. The key is the SHA-256 of the raw bytes,
/// the filter that was tried, the codec, its level and the compression library's version. An entry is complete
/// before it gets its name, and is verified when it is read; a damaged one is replaced. Several packers may use
/// one directory at the same time. No error here makes packing fail: if an entry cannot be read, the frame is
/// compressed; if it cannot be written, it is not kept.
final class FrameCache: Sendable {
  private let directory: FileDescriptor
  private let path: Path
  /// The bytes of all entries that `prune` keeps.
  private let capacity: UInt64
  private let state = Mutex(State())

  private struct State {
    var hasNewEntries = false
    /// The error that stopped adding entries.
    var failure: Failure? = nil
  }

  /// Opens the directory, and creates it if it is missing. Sets `problem` if it cannot be used.
  ///
  /// Only this user may be able to write to it: verifying an entry detects damage, not malice.
  static func open(_ path: Path, capacity: UInt64 = FrameCache.capacity, problem: inout Text?)
    -> FrameCache?
  {
    do throws(Failure) {
      try createDirectories(path, mode: 0o700)
      let directory = try FileDescriptor.open(path, .directory)
      guard try directory.status().isOnlyOurs else {
        problem =
          "the cache \(path.quoted) is not used, because others can write to it: "
          + "chown it to the packing user and chmod go-w it, or give another with --cache"
        return nil
      }
      return FrameCache(directory, path, capacity)
    } catch {
      problem = "the cache \(path.quoted) is not used: \(error.description)"
      return nil
    }
  }

  private init(_ directory: consuming FileDescriptor, _ path: Path, _ capacity: UInt64) {
    self.directory = directory
    self.path = path
    self.capacity = capacity
  }

  /// The default capacity: 4 GiB.
  static let capacity: UInt64 = 4 << 30

  /// The reason why entries could not be added; nil if there was no error.
  var problem: Text? {
    guard let failure = state.withLock({ $0.failure }) else { return nil }
    return "the cache \(path.quoted) is not added to: \(failure.description)"
  }

  // MARK: Entries

  /// Returns the stored bytes of a frame with `rawLength` raw bytes, and their codec and hash; nil if there is no
  /// intact entry. Counts as a use of the entry.
  func lookUp(_ key: Digest, rawLength: Int, _ codec: Codec) -> EncodedFrame? {
    guard let file = try? FileDescriptor.open(name(key), in: directory.handle, .readNoFollow),
      let status = try? file.status(), status.kind == .file,
      status.size <= FrameEntry.longest,
      let bytes = try? file.bytes(at: 0, count: Int(status.size)), bytes.count == status.size,
      let frame = FrameEntry.parse(bytes, key, rawLength: rawLength, codec)
    else { return nil }
    try? file.setModificationTimeToNow()
    return frame
  }

  /// Adds a frame. After the first failure, no more frames are added.
  func add(_ frame: EncodedFrame, _ key: Digest, rawLength: Int) {
    guard state.withLock({ $0.failure == nil }) else { return }
    let header = FrameEntry.header(of: frame, key, rawLength: rawLength)
    var failure: Failure? = nil
    do throws(Failure) {
      try makeSubdirectory(key)
      try write(header, frame.bytes, to: path.appending(name(key).bytes))
    } catch { failure = error }
    state.withLock {
      $0.hasNewEntries = true
      if let failure, $0.failure == nil { $0.failure = failure }
    }
  }

  private func write(_ header: [UInt8], _ bytes: [UInt8], to path: Path) throws(Failure) {
    let current = DirectoryHandle.current
    // The target of a symlink does not belong to the cache.
    if try current.statusIfExists(of: path)?.kind == .symlink { try current.removeFile(path) }
    let place: OutputPlace
    do throws(Failure) { place = try OutputPlace(path, followsLinks: false) } catch {
      if error.kind == .system { throw error }
      // An entry that is not a regular file stays, and its frame is compressed again every time.
      return
    }
    let output = try OutputFile(place, mode: 0o600)
    try output.write(header)
    try output.write(bytes)
    try output.publish()
  }

  private func name(_ key: Digest) -> Path {
    let digits = hexText(key.bytes).bytes
    return Path([UInt8](digits[..<2])).appending(digits)
  }

  private func makeSubdirectory(_ key: Digest) throws(Failure) {
    do throws(Failure) {
      try directory.handle.createDirectory(name(key).parent, mode: 0o700)
    } catch {
      if error.errno != .exists { throw error }
    }
  }

  // MARK: Pruning

  /// The longest time for pruning, in nanoseconds. The next packing continues.
  private static let longestPruning: Int64 = 2_000_000_000
  /// Seconds after which a killed packer's leftovers are removed.
  private static let leftoverAge: Int64 = 3600

  private struct Entry {
    var name: Path
    var modified: FileTime
    var size: UInt64
  }

  /// Removes the least recently used entries until the rest takes at most `capacity` bytes. Does nothing if no
  /// entry was added.
  func prune() {
    guard state.withLock({ $0.hasNewEntries }) else { return }
    let end = MonotonicClock.now + FrameCache.longestPruning
    var entries = listEntries(until: end)
    entries.sort { $0.modified.precedes($1.modified) }
    guard let newest = entries.last?.modified.seconds else { return }
    var total = entries.reduce(UInt64(0)) { $0 + $1.size }
    for entry in entries where MonotonicClock.now < end {
      let isLeftover = entry.name.lastComponent.first == UInt8(ascii: ".")
      let isOld = entry.modified.seconds < newest - FrameCache.leftoverAge
      guard total > capacity || isLeftover && isOld else { continue }
      try? directory.handle.removeFile(entry.name)
      total -= entry.size
    }
  }

  /// The files of all subdirectories. Starts at a random one, so that repeated prunings reach all of them.
  private func listEntries(until end: Int64) -> [Entry] {
    let first = ((try? randomBytes(1)) ?? [0])[0]
    var entries: [Entry] = []
    for number in 0...UInt8.max where MonotonicClock.now < end {
      let subdirectory = Path(hexText([first &+ number]).bytes)
      guard let names = try? directory.handle.names(in: subdirectory) else { continue }
      if names.contains(where: { $0.first == UInt8(ascii: ".") }) {
        Stage.reclaim(in: path.appending(subdirectory.bytes))
      }
      for name in names {
        let path = subdirectory.appending(name)
        guard let status = try? directory.handle.status(of: path), status.kind == .file else {
          continue
        }
        // Approximately the space on disk.
        let size = (UInt64(max(0, status.size)) + 4095) / 4096 * 4096
        entries.append(Entry(name: path, modified: status.modified, size: size))
      }
    }
    return entries
  }
}

extension FileTime {
  fileprivate func precedes(_ other: FileTime) -> Bool {
    seconds != other.seconds ? seconds < other.seconds : nanoseconds < other.nanoseconds
  }
}
