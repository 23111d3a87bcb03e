public import Posix

/// A file that gets its name only when it is complete.
///
/// If the file system allows it (open(2), O_TMPFILE), the file has no name while it is written, so that not even
/// SIGKILL leaves a part of it. Otherwise it is written in a stage beside its own name. (Replacing a file needs a
/// stage for a moment, because no system call links over a name; the file is complete then.) Only one thread at a
/// time may use it.
public final class OutputFile: @unchecked Sendable {
  private let place: OutputPlace
  private let file: FileDescriptor
  /// The stage that holds the file, if it has a temporary name.
  private var stage: Stage?
  /// The number of bytes written.
  public private(set) var length: UInt64 = 0

  /// Opens the file. The umask reduces `mode`.
  ///
  /// - Throws: "create" or "open", for the hidden file beside the place.
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

  /// Appends all of `bytes`.
  ///
  /// - Throws: "write".
  public func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    do throws(Failure) { try file.write(bytes) } catch {
      throw Failure("write", place.path, error.errno)
    }
    length += UInt64(bytes.count)
  }

  /// - Throws: "write".
  public func write(_ bytes: [UInt8]) throws(Failure) {
    try bytes.span.withUnsafeBytes { (buffer) throws(Failure) -> Void in try write(buffer) }
  }

  /// Sets the mode, which the umask does not reduce then.
  ///
  /// - Throws: "set the mode of".
  public func setMode(_ mode: UInt32) throws(Failure) {
    do throws(Failure) { try file.setMode(mode) } catch {
      throw Failure("set the mode of", place.path, error.errno)
    }
  }

  /// Gives the file its name, and replaces an existing file if `replaces` is true; otherwise throws `exists`.
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
