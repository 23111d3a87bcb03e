internal import CPosix

// Calls on names in a directory. None follows a final symlink unless its comment says so.
extension DirectoryHandle {
  /// Returns the status of `name`; `follow` resolves a final symlink. The corresponding C function is `fstatat`.
  ///
  /// - Throws: "read the status of".
  @inline(never)
  public func status(of name: Path, follow: Bool = false) throws(Failure) -> FileStatus {
    var info = cposix_stat_t()
    try call("read the status of", name) { cposix_fstatat(rawValue, $0, follow ? 1 : 0, &info) }
    return FileStatus(info)
  }

  /// Returns `status(of:)`, or nil if the file does not exist.
  ///
  /// - Throws: "read the status of".
  @inline(never)
  public func statusIfExists(of name: Path, follow: Bool = false) throws(Failure) -> FileStatus? {
    do throws(Failure) {
      return try status(of: name, follow: follow)
    } catch {
      if error.errno.isMissing { return nil }
      throw error
    }
  }

  /// Returns `status(of:)` of a path that ends with a NUL, or nil on any error. For long tables of paths, to
  /// avoid copying each one.
  @inline(never)
  public func statusIfPresent(ofCString path: Span<UInt8>) -> FileStatus? {
    var info = cposix_stat_t()
    let result = path.withUnsafeBytes { bytes in
      cposix_fstatat(rawValue, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), 0, &info)
    }
    return result == 0 ? FileStatus(info) : nil
  }

  /// The corresponding C function is `mkdirat`.
  ///
  /// - Throws: "create the directory".
  @inline(never)
  public func createDirectory(_ name: Path, mode: UInt32) throws(Failure) {
    try call("create the directory", name) { cposix_mkdirat(rawValue, $0, mode) }
  }

  /// The corresponding C function is `symlinkat`.
  ///
  /// - Throws: "create the symlink".
  @inline(never)
  public func createSymlink(_ name: Path, to target: Path) throws(Failure) {
    try call("create the symlink", name) { pointer in
      target.withCString { cposix_symlinkat($0, rawValue, pointer) }
    }
  }

  /// Makes `name` another name of the file `existing`. The corresponding C function is `linkat`.
  ///
  /// - Throws: "create the hard link".
  @inline(never)
  public func createHardLink(_ name: Path, to existing: Path, in other: DirectoryHandle)
    throws(Failure)
  {
    try call("create the hard link", name) { pointer in
      existing.withCString { cposix_linkat(other.rawValue, $0, rawValue, pointer, 0) }
    }
  }

  /// The corresponding C function is `unlinkat`.
  ///
  /// - Throws: "remove".
  @inline(never)
  public func removeFile(_ name: Path) throws(Failure) {
    try call("remove", name) { cposix_unlinkat(rawValue, $0, 0) }
  }

  /// Removes an empty directory. The corresponding C function is `unlinkat` with `AT_REMOVEDIR`.
  ///
  /// - Throws: "remove the directory".
  @inline(never)
  public func removeDirectory(_ name: Path) throws(Failure) {
    try call("remove the directory", name) { cposix_unlinkat(rawValue, $0, 1) }
  }

  /// Sets the mode of `name`, whatever its own permissions are. Throws if it is a symlink. The corresponding C
  /// functions are `openat` with `O_PATH` and `chmod`.
  public func setMode(of name: Path, _ mode: UInt32) throws(Failure) {
    try FileDescriptor.open(name, in: self, .pathOnly).setModeOfPath(mode)
  }

  /// Whether a file has an access control list, which may name more users than its mode. The corresponding C
  /// function is `lgetxattr`.
  public static func hasAccessControlList(_ path: Path) -> Bool {
    path.withCString { cposix_has_acl($0) } != 0
  }

  /// The corresponding C function is `utimensat`.
  ///
  /// - Throws: "set the time of".
  @inline(never)
  public func setModificationTime(of name: Path, _ time: FileTime) throws(Failure) {
    try call("set the time of", name) {
      cposix_utimensat(rawValue, $0, time.seconds, time.nanoseconds)
    }
  }

  /// Reads the target of a symlink. The corresponding C function is `readlinkat`.
  ///
  /// - Throws: "read the symlink".
  @inline(never)
  public func symlinkTarget(of name: Path) throws(Failure) -> Path {
    var capacity = 256
    while true {
      var buffer = [UInt8](repeating: 0, count: capacity)
      var length = 0
      try call("read the symlink", name) { pointer in
        length = buffer.withUnsafeMutableBytes {
          cposix_readlinkat(
            rawValue, pointer, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return length
      }
      if length < capacity { return Path([UInt8](buffer[..<length])) }
      capacity *= 4
    }
  }

  /// Renames to `newName` in `other` (nil: this directory), and replaces an existing entry. The corresponding C
  /// function is `renameat`.
  ///
  /// - Throws: "rename".
  @inline(never)
  public func rename(_ name: Path, to newName: Path, in other: DirectoryHandle? = nil)
    throws(Failure)
  {
    try call("rename", name) { old in
      newName.withCString { cposix_renameat(rawValue, old, (other ?? self).rawValue, $0) }
    }
  }

  /// Renames a directory. Throws `exists` or `notEmpty` if `newName` is a directory with entries. If the file
  /// system has no `RENAME_NOREPLACE`, plain `rename` has the same effect on a directory that is not empty.
  @inline(never)
  public func renameWithoutReplacing(_ name: Path, to newName: Path) throws(Failure) {
    do throws(Failure) {
      try call("rename", name) { old in
        newName.withCString {
          cposix_renameat2(rawValue, old, rawValue, $0, 0)
        }
      }
    } catch {
      guard error.errno.isUnknownRename else { throw error }
      try rename(name, to: newName)
    }
  }

  /// Swaps two names atomically; `otherName` is in `other` (nil: this directory). The corresponding system call
  /// is `renameat2` with `RENAME_EXCHANGE`.
  ///
  /// - Throws: "exchange".
  @inline(never)
  public func exchange(
    _ name: Path, with otherName: Path, in other: DirectoryHandle? = nil
  ) throws(Failure) {
    try call("exchange", name) { old in
      otherName.withCString {
        cposix_renameat2(rawValue, old, (other ?? self).rawValue, $0, 1)
      }
    }
  }

  /// Whether the effective user may search `name` and, if `write` is true, change it.
  ///
  /// The corresponding C function is `faccessat` with `AT_EACCESS`.
  @inline(never)
  public func isAccessible(_ name: Path, write: Bool) -> Bool {
    name.withCString { cposix_faccessat(rawValue, $0, write ? 1 : 0) } == 0
  }

  /// The names in the directory `name` (by default this one), without "." and "..", in the order of the file system.
  ///
  /// - Throws: "open" or "list"; `ENOENT` if the directory was removed after it was opened.
  @inline(never)
  public func names(in name: Path = Path(".")) throws(Failure) -> [[UInt8]] {
    let directory = try FileDescriptor.open(name, in: self, .directory)
    var records = [UInt8](repeating: 0, count: 32 << 10)
    var result: [[UInt8]] = []
    while true {
      let count: Int
      do throws(Errno) {
        count = try retrying {
          records.withUnsafeMutableBytes {
            cposix_getdents64(directory.rawValue, $0.baseAddress!, $0.count)
          }
        }
      } catch { throw Failure("list", directory.path, error) }
      if count == 0 { return result }
      appendNames(records[..<count], to: &result)
    }
  }

  /// Appends the names of `records`, which `getdents64` wrote (getdents(2), `struct linux_dirent64`).
  private func appendNames(_ records: ArraySlice<UInt8>, to names: inout [[UInt8]]) {
    let dot = UInt8(ascii: ".")
    var rest = records
    while rest.count > 19 {
      let start = rest.startIndex
      let length = Int(rest[start + 16]) | Int(rest[start + 17]) << 8
      let name = [UInt8](rest[(start + 19)..<(start + length)].prefix { $0 != 0 })
      if name != [dot] && name != [dot, dot] { names.append(name) }
      rest = rest.dropFirst(length)
    }
  }

  @inline(__always)
  private func call(
    _ operation: StaticString, _ name: Path, _ body: (UnsafePointer<CChar>) -> Int
  ) throws(Failure) {
    do throws(Errno) {
      _ = try retrying { name.withCString(body) }
    } catch { throw self.error(operation, name, error) }
  }
}

/// A hidden name for an entry that is not yet, or no longer, visible: `.<name>.<16 hexadecimal digits>`. The
/// digits are random, and `name` is cut to 200 bytes.
///
/// - Throws: "read random bytes".
@inline(never)
public func hiddenName(for name: ArraySlice<UInt8>) throws(Failure) -> Path {
  var hidden = Path(hiddenPrefix(for: name))
  hidden.append(contentsOf: hexText(try randomBytes(8)).bytes)
  return hidden
}

/// The beginning of all names that `hiddenName` returns for `name`.
@inline(never)
public func hiddenPrefix(for name: ArraySlice<UInt8>) -> [UInt8] {
  let dot = UInt8(ascii: ".")
  var prefix = [dot]
  prefix.append(contentsOf: name.prefix(200))
  prefix.append(dot)
  return prefix
}
