internal import CPosix

/// Facts about, and actions on, the running process.
public enum ProcessContext {
  /// The value of an environment variable, as bytes; nil where it is not set.
  public static func environment(_ name: StaticString) -> Path? {
    Path(name).withCString { cposix_environment($0) }.map { Path(cString: $0) }
  }

  /// The value of an environment variable that is set and not empty.
  public static func variable(_ name: StaticString) -> Path? {
    guard let value = environment(name), !value.isEmpty else { return nil }
    return value
  }

  /// Every "NAME=value" of the environment, in its order.
  public static func environmentEntries() -> [Path] {
    var result: [Path] = []
    guard var next = cposix_environment_block() else { return result }
    while let entry = next.pointee {
      result.append(Path(cString: entry))
      next += 1
    }
    return result
  }

  /// Opens `name` for reading, as the first file that the process opens. Gives the standard descriptors that are closed
  /// to something that can be neither read nor written, until a program is executed: or else a file that is opened
  /// gets such a number, and messages go into it. Does so as well where it fails.
  ///
  /// Returns the descriptor, which is the caller's, or the negated error number. The corresponding C function is `open`.
  public static func openFirst(_ name: Path) -> Int32 {
    do throws(Errno) {
      return Int32(truncatingIfNeeded: try retrying { name.withCString { cposix_open_first($0) } })
    } catch { return -error.rawValue }
  }

  /// Gives the standard descriptors that are closed to something that can be neither read nor written. Otherwise a file
  /// that is opened later gets such a number, and messages go into it. To be called before any file is opened.
  public static func reserveStandardDescriptors() { cposix_reserve_standard() }

  /// Whether the descriptor is open for writing.
  public static func isWritable(_ descriptor: Int32) -> Bool { cposix_is_writable(descriptor) != 0 }

  /// Has the descriptor closed when a program is executed. Ignores one that is not open.
  public static func closeAtExecution(_ descriptor: Int32) {
    _ = cposix_set_close_on_exec(descriptor, 1)
  }

  /// From now on descriptors stay open when their owner ends: who executes a program next leaves closing them to
  /// `execve`, which needs no call for each.
  public static func leaveFilesOpen() { cposix_leave_open() }

  /// Set-uid, set-gid or with file capabilities: `AT_SECURE` of getauxval(3).
  public static var isSecure: Bool { cposix_is_secure() != 0 }

  /// The name that `execve` was called with: `AT_EXECFN`.
  public static var executableName: Path {
    cposix_executable_name().map { Path(cString: $0) } ?? Path()
  }

  /// At the start of the process: `AT_EUID` of getauxval(3).
  public static var effectiveUser: UInt32 { cposix_effective_user() }

  /// The user that files of this process's own belong to: `effectiveUser`. In a user namespace where that is what files
  /// of all users show as who have no number there, nothing is known to be its own, and this is a number that no file has.
  public static var owner: UInt32 { cposix_owner() }

  /// What the owners of files show as who have no number in this process's user namespace.
  public static var overflowUser: UInt32 { CPOSIX_OVERFLOW_USER }

  /// Whether a user has a number in this process's user namespace; true where the system does not tell.
  public static func isMapped(user: UInt32) -> Bool { cposix_is_mapped(user) != 0 }

  /// Bytes of the longest path that a system call takes, with its NUL: `PATH_MAX`.
  public static var longestPath: Int { Int(CPOSIX_PATH_MAX) }

  /// The corresponding C function is `getpid`.
  public static var number: Int32 { getpid() }

  /// The parent's number; 0 where it is in another pid namespace. The corresponding C function is `getppid`.
  public static var parent: Int32 { getppid() }

  /// Lets the kernel send `signal` when the thread that started this process ends. Kept across `execve`,
  /// not inherited by children. The corresponding C function is `prctl` with `PR_SET_PDEATHSIG`.
  public static func signalAtParentDeath(_ signal: Int32) throws(Failure) {
    do throws(Errno) { _ = try retrying { cposix_signal_at_parent_death(signal) } } catch {
      throw Failure("ask for a signal at the parent's death", Path(), error)
    }
  }

  /// Processors that this process may run on, at least 1.
  public static var processorCount: Int { Int(cposix_processor_count()) }

