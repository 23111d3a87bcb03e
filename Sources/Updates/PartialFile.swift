import OutputFiles
import PayloadFormat
import PayloadReader
import Posix

/// The hidden file beside the output that becomes the new file: `.NAME.onefold-partial`.
///
/// It has the layout of the new file from the start, with the trailer and the manifest at their places, so that it
/// is a onefile of which some frames have a wrong hash. Nothing else tells what it holds: after a kill or a power
/// cut, every piece is hashed again. A lock (flock(2)) keeps two processes from writing it.
final class PartialFile {
  let path: Path
  private let place: OutputPlace
  private var opened: Opened
  /// The file was there before this call.
  private(set) var isOld: Bool

  static func path(for place: OutputPlace) -> Path {
    var name = hiddenPrefix(for: place.path.lastComponent)
    name += "onefold-partial".utf8
    return place.path.parent.appending(name)
  }

  /// Opens or creates the file, and locks it.
  init(for place: OutputPlace) throws(Failure) {
    self.place = place
    path = PartialFile.path(for: place)
    isOld = try DirectoryHandle.current.statusIfExists(of: path) != nil
    opened = try PartialFile.open(path, place)
  }

  private struct Opened: ~Copyable {
    /// For writing. It must be closed before the file can be executed.
    var file: FileDescriptor
    /// Only for the lock, which lasts until this process ends or closes it.
    var lock: FileDescriptor
  }

  private static func open(_ path: Path, _ place: OutputPlace) throws(Failure) -> Opened {
    while true {
      let file = try openOwn(path, place)
      let lock = try FileDescriptor.open(path, .readNoFollow)
      // Without locks, two processes may fetch the same; the hashes at the end tell.
      if (try? lock.lock(exclusive: true, wait: false)) == false { throw .busy(place.given) }
      // Another process may have published the file before the lock was free.
      guard try file.status().isSameFile(as: lock.status()),
        lock.isNamed(path, in: .current)
      else { continue }
      return Opened(file: file, lock: lock)
    }
  }

  private static func openOwn(_ path: Path, _ place: OutputPlace) throws(Failure)
    -> FileDescriptor
  {
    let file: FileDescriptor
    do throws(Failure) {
      file = try FileDescriptor.open(path, .createLock, mode: 0o600)
    } catch {
      switch error.errno {
      case .symlinkLoop, .isDirectory: throw .foreignPartialFile(path)
      case .accessDenied, .notPermitted, .readOnly: throw .cannotReplace(place.given, error)
      default: throw error
      }
    }
    let status = try file.status()
    guard status.kind == .file, status.user == ProcessContext.effectiveUser, status.links <= 1
    else { throw .foreignPartialFile(path) }
    return file
  }

  /// Opens what is there as a onefile; nil if it has no valid trailer.
  func openPayload() -> Payload? { try? Payload.open(path) }

  /// Begins a new file. The old content stays readable by descriptors that are open.
  func replace() throws(Failure) {
    try DirectoryHandle.current.removeFile(path)
    isOld = false
    opened = try PartialFile.open(path, place)
  }

  func remove() throws(Failure) { try DirectoryHandle.current.removeFile(path) }

  func resize(to size: UInt64) throws(Failure) { try opened.file.resize(to: Int64(size)) }

  /// Writes unverified bytes.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Failure) {
    do throws(Failure) { try opened.file.write(bytes, at: Int64(offset)) } catch {
      guard error.errno == .noSpace || error.errno == .quotaExceeded else { throw error }
      let available = (try? opened.file.volume())?.bytesAvailable ?? 0
      throw .noSpace(
        directory: path.parent, needed: UInt64(bytes.count), available: available)
    }
  }

  /// Throws if the file system lacks room for `needed` bytes. Some report no figures.
  func requireSpace(for needed: UInt64) throws(Failure) {
    guard let volume = try? opened.file.volume() else { return }
    if volume.bytesAvailable >= needed || volume.bytesAvailable == 0 && volume.nodesTotal == 0 {
      return
    }
    throw .noSpace(
      directory: path.parent, needed: needed, available: volume.bytesAvailable)
  }

  /// Gives the complete file its name. At every moment the output is the old file or the new one. The mode is that of
  /// the old file, or `0o777` reduced by the umask.
  ///
  /// - Parameter previous: where the old file stays under another name; nil to drop it.
  func publish(keepingPrevious previous: Path?) throws(Failure) {
    let old = try DirectoryHandle.current.statusIfExists(of: place.path)
    try opened.file.setMode(old.map { $0.mode & 0o777 } ?? PartialFile.modeOfNewFile())
    try opened.file.synchronize()
    // A file that is open for writing can't be executed.
    opened.file = FileDescriptor(owning: -1, path: path)
    try place.checkAgain()
    if let previous, old != nil { try keep(as: previous) }
    do throws(Failure) { try DirectoryHandle.current.rename(path, to: place.path) } catch {
      throw error.kind == .system ? .cannotReplace(place.given, error) : error
    }
    try synchronizeDirectory(of: place.path)
  }

  private static func modeOfNewFile() -> UInt32 {
    let mask = ProcessContext.setFileModeMask(0o077)
    _ = ProcessContext.setFileModeMask(mask)
    return 0o777 & ~mask
  }

  /// Makes `previous` another name of the old file.
  private func keep(as previous: Path) throws(Failure) {
    let directory = DirectoryHandle.current
    do throws(Failure) {
      do throws(Failure) {
        try directory.createHardLink(previous, to: place.path, in: directory)
      } catch {
        guard error.errno == .exists else { throw error }
        let existing = try directory.status(of: previous)
        if try existing.isSameFile(as: directory.status(of: place.path)) { return }
        guard existing.kind == .file else { throw error }
        try directory.removeFile(previous)
        try directory.createHardLink(previous, to: place.path, in: directory)
      }
    } catch { throw .cannotKeepPrevious(place.given, error) }
  }
}

/// Writes the names in the directory of `path` to the disk, if the file system can.
func synchronizeDirectory(of path: Path) throws(Failure) {
  let directory = try FileDescriptor.open(path.parent, .directoryFollow)
  do throws(Failure) { try directory.synchronize() } catch {
    guard error.errno == .invalidArgument || error.errno == .notSupported else { throw error }
  }
}
