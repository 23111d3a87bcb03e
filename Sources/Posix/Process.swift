internal import CPosix

/// Facts about, and actions on, the running process.
public enum ProcessContext {
  /// The value of an environment variable, as bytes; nil if it is not set.
  public static func environment(_ name: StaticString) -> Path? {
    Path(name).withCString { cposix_environment($0) }.map { Path(cString: $0) }
  }

  /// The value of an environment variable; nil if it is empty or not set.
  public static func variable(_ name: StaticString) -> Path? {
    guard let value = environment(name), !value.isEmpty else { return nil }
    return value
  }

  /// Every "NAME=value" entry of the environment, in order.
  public static func environmentEntries() -> [Path] {
    var result: [Path] = []
    guard var next = cposix_environment_block() else { return result }
    while let entry = next.pointee {
      result.append(Path(cString: entry))
      next += 1
    }
    return result
  }

  /// Opens `name` for reading, as the first file that the process opens.
  ///
  /// If a standard descriptor is closed, it is opened on an object that can be neither read nor written, until
  /// `execve`. Otherwise a file opened later would get its number, and messages would be written to that file.
  /// This happens even if `name` cannot be opened.
  ///
  /// Returns the descriptor, which the caller owns, or the negated error number. The corresponding C function is
  /// `open`.
  public static func openFirst(_ name: Path) -> Int32 {
    do throws(Errno) {
      return Int32(truncatingIfNeeded: try retrying { name.withCString { cposix_open_first($0) } })
    } catch { return -error.rawValue }
  }

  /// Opens closed standard descriptors on an object that can be neither read nor written. Otherwise a file opened
  /// later would get such a number, and messages would be written to it. Call this before any file is opened.
  public static func reserveStandardDescriptors() { cposix_reserve_standard() }

  /// Whether the descriptor is open for writing.
  public static func isWritable(_ descriptor: Int32) -> Bool { cposix_is_writable(descriptor) != 0 }

  /// Marks the descriptor close-on-exec. Ignores one that is not open.
  public static func closeAtExecution(_ descriptor: Int32) {
    _ = cposix_set_close_on_exec(descriptor, 1)
  }

  /// Keeps descriptors open from now on when their owner ends. `execve` closes them all without a call for each.
  public static func leaveFilesOpen() { cposix_leave_open() }

  /// Whether it runs set-uid, set-gid or with file capabilities: `AT_SECURE` of getauxval(3).
  public static var isSecure: Bool { cposix_is_secure() != 0 }

  /// The file name that was passed to `execve`: `AT_EXECFN`.
  public static var executableName: Path {
    cposix_executable_name().map { Path(cString: $0) } ?? Path()
  }

  /// The effective user at the start of the process: `AT_EUID` of getauxval(3).
  public static var effectiveUser: UInt32 { cposix_effective_user() }

  /// The user that owns this process's own files: `effectiveUser`. In a user namespace, that may be the id that
  /// stands for all unmapped users. Then no file is known to be the process's own, and this is an id that no file
  /// has.
  public static var owner: UInt32 { cposix_owner() }

  /// The id shown for owners of files that have no id in this process's user namespace.
  public static var overflowUser: UInt32 { CPOSIX_OVERFLOW_USER }

  /// Whether a user has an id in this process's user namespace; true if that cannot be determined.
  public static func isMapped(user: UInt32) -> Bool { cposix_is_mapped(user) != 0 }

  /// The longest path in bytes that a system call takes, with its NUL: `PATH_MAX`.
  public static var longestPath: Int { Int(CPOSIX_PATH_MAX) }

  /// The corresponding C function is `getpid`.
  public static var number: Int32 { getpid() }

  /// The parent's process id; 0 if it is in another pid namespace. The corresponding C function is `getppid`.
  public static var parent: Int32 { getppid() }

