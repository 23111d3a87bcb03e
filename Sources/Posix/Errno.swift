internal import CPosix

/// An error number of the C library, equal to `errno` of `<errno.h>`.
public struct Errno: Error, Equatable, Sendable {
  public let rawValue: Int32

  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static var notPermitted: Errno { Errno(rawValue: EPERM) }
  public static var noSuchFile: Errno { Errno(rawValue: ENOENT) }
  public static var execFormat: Errno { Errno(rawValue: ENOEXEC) }
  public static var interrupted: Errno { Errno(rawValue: EINTR) }
  public static var accessDenied: Errno { Errno(rawValue: EACCES) }
  public static var exists: Errno { Errno(rawValue: EEXIST) }
  public static var notDirectory: Errno { Errno(rawValue: ENOTDIR) }
  public static var isDirectory: Errno { Errno(rawValue: EISDIR) }
  public static var invalidArgument: Errno { Errno(rawValue: EINVAL) }
  public static var tooManyOpenFiles: Errno { Errno(rawValue: EMFILE) }
  public static var textFileBusy: Errno { Errno(rawValue: ETXTBSY) }
  public static var noSpace: Errno { Errno(rawValue: ENOSPC) }
  public static var quotaExceeded: Errno { Errno(rawValue: EDQUOT) }
  public static var readOnly: Errno { Errno(rawValue: EROFS) }
  public static var wouldBlock: Errno { Errno(rawValue: EWOULDBLOCK) }
  public static var notEmpty: Errno { Errno(rawValue: ENOTEMPTY) }
  public static var noSystemCall: Errno { Errno(rawValue: ENOSYS) }
  public static var notSupported: Errno { Errno(rawValue: EOPNOTSUPP) }
  public static var symlinkLoop: Errno { Errno(rawValue: ELOOP) }
  public static var otherFileSystem: Errno { Errno(rawValue: EXDEV) }
  public static var staleHandle: Errno { Errno(rawValue: ESTALE) }
  public static var nameTooLong: Errno { Errno(rawValue: ENAMETOOLONG) }
  public static var timedOut: Errno { Errno(rawValue: ETIMEDOUT) }
  public static var outOfMemory: Errno { Errno(rawValue: ENOMEM) }
  public static var addressInUse: Errno { Errno(rawValue: EADDRINUSE) }
  public static var noSuchProcess: Errno { Errno(rawValue: ESRCH) }
  public static var badDescriptor: Errno { Errno(rawValue: EBADF) }

  /// Whether the file does not exist or no longer exists. A network file system returns ESTALE for a file that
  /// another machine removed.
  public var isMissing: Bool { self == .noSuchFile || self == .staleHandle }

  /// Whether `renameat2` may fail this way because the kernel, the file system or a sandbox does not know it. If
  /// the real cause is missing permissions, the plain rename that is tried instead reports it.
  public var isUnknownRename: Bool {
    self == .invalidArgument || self == .noSystemCall || self == .notSupported
      || self == .notPermitted
  }

  /// The C library's text, from `strerror`.
  public var description: Text {
    guard let text = strerror(rawValue) else { return "error \(rawValue)" }
    return Text(utf8: [UInt8](Path(cString: text).bytes))
  }
}

/// The only EINTR loop: repeats `call` while it fails with EINTR, and turns the wrapper's `-errno` into an error.
@inline(always)
public func retrying(_ call: () -> Int) throws(Errno) -> Int {
  while true {
    let result = call()
    if result >= 0 { return result }
    let errno = Errno(rawValue: Int32(truncatingIfNeeded: -result))
    if errno != .interrupted { throw errno }
  }
}
