internal import CPosix
internal import CProcesses
public import Posix

/// Where a person or a program gives a secret. Nothing of it stays in memory but in the given buffer.
public enum SecretInput {
  /// The process has no terminal (ENXIO).
  public static var noTerminal: Errno { Errno(rawValue: ENXIO) }
  /// A secret is longer than its buffer (E2BIG).
  public static var tooLong: Errno { Errno(rawValue: E2BIG) }

  /// Shows `prompt` on the process's terminal, and reads a line that is not shown. Returns its length in bytes.
  ///
  /// The terminal is restored before a signal ends or stops the process.
  ///
  /// - Throws: "ask on the terminal" with `noTerminal` if there is none or `tooLong` if the line is longer than the
  ///   buffer, or `interrupted`.
  public static func ask(_ prompt: Text, into buffer: UnsafeMutableRawBufferPointer)
    throws(Failure) -> Int
  {
    let result = Path(prompt.bytes).withCString {
      cprocess_ask_secret($0, buffer.baseAddress!, buffer.count)
    }
    if result == Int(-EINTR), let signal = TerminationSignals.pending {
      throw .interrupted(signal: signal)
    }
    return try count(result, "ask on the terminal", Path())
  }

  /// Reads a line of an open descriptor, without its end. Returns its length in bytes.
  ///
  /// - Throws: "read", with `tooLong` if the line is longer than the buffer.
  public static func readLine(of descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer)
    throws(Failure) -> Int
  {
    try count(
      cprocess_read_line(descriptor, buffer.baseAddress!, buffer.count), "read",
      Path("descriptor \(descriptor)"))
  }

  /// Takes a variable out of the environment. Returns the length of its value in bytes; nil if it is empty or not set.
  ///
  /// - Throws: "read the variable", with `tooLong` if the value is longer than the buffer.
  public static func takeVariable(
    _ name: StaticString, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Failure) -> Int? {
    let result = Path(name).withCString {
      cprocess_take_variable($0, buffer.baseAddress!, buffer.count)
    }
    if result == Int(-ENOENT) { return nil }
    return try count(result, "read the variable", Path(name))
  }

  /// Reads from the current position of a file, which may be a pipe, until it ends or the buffer is full. Returns the
  /// number of bytes read.
  ///
  /// - Throws: "read".
  public static func readAll(
    _ file: borrowing FileDescriptor, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Failure) -> Int {
    var done = 0
    while done < buffer.count {
      let taken: Int
      do throws(Errno) {
        taken = try retrying {
          cposix_read(file.rawValue, buffer.baseAddress! + done, buffer.count - done)
        }
      } catch { throw Failure("read", file.path, error) }
      if taken == 0 { break }
      done += taken
    }
    return done
  }

  private static func count(_ result: Int, _ operation: StaticString, _ path: Path)
    throws(Failure) -> Int
  {
    guard result < 0 else { return result }
    throw Failure(operation, path, Errno(result: result))
  }
}