  /// Asks the kernel to send `signal` when the thread that started this process ends. `execve` keeps the setting;
  /// children do not inherit it. The corresponding C function is `prctl` with `PR_SET_PDEATHSIG`.
  ///
  /// - Throws: "ask for a signal at the parent's death".
  public static func signalAtParentDeath(_ signal: Int32) throws(Failure) {
    do throws(Errno) { _ = try retrying { cposix_signal_at_parent_death(signal) } } catch {
      throw Failure("ask for a signal at the parent's death", Path(), error)
    }
  }

  /// The CPUs that this process may run on, at least 1.
  public static var processorCount: Int { Int(cposix_processor_count()) }

  /// Sets the file mode mask, and returns the earlier one. The corresponding C function is `umask`.
  @discardableResult
  public static func setFileModeMask(_ mask: UInt32) -> UInt32 { cposix_set_umask(mask) }

  /// The corresponding C function is `isatty`.
  public static func isTerminal(_ descriptor: Int32) -> Bool { cposix_is_terminal(descriptor) != 0 }

  /// Raises the soft limit of open descriptors, to at most `most`. Returns the limit in force, and the one to
  /// restore (0 if unknown).
  public static func raiseDescriptorLimit(most: Int) -> (current: Int, previous: UInt64) {
    var previous: UInt64 = 0
    let current = cposix_raise_descriptor_limit(UInt64(most), &previous)
    return (Int(clamping: current), previous)
  }

  /// Grows the descriptor table so that threads open descriptors up to `most` quickly. Call this before starting
  /// threads.
  public static func growDescriptorTable(to most: Int) {
    cposix_grow_descriptor_table(Int32(clamping: most))
  }

  /// Sets the soft limit that `raiseDescriptorLimit` returned as the earlier one; 0 changes nothing.
  public static func restoreDescriptorLimit(_ previous: UInt64) {
    cposix_set_descriptor_limit(previous)
  }

  /// Replaces the program; returns only on failure. The corresponding C function is `execve`.
  public static func execute(_ path: Path, arguments: [Path], environment: [Path]) -> Failure {
    let result = path.withCString { path in
      withPointers(arguments) { arguments in
        withPointers(environment) { cposix_execve(path, arguments, $0) }
      }
    }
    return Failure("execute", path, Errno(rawValue: Int32(truncatingIfNeeded: -result)))
  }

  /// Ends the process at once without exit handlers. The corresponding C function is `_exit`.
  public static func exit(_ status: Int32) -> Never { _exit(status) }

  /// Returns the absolute path of the working directory. The corresponding C function is `getcwd`.
  ///
  /// - Throws: "find the working directory".
  public static func workingDirectory() throws(Failure) -> Path {
    guard let pointer = getcwd(nil, 0) else {
      throw Failure("find the working directory", Path(), .noSuchFile)
    }
    defer { free(pointer) }
    return Path(cString: pointer)
  }

  /// Makes `path` absolute by the working directory, if that is known.
  public static func absolutePath(_ path: Path) -> Path {
    guard !path.isAbsolute, let current = try? workingDirectory() else { return path }
    return current.appending(path.bytes)
  }

}

