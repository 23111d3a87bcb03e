internal import CProcesses
public import Posix

/// What the kernel keeps of files in memory.
public enum PageCache {
  /// Lets go of everything that is on the disk. Only root may, and not in every container.
  public static func dropAll() throws(Failure) {
    cprocess_sync()
    let file = try FileDescriptor.open(Path("/proc/sys/vm/drop_caches"), .write)
    try file.write([UInt8]("3\n".utf8))
  }

  /// Lets go of one file, where it is written to the disk and nobody maps it.
  public static func drop(_ path: Path) throws(Failure) {
    let file = try FileDescriptor.open(path, .read)
    do throws(Errno) { _ = try retrying { cprocess_forget_pages(file.rawValue) } } catch {
      throw Failure("drop from the page cache", path, error)
    }
  }

  /// Bytes of a file that are in memory.
  public static func cachedBytes(of path: Path) throws(Failure) -> UInt64 {
    let file = try FileDescriptor.open(path, .read)
    let size = try file.status().size
    do throws(Errno) {
      return UInt64(try retrying { cprocess_cached_bytes(file.rawValue, Int(size)) })
    } catch { throw Failure("ask for the page cache of", path, error) }
  }
}
