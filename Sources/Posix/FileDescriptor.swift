internal import CPosix

/// How to open a file. Every descriptor is close-on-exec, except those of `lease` and `leaseDirectory`.
public struct OpenOptions: Sendable {
  private(set) var flags: Int32

  private init(flags: Int32) { self.flags = flags | CPOSIX_O_CLOEXEC }

  public static var read: OpenOptions { OpenOptions(flags: CPOSIX_O_RDONLY) }
  /// Read without waiting for a FIFO's other end and without following a final symlink.
  public static var readNoFollow: OpenOptions {
    OpenOptions(flags: CPOSIX_O_RDONLY | CPOSIX_O_NOFOLLOW | CPOSIX_O_NONBLOCK)
  }
  /// Read and write, otherwise like `readNoFollow`.
  public static var updateNoFollow: OpenOptions {
    OpenOptions(flags: CPOSIX_O_RDWR | CPOSIX_O_NOFOLLOW | CPOSIX_O_NONBLOCK)
  }
  public static var write: OpenOptions { OpenOptions(flags: CPOSIX_O_WRONLY | CPOSIX_O_NOFOLLOW) }
  public static var directory: OpenOptions {
    OpenOptions(flags: CPOSIX_O_RDONLY | CPOSIX_O_DIRECTORY | CPOSIX_O_NOFOLLOW)
  }
  /// A directory, on a descriptor that stays open across `execve`.
  public static var leaseDirectory: OpenOptions {
    var options = directory
    options.flags &= ~CPOSIX_O_CLOEXEC
    return options
  }
  public static var directoryFollow: OpenOptions {
    OpenOptions(flags: CPOSIX_O_RDONLY | CPOSIX_O_DIRECTORY)
  }
  /// A new file, which must not exist, not even as a symlink.
  public static var createNew: OpenOptions {
    OpenOptions(flags: CPOSIX_O_WRONLY | CPOSIX_O_CREAT | CPOSIX_O_EXCL | CPOSIX_O_NOFOLLOW)
  }
  /// Truncate the file, or create it if it is missing. An existing file that is not regular is used as it is.
  /// Does not wait for a FIFO that has no reader.
  public static var overwrite: OpenOptions {
    OpenOptions(flags: CPOSIX_O_WRONLY | CPOSIX_O_CREAT | CPOSIX_O_TRUNC | CPOSIX_O_NONBLOCK)
  }
  /// Only for status and mode; needs no permission on the file itself.
  static var pathOnly: OpenOptions {
    OpenOptions(flags: cposix_o_path() | CPOSIX_O_NOFOLLOW)
  }
  /// A lock that others take as well, on a descriptor that stays open across `execve`.
  public static var lease: OpenOptions {
    var options = readNoFollow
    options.flags &= ~CPOSIX_O_CLOEXEC
    return options
  }
  /// Like `createNew`, and also open for reading.
  public static var createNewToUpdate: OpenOptions {
    OpenOptions(flags: CPOSIX_O_RDWR | CPOSIX_O_CREAT | CPOSIX_O_EXCL | CPOSIX_O_NOFOLLOW)
  }
  /// A lock file, created if it is missing.
  public static var createLock: OpenOptions {
    OpenOptions(flags: CPOSIX_O_RDWR | CPOSIX_O_CREAT | CPOSIX_O_NOFOLLOW | CPOSIX_O_NONBLOCK)
  }
}

/// The directory where a relative path starts.
///
/// Borrows a descriptor: its owner must keep it open while this value is used.
public struct DirectoryHandle: Sendable {
  public let rawValue: Int32
  /// The path, for messages.
  public let path: Path

  /// The working directory.
  public static var current: DirectoryHandle {
    DirectoryHandle(rawValue: CPOSIX_AT_FDCWD, path: Path())
  }

  /// A directory below this one, by its open descriptor. Messages show this handle's path.
  public func below(borrowing descriptor: Int32) -> DirectoryHandle {
    DirectoryHandle(rawValue: descriptor, path: path)
  }

