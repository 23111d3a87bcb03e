internal import CProcesses
public import Posix

/// The kernel's page cache.
public enum PageCache {
  /// Drops all pages that are on disk. Needs root, and fails in some containers.
  public static func dropAll() throws(Failure) {
    cprocess_sync()
    let file = try FileDescriptor.open(Path("/proc/sys/vm/drop_caches"), .write)
    try file.write([UInt8]("3\n".utf8))
  }

  /// Drops the pages of one file, if they are on disk and no process maps them.
  ///
  /// - Throws: "drop from the page cache".
  public static func drop(_ path: Path) throws(Failure) {
    let file = try FileDescriptor.open(path, .read)
    do throws(Errno) { _ = try retrying { cprocess_forget_pages(file.rawValue) } } catch {
      throw Failure("drop from the page cache", path, error)
    }
  }

  /// The bytes of a file that are in memory.
  ///
  /// - Throws: "ask for the page cache of".
  public static func cachedBytes(of path: Path) throws(Failure) -> UInt64 {
    let file = try FileDescriptor.open(path, .read)
    let size = try file.status().size
    do throws(Errno) {
      return UInt64(try retrying { cprocess_cached_bytes(file.rawValue, Int(size)) })
    } catch { throw Failure("ask for the page cache of", path, error) }
  }
}
