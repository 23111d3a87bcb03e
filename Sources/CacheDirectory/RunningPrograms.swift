internal import Posix

/// The trees of a cache directory that programs run from, as far as /proc shows it. This finds programs without a
/// lease: daemons may close it, and a program may be started from the path that `prewarm` prints.
///
/// A program uses a tree if its executable, working directory or mappings are there, as far as this user may read
/// them. It also uses a tree if an argument is a path of it, as in the command line of a script, which all users
/// may read.
struct RunningPrograms {
  /// The beginnings of paths in the cache directory: as it was named, and without symlinks.
  private var prefixes: [[UInt8]] = []
  private var names: [[UInt8]] = []
  /// Whether all processes were examined before the deadline.
  private var isComplete = true

  /// - Parameter deadline: The time of `MonotonicClock` at which the search stops; every tree then counts as
  ///   used.
  init(in cache: borrowing CacheDirectory, deadline: Int64 = .max) {
    addPrefix(cache.path)
    if let path = try? DirectoryHandle.current.symlinkTarget(of: cache.directory.ownName) {
      addPrefix(path)
    }
    let place = Path("/proc")
    guard let processes = try? DirectoryHandle.current.names(in: place) else { return }
    for process in processes {
      guard let number = decimalNumber(process), number != UInt32(ProcessContext.number) else {
        continue
      }
      if deadline != .max && MonotonicClock.now > deadline {
        isComplete = false
        return
      }
      look(at: place.appending(process))
    }
  }

  func use(_ tree: Path) -> Bool { !isComplete || names.contains([UInt8](tree.bytes)) }

  private mutating func addPrefix(_ path: Path) {
    let prefix = [UInt8](path.appending("").bytes)
    if !prefixes.contains(prefix) { prefixes.append(prefix) }
  }

  private mutating func look(at process: Path) {
    noteTarget(of: process.appending("exe"))
    noteTarget(of: process.appending("cwd"))
    // Arguments end with a NUL; in maps a space precedes the path.
    search(process.appending("cmdline"), after: 0)
    search(process.appending("maps"), after: UInt8(ascii: " "))
  }

  private mutating func noteTarget(of link: Path) {
    guard let path = try? DirectoryHandle.current.symlinkTarget(of: link) else { return }
    search([0] + [UInt8](path.bytes), after: 0)
  }

  /// Looks in a file for paths that follow the byte `before`.
  private mutating func search(_ file: Path, after before: UInt8) {
    guard let opened = try? FileDescriptor.open(file, .read) else { return }
    var buffer = [before]
    var offset: Int64 = 0
    while let bytes = try? opened.bytes(at: offset, count: 32 << 10), !bytes.isEmpty {
      offset += Int64(bytes.count)
      buffer += bytes
      search(buffer, after: before)
      // The next round finds a path that the buffer cuts off.
      let kept = min(buffer.count, ProcessContext.longestPath)
      buffer = [UInt8](buffer[(buffer.count - kept)...])
    }
  }

  private mutating func search(_ bytes: [UInt8], after before: UInt8) {
    for prefix in prefixes {
      var start = 0
      while let found = index(of: prefix, in: bytes, from: start) {
        start = found + prefix.count
        if found > 0 && bytes[found - 1] == before { note(bytes, from: start) }
      }
    }
  }

  /// Records the tree whose name begins at `start`, if it is one.
  private mutating func note(_ bytes: [UInt8], from start: Int) {
    var name: [UInt8] = []
    var index = start
    while index < bytes.count && bytes[index] != UInt8(ascii: "/") && name.count < 64 {
      name.append(bytes[index])
      index += 1
    }
    switch CacheName(name) {
    case .tree: break
    // A replaced tree is hidden, and its programs look for their files in the new one.
    case .hidden: name = [UInt8](name[1...CacheName.treeNameLength])
    case .lock, .kept, nil: return
    }
    if !names.contains(name) { names.append(name) }
  }
}