  /// Sets the modification time and mode of the directory itself. The corresponding C functions are `futimens`
  /// and `fchmod`.
  ///
  /// - Throws: "set the time of" or "set the mode of".
  @inline(never)
  public func settle(_ modified: FileTime, _ mode: UInt32) throws(Failure) {
    do throws(Errno) {
      _ = try retrying { cposix_futimens(rawValue, modified.seconds, modified.nanoseconds) }
    } catch { throw Failure("set the time of", path, error) }
    do throws(Errno) { _ = try retrying { cposix_fchmod(rawValue, mode) } } catch {
      throw Failure("set the mode of", path, error)
    }
  }

  /// The file system that the directory is on. The corresponding C function is `fstatvfs`.
  ///
  /// - Throws: "read the file system of".
  @inline(never)
  public func volume() throws(Failure) -> VolumeStatus {
    var info = cposix_volume_t()
    do throws(Errno) { _ = try retrying { cposix_fstatvfs(rawValue, &info) } } catch {
      throw Failure("read the file system of", path, error)
    }
    return VolumeStatus(info)
  }

  func error(_ operation: StaticString, _ name: Path, _ errno: Errno) -> Failure {
    Failure(operation, name.isAbsolute ? name : path.appending(name.bytes), errno)
  }
}

/// An open file that is closed when its owner ends.
public struct FileDescriptor: ~Copyable, Sendable {
  public private(set) var rawValue: Int32
  // Joined only for messages: joining would slow down opening thousands of files.
  private let directory: Path
  private let name: Path

  /// Takes ownership of an open descriptor. Only messages use `path`.
  public init(owning rawValue: Int32, path: Path) {
    self.init(owning: rawValue, Path(), path)
  }

  private init(owning rawValue: Int32, _ directory: Path, _ name: Path) {
    self.rawValue = rawValue
    self.directory = directory
    self.name = name
  }

  @inline(never)
  deinit { cposix_end_of_owner(rawValue) }

  /// The path it was opened by, for messages.
  public var path: Path {
    @inline(never) get { name.isAbsolute ? name : directory.appending(name.bytes) }
  }

  /// Gives up ownership; the descriptor stays open.
  public consuming func release() -> Int32 {
    let value = rawValue
    rawValue = -1
    return value
  }

  /// Closes the descriptor and throws the error of `close`: a file system may report a failed write only here.
  @inline(never)
  public consuming func close() throws(Failure) {
    let result = cposix_close(rawValue)
    rawValue = -1
    if result < 0 && result != Int(-EINTR) {
      throw Failure("close", path, Errno(rawValue: Int32(truncatingIfNeeded: -result)))
    }
  }

  /// Opens `name` in `directory`. `mode` (0o000 to 0o777, reduced by the umask) applies if a file is created.
  ///
  /// The corresponding C function is `openat`.
  ///
  /// - Throws: "open".
  @inline(never)
  public static func open(
    _ name: Path, in directory: DirectoryHandle = .current, _ options: OpenOptions,
    mode: UInt32 = 0
  ) throws(Failure) -> FileDescriptor {
    do throws(Errno) {
      let raw = try retrying {
        name.withCString {
          cposix_openat(directory.rawValue, $0, options.flags, mode)
        }
      }
      return FileDescriptor(owning: Int32(truncatingIfNeeded: raw), directory.path, name)
    } catch {
      throw directory.error("open", name, error)
    }
  }

  /// Opens a new file without a name in `directory`; `link(as:in:)` may name it. Throws `notSupported` or
  /// `isDirectory` if the file system does not support this.
  ///
  /// The corresponding C function is `openat` with `O_TMPFILE`.
  public static func openUnnamed(in directory: Path, mode: UInt32) throws(Failure)
    -> FileDescriptor
  {
    do throws(Errno) {
      let raw = try retrying {
        directory.withCString { cposix_open_unnamed(CPOSIX_AT_FDCWD, $0, mode) }
      }
      return FileDescriptor(owning: Int32(truncatingIfNeeded: raw), path: directory)
    } catch { throw Failure("create a file in", directory, error) }
  }

  /// This directory as the start of relative paths. The owner must outlive the handle.
  public var handle: DirectoryHandle {
    @inline(never) get { DirectoryHandle(rawValue: rawValue, path: path) }
  }

