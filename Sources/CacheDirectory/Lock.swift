internal import PayloadFormat
internal import PayloadReader
internal import Posix
import Reporting

// LOCK: one of many simultaneous first launches unpacks, and the others wait for it.

extension CacheDirectory {
  /// Opens the lock file. Returns nil if something else has the lock file's name.
  func openLock(of payload: Payload, _ request: TreeRequest) -> InstallLock? {
    request.observer.timeline.begin(.lock)
    return try? InstallLock(in: handle, payload.treeName)
  }

  /// Waits until this process has the lock, or has waited for as long as `request` allows. Returns the tree if
  /// another instance makes it ready meanwhile.
  @inline(never)
  func wait(for lock: inout InstallLock?, _ payload: Payload, _ request: TreeRequest)
    throws(Failure) -> CachedTree?
  {
    let start = MonotonicClock.now
    while !(lock?.take() ?? true) && MonotonicClock.now - start < request.longestWait {
      // The other checks would read all files at each look.
      if request.check == .seal || request.check == .dirs,
        case .passes(let sealed) = try lookUp(payload, request)
      {
        return finish(sealed, payload, request)
      }
      if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      request.observer.waiting()
      MonotonicClock.sleep(milliseconds: 10)
    }
    return nil
  }

  /// Removes what killed launches of this tree left, and verifies what unpacking relies on. The caller holds the
  /// lock.
  @inline(never)
  func prepareToWrite(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> Manifest {
    request.observer.timeline.begin(.cleanUp)
    reclaimStaging(of: payload.treeName)
    request.observer.timeline.begin(.plan)
    try payload.verifyPrefix()
    return try payload.readManifest()
  }
}

/// Holds termination signals, so that none can end the process before unfinished work is removed, and no signal is
/// lost. New files get the modes that are asked for. Returns the earlier mode mask, for `releaseSignals`.
func holdSignals() -> UInt32 {
  TerminationSignals.hold()
  return ProcessContext.setFileModeMask(0o022)
}

func releaseSignals(_ mask: UInt32) {
  ProcessContext.setFileModeMask(mask)
  TerminationSignals.release()
}

/// The lock that lets one of many simultaneous first launches unpack the tree. A clean-up takes it before it
/// removes a tree.
struct InstallLock: ~Copyable {
  private var file: FileDescriptor
  private let directory: DirectoryHandle
  private let name: Path
  /// Whether no other process is known to hold it.
  private var isOurs = false

  /// Marks the file from its creation. Only a marked file is ever removed by a process that did not hold it. No
  /// other program gives an empty file the sticky bit.
  private static var mode: UInt32 { 0o1600 }

  static func name(_ treeName: Path) -> Path {
    var name = treeName
    name.append(contentsOf: Path(".lock").bytes)
    return name
  }

  /// Opens the lock file of a tree, and creates it if it is missing.
  @inline(never)
  init(in directory: DirectoryHandle, _ treeName: Path) throws(Failure) {
    name = InstallLock.name(treeName)
    self.directory = directory
    file = try InstallLock.open(name, in: directory)
  }

  private static func open(_ name: Path, in directory: DirectoryHandle) throws(Failure)
    -> FileDescriptor
  {
    try FileDescriptor.open(name, in: directory, .createLock, mode: mode)
  }

  /// Returns false if another process holds the lock. If locks don't work, it returns true: waiting has no use.
  @inline(never)
  mutating func take() -> Bool {
    // The holder removes the file at the end, and launchers of every release do so: the name must be checked after
    // locking. More than two rounds are needed only if others create and remove it as fast as it is opened.
    for _ in 0..<8 {
      isOurs = (try? file.lock(exclusive: true, wait: false)) ?? true
      guard isOurs else { return false }
      if file.isNamed(name, in: directory) {
        // A file with content is not an Onefold lock.
        let status = try? file.status()
        isOurs = status.map { $0.size == 0 } ?? true
        return true
      }
      // The earlier holder removed the file, and others may create a new one.
      isOurs = false
      guard let next = try? InstallLock.open(name, in: directory) else { return true }
      file = next
    }
    return true
  }

  /// Whether a file is the lock file of a launch.
  @inline(never)
  static func isMarked(_ file: borrowing FileDescriptor) -> Bool {
    guard let status = try? file.status() else { return false }
    return status.kind == .file && status.user == ProcessContext.owner && status.size == 0
      && status.mode == mode
  }

  /// Removes the lock file while it is locked. Waiting processes look at the tree anyway. If locks don't work,
  /// the file protects nothing.
  func release() {
    if isOurs { try? directory.removeFile(name) }
  }
}
