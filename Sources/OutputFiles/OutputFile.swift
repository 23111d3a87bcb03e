public import Posix

/// A file that appears under its name only when it is complete.
///
/// It has no name while it is written where the file system allows that (open(2), O_TMPFILE), so that not
/// even SIGKILL leaves a part of it behind; elsewhere it is in a stage beside its own name. (Replacing a file takes a
/// stage for a moment, because no system call links over a name; the file is complete then.) One thread at a time
/// uses it.
public final class OutputFile: @unchecked Sendable {
  private let place: OutputPlace
  private let file: FileDescriptor
  /// Where it has a name that is not its own yet.
  private var stage: Stage?
  /// Bytes that were written.
  public private(set) var length: UInt64 = 0

  /// `mode` is less the umask.
  public init(_ place: OutputPlace, mode: UInt32 = 0o777) throws(Failure) {
    self.place = place
    let opened: FileDescriptor
    var stage: Stage? = nil
    do throws(Failure) {
      opened = try FileDescriptor.openUnnamed(in: place.path.parent, mode: mode)
    } catch {
      switch error.errno {
      case .notSupported, .isDirectory, .invalidArgument:
        let made = try Stage(beside: place.path)
        opened = try FileDescriptor.open(
          OutputFile.name(in: made), .createNew, mode: mode)
        stage = made
      default: throw Failure("create", place.path, error.errno)
      }
    }
    file = opened
    self.stage = stage
  }

  private static func name(in stage: Stage) -> Path { stage.path.appending("complete") }

  /// Appends.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    do throws(Failure) { try file.write(bytes) } catch {
      throw Failure("write", place.path, error.errno)
    }
    length += UInt64(bytes.count)
  }

  public func write(_ bytes: [UInt8]) throws(Failure) {
    try bytes.span.withUnsafeBytes { (buffer) throws(Failure) -> Void in try write(buffer) }
  }

  /// Puts the file under its name, over one that is there if `replaces` is true; otherwise fails with `exists`.
  public func publish(replaces: Bool = true) throws(Failure) {
    if stage == nil {
      do throws(Failure) {
        try file.link(as: place.path)
        return
      } catch {
        guard error.errno == .exists, replaces else { throw error }
      }
      let made = try Stage(beside: place.path)
      try file.link(as: OutputFile.name(in: made))
      stage = made
    }
    guard let stage else { return }
    let name = OutputFile.name(in: stage)
    try place.checkAgain(replaces: replaces)
    try DirectoryHandle.current.rename(name, to: place.path)
    self.stage = nil
  }
}