  /// Reads from `offset` until `buffer` is full or the file ends. Returns the number of bytes read.
  ///
  /// The corresponding C function is `pread`.
  ///
  /// - Throws: "read".
  @inline(never)
  public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Failure)
    -> Int
  {
    var done = 0
    while done < buffer.count {
      let count: Int
      do throws(Errno) {
        count = try retrying {
          cposix_pread(
            rawValue, buffer.baseAddress! + done, buffer.count - done, offset + Int64(done))
        }
      } catch { throw Failure("read", path, error) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Reads `count` bytes from `offset`, or fewer if the file ends earlier.
  ///
  /// - Throws: "read".
  @inline(never)
  public func bytes(at offset: Int64, count: Int) throws(Failure) -> [UInt8] {
    var failure: Failure?
    let result = [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      do throws(Failure) {
        length = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      } catch { failure = error }
    }
    if let failure { throw failure }
    return result
  }

  /// Writes all of `buffer` at the current position.
  ///
  /// The corresponding C function is `write`.
  ///
  /// - Throws: "write".
  @inline(never)
  public func write(_ buffer: UnsafeRawBufferPointer) throws(Failure) {
    var done = 0
    while done < buffer.count {
      do throws(Errno) {
        done += try retrying {
          cposix_write(rawValue, buffer.baseAddress! + done, buffer.count - done)
        }
      } catch { throw Failure("write", path, error) }
    }
  }

  /// Writes all of `buffer` at `offset`.
  ///
  /// The corresponding C function is `pwrite`.
  ///
  /// - Throws: "write".
  @inline(never)
  public func write(_ buffer: UnsafeRawBufferPointer, at offset: Int64) throws(Failure) {
    var done = 0
    while done < buffer.count {
      do throws(Errno) {
        done += try retrying {
          cposix_pwrite(
            rawValue, buffer.baseAddress! + done, buffer.count - done, offset + Int64(done))
        }
      } catch { throw Failure("write", path, error) }
    }
  }

  /// - Throws: "write".
  @inline(never)
  public func write(_ bytes: [UInt8]) throws(Failure) {
    try bytes.span.withUnsafeBytes { (buffer) throws(Failure) -> Void in try write(buffer) }
  }

  /// Sets the size in bytes; a longer file gets a hole. The corresponding C function is `ftruncate`.
  ///
  /// - Throws: "resize".
  public func resize(to size: Int64) throws(Failure) {
    try call("resize") { cposix_ftruncate(rawValue, size) }
  }

  /// Asks the file system to allocate these bytes, which must be inside the file, if that makes writing them
  /// faster: on ext4. Errors are ignored, because a later write reports a full disk.
  ///
  /// The corresponding C function is `fallocate`.
  public func reserve(_ range: Range<UInt64>) {
    cposix_reserve(rawValue, Int64(range.lowerBound), Int64(range.count))
  }

  /// The corresponding C function is `fchmod`.
  ///
  /// - Throws: "set the mode of".
  @inline(never)
  public func setMode(_ mode: UInt32) throws(Failure) {
    try call("set the mode of") { cposix_fchmod(rawValue, mode) }
  }

  /// Sets the modification time (seconds since 1970 and nanoseconds below 1,000,000,000). The
  /// corresponding C function is `futimens`.
  ///
  /// - Throws: "set the time of".
  @inline(never)
  public func setModificationTime(_ time: FileTime) throws(Failure) {
    try call("set the time of") { cposix_futimens(rawValue, time.seconds, time.nanoseconds) }
  }

  /// Sets the modification time to the current time. The corresponding C function is `futimens`.
  ///
  /// - Throws: "set the time of".
  public func setModificationTimeToNow() throws(Failure) {
    try call("set the time of") { cposix_futimens(rawValue, 0, CPOSIX_UTIME_NOW) }
  }

  /// Writes all changes of the whole file system to its disk. The corresponding C function is `syncfs`.
  ///
  /// - Throws: "write to the disk".
  @inline(never)
  public func synchronizeVolume() throws(Failure) {
    try call("write to the disk") { cposix_syncfs(rawValue) }
  }

  /// Writes this file, or this directory's names, to the disk. The corresponding C function is `fsync`.
  ///
  /// - Throws: "write to the disk".
  @inline(never)
  public func synchronize() throws(Failure) {
    try call("write to the disk") { cposix_fsync(rawValue) }
  }

  /// The corresponding C function is `fstat`.
  ///
  /// - Throws: "read the status of".
  @inline(never)
  public func status() throws(Failure) -> FileStatus {
    var info = cposix_stat_t()
    try call("read the status of") { cposix_fstat(rawValue, &info) }
    return FileStatus(info)
  }

  /// The file system that the file is on. The corresponding C function is `fstatvfs`.
  ///
  /// - Throws: "read the file system of".
  public func volume() throws(Failure) -> VolumeStatus {
    try DirectoryHandle(rawValue: rawValue, path: path).volume()
  }

  /// Takes an advisory lock. Returns false if another process holds it and `wait` is false.
  ///
  /// The corresponding C function is `flock`.
  ///
  /// - Throws: "lock".
  @inline(never)
  public func lock(exclusive: Bool, wait: Bool) throws(Failure) -> Bool {
    let operation =
      (exclusive ? CPOSIX_LOCK_EX : CPOSIX_LOCK_SH) | (wait ? 0 : CPOSIX_LOCK_NB)
    do throws(Errno) {
      _ = try retrying { cposix_flock(rawValue, operation) }
      return true
    } catch {
      if error == .wouldBlock { return false }
      throw Failure("lock", path, error)
    }
  }

  /// Takes a lock on the whole file for this open file description without waiting, or changes the one it has. A
  /// shared lock needs a descriptor for reading, an exclusive one a descriptor for writing: only processes with
  /// write access can exclude others. Every copy of the descriptor holds the lock, also across `execve`. Returns
  /// false if the lock of another open file description conflicts.
  ///
  /// The corresponding C function is `fcntl` with `F_OFD_SETLK`.
  ///
  /// - Throws: "lock".
  @inline(never)
  public func lockRecord(exclusive: Bool) throws(Failure) -> Bool {
    do throws(Errno) {
      _ = try retrying { cposix_lock_record(rawValue, exclusive ? 1 : 0) }
      return true
    } catch {
      if error == .wouldBlock || error == .accessDenied { return false }
      throw Failure("lock", path, error)
    }
  }

  /// Whether another open file description has a lock of `lockRecord`. Takes no lock, so that it disturbs no
  /// other process.
  ///
  /// The corresponding C function is `fcntl` with `F_OFD_GETLK`.
  ///
  /// - Throws: "lock".
  public func isRecordLocked() throws(Failure) -> Bool {
    do throws(Errno) { return try retrying { cposix_is_record_locked(rawValue) } != 0 } catch {
      throw Failure("lock", path, error)
    }
  }

  /// Removes the access control lists that a new directory inherited and would pass on to its entries. They
  /// override the mode that a file is created with. The corresponding C function is `fremovexattr`.
  public func removeAccessControlLists() { cposix_remove_acls(rawValue) }

  /// Whether the file gives capabilities to who executes it. True if that cannot be determined. The corresponding C function is `fgetxattr`.
  public var hasCapabilities: Bool { cposix_has_capabilities(rawValue) != 0 }

  /// Gives this empty file the content of `source`: both share its blocks until one is changed. The corresponding
  /// call is `ioctl` with `FICLONE`.
  ///
  /// - Throws: "write".
  public func clone(_ source: borrowing FileDescriptor) throws(Failure) {
    let from = source.rawValue
    try call("write") { cposix_clone(rawValue, from) }
  }

  /// Sets the mode of a file opened with `pathOnly`. The corresponding C function is `chmod`.
  func setModeOfPath(_ mode: UInt32) throws(Failure) {
    try call("set the mode of") { cposix_chmod_of_path(rawValue, mode) }
  }

  /// Whether `name` still leads to this file. True if that cannot be determined.
  public func isNamed(_ name: Path, in directory: DirectoryHandle) -> Bool {
    do throws(Failure) {
      let own = try status()
      return try directory.statusIfExists(of: name)?.isSameFile(as: own) ?? false
    } catch { return true }
  }

  /// Keeps the descriptor open across `execve`.
  ///
  /// - Throws: "keep open".
  @inline(never)
  public func keepAcrossExec() throws(Failure) {
    try call("keep open") { cposix_set_close_on_exec(rawValue, 0) }
  }

  /// The kernel's symlink for this descriptor.
  public var ownName: Path {
    var name = Path("/proc/self/fd/")
    name.append(contentsOf: ("\(UInt64(rawValue))" as Text).bytes)
    return name
  }

  /// Gives the file another name, which must not exist; its first one if `openUnnamed` opened it. Needs /proc. The
  /// corresponding C function is `linkat`.
  ///
  /// - Throws: "create".
  public func link(as name: Path, in directory: DirectoryHandle = .current) throws(Failure) {
    do throws(Errno) {
      _ = try retrying {
        ownName.withCString { from in
          name.withCString { cposix_linkat(CPOSIX_AT_FDCWD, from, directory.rawValue, $0, 1) }
        }
      }
    } catch { throw directory.error("create", name, error) }
  }

  @inline(__always)
  private func call(_ operation: StaticString, _ body: () -> Int) throws(Failure) {
    do throws(Errno) { _ = try retrying(body) } catch {
      throw Failure(operation, path, error)
    }
  }
}

/// A point in time: seconds since 1970 (negative before) and nanoseconds, 0 to 999,999,999.
public struct FileTime: Equatable, Sendable {
  public var seconds: Int64
  public var nanoseconds: UInt32

  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// Whether this time is after `other`.
  @inline(never)
  public func isLater(than other: FileTime) -> Bool {
    (seconds, nanoseconds) > (other.seconds, other.nanoseconds)
  }
}

/// The result of `stat`.
public struct FileStatus: Sendable {
  /// The type of a file.
  public enum Kind: Sendable { case file, directory, symlink, fifo, socket, device, other }

  public let kind: Kind
  /// Permission bits with set-uid, set-gid and sticky: 0o0000 to 0o7777.
  public let mode: UInt32
  public let size: Int64
  public let user: UInt32
  public let group: UInt32
  public let device: UInt64
  public let inode: UInt64
  public let links: UInt64
  public let modified: FileTime
  /// The time of the last change of the inode; no program can set it.
  public let changed: FileTime

  init(_ info: cposix_stat_t) {
    switch Int32(info.mode & UInt32(CPOSIX_S_IFMT)) {
    case CPOSIX_S_IFREG: kind = .file
    case CPOSIX_S_IFDIR: kind = .directory
    case CPOSIX_S_IFLNK: kind = .symlink
    case CPOSIX_S_IFIFO: kind = .fifo
    case CPOSIX_S_IFSOCK: kind = .socket
    case CPOSIX_S_IFCHR, CPOSIX_S_IFBLK: kind = .device
    default: kind = .other
    }
    mode = info.mode & 0o7777
    size = info.size
    user = info.user
    group = info.group
    device = info.device
    inode = info.inode
    links = info.links
    modified = FileTime(seconds: info.modified_seconds, nanoseconds: info.modified_nanoseconds)
    changed = FileTime(seconds: info.changed_seconds, nanoseconds: info.changed_nanoseconds)
  }

  /// Whether it belongs to the effective user or root, and only its owner can write to it.
  public var isOnlyOurs: Bool {
    belongs(to: ProcessContext.owner) && mode & 0o022 == 0
  }

  /// Whether it belongs to `user` or root, so that no third user can change it at will.
  public func belongs(to user: UInt32) -> Bool { self.user == user || self.user == 0 }

  /// Whether both are the same file: device and inode are equal.
  public func isSameFile(as other: FileStatus) -> Bool {
    device == other.device && inode == other.inode
  }
}

/// The result of `statvfs` for a mounted file system.
public struct VolumeStatus: Sendable {
  /// Bytes that an unprivileged process may still write.
  public let bytesAvailable: UInt64
  /// The number of inodes; 0 if the file system does not count them.
  public let nodesTotal: UInt64
  public let nodesAvailable: UInt64
  /// Mounted `noexec`.
  public let forbidsExecution: Bool
  public let isReadOnly: Bool

  init(_ info: cposix_volume_t) {
    bytesAvailable = info.bytes_available
    nodesTotal = info.nodes_total
    nodesAvailable = info.nodes_available
    forbidsExecution = info.no_exec != 0
    isReadOnly = info.read_only != 0
  }
}