/// Calls `body` with a NULL-terminated array of C strings, valid until it returns.
public func withPointers<Result>(
  _ strings: [Path], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(strings.reduce(0) { $0 + $1.count + 1 })
  for string in strings {
    bytes.append(contentsOf: string.bytes)
    bytes.append(0)
  }
  return bytes.withUnsafeMutableBytes { buffer in
    var pointers: [UnsafeMutablePointer<CChar>?] = []
    pointers.reserveCapacity(strings.count + 1)
    var offset = 0
    for string in strings {
      pointers.append((buffer.baseAddress! + offset).assumingMemoryBound(to: CChar.self))
      offset += string.count + 1
    }
    pointers.append(nil)
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}

/// Signals that would end the process while it must clean up.
public enum TerminationSignals {
  public static var terminate: Int32 { SIGTERM }
  public static var kill: Int32 { SIGKILL }

  /// Notes SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on, without acting on them (ignored ones stay ignored).
  /// Writing to a closed pipe or past a file size limit now returns an error instead of raising a signal.
  public static func hold() { cposix_hold_signals(1) }

  /// Undoes `hold`, which must have been called once.
  public static func release() { cposix_hold_signals(0) }

  /// The signal that arrived, or nil.
  public static var pending: Int32? {
    let number = cposix_pending_signal()
    return number == 0 ? nil : number
  }

  /// Ends the process by signal `number`, as if it had never been held.
  public static func endProcess(by number: Int32) -> Never {
    cposix_end_by_signal(number)
    _exit(128 + number)
  }
}

/// A clock for progress and summaries that never goes backwards.
public enum MonotonicClock {
  /// Nanoseconds since an arbitrary point.
  public static var now: Int64 { cposix_monotonic_nanoseconds() }

  /// The corresponding C function is `nanosleep`.
  public static func sleep(milliseconds: UInt32) { cposix_sleep_milliseconds(milliseconds) }
}

/// The clock of file times. It may be set.
public enum WallClock {
  /// Seconds that have passed since `time`; negative if it is in the future. If the difference overflows, the
  /// greatest or the least value.
  @inline(never)
  public static func seconds(since time: FileTime) -> Int64 {
    let (result, isTooFar) = cposix_realtime_seconds().subtractingReportingOverflow(time.seconds)
    guard isTooFar else { return result }
    return time.seconds < 0 ? .max : .min
  }
}

/// Returns bytes from the kernel's random generator (getrandom(2)).
///
/// - Throws: "read random bytes".
public func randomBytes(_ count: Int) throws(Failure) -> [UInt8] {
  var result = [UInt8](repeating: 0, count: count)
  try result.withUnsafeMutableBufferPointer { (bytes) throws(Failure) -> Void in
    try fillWithRandomBytes(UnsafeMutableRawBufferPointer(bytes))
  }
  return result
}

/// Fills at most 256 bytes from the kernel's random generator (getrandom(2)).
///
/// - Throws: "read random bytes".
public func fillWithRandomBytes(_ buffer: UnsafeMutableRawBufferPointer) throws(Failure) {
  guard let start = buffer.baseAddress else { return }
  do throws(Errno) { _ = try retrying { cposix_random(start, buffer.count) } } catch {
    throw Failure("read random bytes", Path(), error)
  }
}

/// Writes text to a descriptor and returns the error, if any. Callers that write messages to stderr may ignore
/// it, because they have no other way to report it.
@discardableResult
public func writeText(_ text: Text, to descriptor: Int32) -> Errno? {
  writeBytes(text.bytes, to: descriptor)
}

/// Writes bytes like `writeText`.
@discardableResult
public func writeBytes(_ bytes: [UInt8], to descriptor: Int32) -> Errno? {
  var rest = bytes[...]
  while !rest.isEmpty {
    do throws(Errno) {
      let written = try retrying {
        rest.withUnsafeBytes { cposix_write(descriptor, $0.baseAddress!, $0.count) }
      }
      rest = rest.dropFirst(written)
    } catch { return error }
  }
  return nil
}

/// Writes as much as the descriptor takes within that time, and raises no signal if there is no reader. Returns
/// the number of bytes written.
///
/// - Throws: the error of `poll`, `send` or `write`; not a timeout.
@inline(never)
public func writeWithin(_ milliseconds: Int64, _ bytes: [UInt8], to descriptor: Int32)
  throws(Errno) -> Int
{
  let end = MonotonicClock.now + milliseconds * 1_000_000
  var done = 0
  while done < bytes.count {
    let left = max(0, (end - MonotonicClock.now) / 1_000_000)
    do throws(Errno) {
      done += try retrying {
        bytes[done...].withUnsafeBytes {
          cposix_write_when_ready(descriptor, $0.baseAddress!, $0.count, Int32(left))
        }
      }
    } catch {
      guard error == .wouldBlock else { throw error }
      if left == 0 { break }
      // A non-blocking descriptor may be ready and still have too little room for a write.
      MonotonicClock.sleep(milliseconds: 1)
    }
  }
  return done
}