  /// The corresponding C function is `umask`; returns the mask before.
  @discardableResult
  public static func setFileModeMask(_ mask: UInt32) -> UInt32 { cposix_set_umask(mask) }

  public static func isTerminal(_ descriptor: Int32) -> Bool { cposix_is_terminal(descriptor) != 0 }

  /// Raises the soft limit of open descriptors, to at most `most`. Returns the limit in force, and the
  /// one to restore (0 where it is unknown).
  public static func raiseDescriptorLimit(most: Int) -> (current: Int, previous: UInt64) {
    var previous: UInt64 = 0
    let current = cposix_raise_descriptor_limit(UInt64(most), &previous)
    return (Int(clamping: current), previous)
  }

  /// Has descriptors up to `most` opened quickly by several threads; to be called before they are started.
  public static func growDescriptorTable(to most: Int) {
    cposix_grow_descriptor_table(Int32(clamping: most))
  }

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

  /// Ends at once, without running exit handlers. The corresponding C function is `_exit`.
  public static func exit(_ status: Int32) -> Never { _exit(status) }

  /// The working directory, absolute. The corresponding C function is `getcwd`.
  public static func workingDirectory() throws(Failure) -> Path {
    guard let pointer = getcwd(nil, 0) else {
      throw Failure("find the working directory", Path(), .noSuchFile)
    }
    defer { free(pointer) }
    return Path(cString: pointer)
  }

  /// `path` below the working directory, where it is not absolute and the working directory is known.
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

/// Signals that would end the process while something must be cleaned up.
public enum TerminationSignals {
  public static var terminate: Int32 { SIGTERM }
  public static var kill: Int32 { SIGKILL }

  /// From now on SIGHUP, SIGINT, SIGQUIT and SIGTERM are noted instead of obeyed (ignored ones stay
  /// ignored), and writing to a closed pipe or past a file size limit is an error and not a signal.
  public static func hold() { cposix_hold_signals(1) }

  /// Undoes `hold`, which must have been called once.
  public static func release() { cposix_hold_signals(0) }

  /// The signal that came, or nil.
  public static var pending: Int32? {
    let number = cposix_pending_signal()
    return number == 0 ? nil : number
  }

  /// Ends the process by `number`, as if it had never been held.
  public static func endProcess(by number: Int32) -> Never {
    cposix_end_by_signal(number)
    _exit(128 + number)
  }
}

/// A clock for progress and summaries, which never goes back.
public enum MonotonicClock {
  /// Nanoseconds since an arbitrary point.
  public static var now: Int64 { cposix_monotonic_nanoseconds() }

  public static func sleep(milliseconds: UInt32) { cposix_sleep_milliseconds(milliseconds) }
}

/// The clock that file times are of, which somebody may set.
public enum WallClock {
  /// Seconds that have passed since `time`; negative where it is yet to come. File systems keep times that are
  /// further away than a difference can say: then it is the greatest or the least.
  @inline(never)
  public static func seconds(since time: FileTime) -> Int64 {
    let (result, isTooFar) = cposix_realtime_seconds().subtractingReportingOverflow(time.seconds)
    guard isTooFar else { return result }
    return time.seconds < 0 ? .max : .min
  }
}

/// Bytes from the kernel's random generator (getrandom(2)).
public func randomBytes(_ count: Int) throws(Failure) -> [UInt8] {
  var result = [UInt8](repeating: 0, count: count)
  do throws(Errno) {
    _ = try retrying { result.withUnsafeMutableBytes { cposix_random($0.baseAddress!, $0.count) } }
  } catch { throw Failure("read random bytes", Path(), error) }
  return result
}

/// Writes text to a descriptor. Returns what went wrong; messages on stderr may ignore it, because there is
/// nowhere left to say so.
@discardableResult
public func writeText(_ text: Text, to descriptor: Int32) -> Errno? {
  writeBytes(text.bytes, to: descriptor)
}

/// Writes bytes as `writeText` does.
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

/// Writes what a descriptor takes within that time, without a signal where nobody reads. Returns how many
/// bytes were written.
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
      // A non-blocking descriptor may have less room than it takes to write anything.
      MonotonicClock.sleep(milliseconds: 1)
    }
  }
  return done
}
