import CacheDirectory
import ContentHash
import PayloadFormat
import Posix
import Reporting

/// The file that tells of the one instance of a program (docs/launch.md, "One instance"). The program's lock on it
/// lasts as long as the program.
struct InstanceLock: ~Copyable {
  private let file: FileDescriptor

  /// Takes the lock, or ends or waits for the instance that has it, as the record says.
  ///
  /// Returns nil for a process that the instance itself started with the same file: it belongs to it. Another version,
  /// which the instance starts to replace itself, does not.
  static func take(_ record: LaunchRecord, _ policy: InstancePolicy, file path: Path)
    throws(Failure)
    -> InstanceLock?
  {
    while true {
      if let other = try RunningInstance.find(record) {
        if other.process == ProcessContext.parent, other.version == record.version,
          path.elementsEqual(Path(other.file))
        {
          return nil
        }
        guard policy == .replace else { throw .isRunning(record, other) }
        try other.stop(record, seconds: RunningInstance.defaultSeconds, kill: false)
      }
      let directory = try openUserDirectory()
      let file = try openUserFile(fileName(record), directory.handle, .createLock)
      guard try file.lockForProcess() else { continue }
      // What it tells is of an earlier instance.
      try file.resize(to: 0)
      ProcessContext.keepAtExecution(file.rawValue)
      return InstanceLock(file: file)
    }
  }

  /// Tells others what runs. `address` is empty if the program does not listen.
  func write(_ record: LaunchRecord, _ address: Text, file path: Path) throws(Failure) {
    var text: Text =
      "\(Text(utf8: RunningInstance.mark))\n\(address)\n\(Text(utf8: record.version))\n"
    text += Text(utf8: [UInt8](path.bytes))
    try file.write(text.bytes)
  }

  /// `onefold-NAME.instance`, with a hash of the key if the record has one.
  static func fileName(_ record: LaunchRecord) -> Path {
    var name = Path("onefold-").joined(record.name[...])
    if !record.instanceKey.isEmpty {
      let key = Settings.expanded(record.instanceKey)
      name.append(byte: UInt8(ascii: "-"))
      name.append(contentsOf: hexText(hash(of: key).bytes.prefix(8)).bytes)
    }
    name.append(contentsOf: Path(".instance").bytes)
    return name
  }
}

/// An instance of the program that runs now.
struct RunningInstance {
  /// 0 if it is in another pid namespace.
  let process: Int32
  let started: FileTime
  /// Each is empty if the file does not tell.
  let address: [UInt8]
  let version: [UInt8]
  let file: [UInt8]

  static var defaultSeconds: UInt32 { 10 }
  static var mark: [UInt8] { [UInt8](Path("onefold-instance 1").bytes) }

  /// The instance that holds the lock in any directory where a launch may have put it; nil if none runs.
  static func find(_ record: LaunchRecord) throws(Failure) -> RunningInstance? {
    guard let file = try openLockedUserFile(InstanceLock.fileName(record)),
      let process = file.lockingProcess
    else { return nil }
    var lines = pieces(of: try file.bytes(at: 0, count: 8192), at: UInt8(ascii: "\n"))
    // A damaged file tells nothing; the lock does.
    if lines.count < 4 || lines[0] != RunningInstance.mark { lines = [[], [], [], []] }
    return RunningInstance(
      process: process, started: try file.status().modified, address: lines[1], version: lines[2],
      file: lines[3])
  }

  /// "pid 123 at 127.0.0.1:8000".
  var place: Text {
    let at: Text = address.isEmpty ? "" : " at \(escapedText(address))"
    return "pid \(process)\(at)"
  }

  /// Asks the program to end by SIGTERM, and waits. With `kill`, ends it by SIGKILL afterwards.
  func stop(_ record: LaunchRecord, seconds: UInt32, kill: Bool) throws(Failure) {
    do throws(Errno) {
      let handle = try ProcessHandle(process)
      // Now the number can't be used for another process any more, unless that happened before.
      guard try RunningInstance.findAgain(record)?.process == process else { return }
      try handle.send(TerminationSignals.terminate)
      if handle.wait(milliseconds: Int32(clamping: UInt64(seconds) * 1000)) { return }
      guard kill else { throw .timedOut }
      try handle.send(TerminationSignals.kill)
      _ = handle.wait(milliseconds: -1)
    } catch {
      if error == .timedOut { throw .hasNotStopped(record, self, seconds) }
      if error != .noSuchProcess { throw .cannotStop(record, self, error) }
    }
  }

  private static func findAgain(_ record: LaunchRecord) throws(Errno) -> RunningInstance? {
    do throws(Failure) { return try find(record) } catch { throw error.errno }
  }
}

private func hash(of key: Path) -> Digest {
  key.bytes.withUnsafeBytes { SHA256Hasher.digest(of: $0) }
}
