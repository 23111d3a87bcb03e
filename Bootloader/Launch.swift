import CacheDirectory
import PayloadFormat
import PayloadReader
import Posix

/// Makes the tree ready and executes the entry; returns only by an error.
func launch(_ own: OwnExecutable, _ arguments: [Path]) throws(LaunchError) {
  let payload = try own.open()
  let tree = try ready(payload, willRun: true)
  if tree.wasUnpacked { cleanUp(after: tree, payload.record) }
  do throws(SystemError) { try tree.lease.keepAcrossExec() } catch {
    throw LaunchError(.system(error))
  }
  try execute(payload.record, root: tree.root, executable: own.path, arguments)
}

/// How long a launch that unpacked its tree may then clean up, in nanoseconds.
private let cleanUpTime: Int64 = 1_000_000_000

/// Removes this application's trees that were not used for long: the one moment when a cache grows. That it fails is
/// no news for who wants to run a program.
private func cleanUp(after tree: borrowing CachedTree, _ record: LaunchRecord) {
  var cleanUp = CleanUp()
  cleanUp.application = record.name
  cleanUp.keepDays = record.keepDays ?? defaultKeepDays
  cleanUp.deadline = MonotonicClock.now + cleanUpTime
  _ = cleanUpCache(of: tree, cleanUp)
}

/// Unpacks the tree, or finds it. `willRun`: it is to run on this system, now; otherwise it is prepared for later, and
/// must be on the disk.
func ready(_ payload: Payload, willRun: Bool) throws(LaunchError) -> CachedTree {
  let check = try checkPolicy(payload.record)
  let name = escapedText(payload.record.name)
  let progress = TerminalProgress()
  let observer = CacheObserver(
    unpacking: { progress.show("unpacking \(name)", done: $0, total: $1) },
    checking: { progress.show("checking \(name)", done: $0, total: $1) },
    waiting: { progress.show("waiting for another instance to unpack \(name)") })
  defer { progress.finish() }
  var request = TreeRequest(observer: observer)
  request.check = check
  request.willRun = willRun
  request.isDurable = !willRun
  do throws(CacheError) {
    return try openTree(of: payload, request)
  } catch { throw LaunchError(error) }
}

/// By the environment, else by the launch record.
private func checkPolicy(_ record: LaunchRecord) throws(LaunchError) -> CheckPolicy {
  guard let value = ProcessContext.environment("ONEFOLD_CHECK"), !value.isEmpty else {
    return record.check ?? .dirs
  }
  if let policy = CheckPolicy(named: value.bytes) { return policy }
  throw LaunchError("unknown check \(value.quoted) in ONEFOLD_CHECK: use seal, dirs, files or full")
}

/// How often an entry that is still open for writing somewhere is tried again, and how long between.
private let busyAttempts = 50
private let busyPause: UInt32 = 20

private func execute(
  _ record: LaunchRecord, root: Path, executable: Path, _ arguments: [Path]
) throws(LaunchError) {
  let entry = root.appending(record.entry)
  var all = [entry]
  for argument in record.arguments {
    all.append(
      Path(LaunchRecord.expand(argument, root: root.bytes, executable: executable.bytes)))
  }
  all.append(contentsOf: arguments.dropFirst())
  let environment = makeEnvironment(record, root: root, executable: executable)

  var error = ProcessContext.execute(entry, arguments: all, environment: environment)
  var attempt = 1
  while error.errno == .textFileBusy && attempt < busyAttempts {
    MonotonicClock.sleep(milliseconds: busyPause)
    error = ProcessContext.execute(entry, arguments: all, environment: environment)
    attempt += 1
  }
  guard error.errno == .noSuchFile else {
    throw LaunchError(error.description, exitCode: ExitCode.cannotExecute)
  }
  if (try? DirectoryHandle.current.statusIfExists(of: entry, follow: true)) == nil {
    throw LaunchError(error.description, exitCode: ExitCode.notFound)
  }
  throw LaunchError(
    "cannot execute \(entry.quoted): the interpreter or loader that it names is not on this system",
    exitCode: ExitCode.cannotExecute)
}

/// The environment of the program: the launch's own, less `ONEFOLD` and what the record removes, plus what
/// the record sets and the four variables that tell the program about its onefile.
private func makeEnvironment(_ record: LaunchRecord, root: Path, executable: Path) -> [Path] {
  var added: [Path] = []
  for variable in record.variables {
    added.append(variable.expandedVariable(root: root, executable: executable))
  }
  added.append(Path("ONEFOLD_EXE=").joined(executable.bytes))
  added.append(Path("ONEFOLD_ROOT=").joined(root.bytes))
  added.append(Path("ONEFOLD_APP_NAME=").joined(record.name[...]))
  added.append(Path("ONEFOLD_APP_VERSION=").joined(record.version[...]))

  let verb = Path("ONEFOLD")
  var result: [Path] = []
  for entry in ProcessContext.environmentEntries() {
    let name = entry.variableName
    if name.elementsEqual(verb.bytes) { continue }
    if record.removedVariables.contains(where: { $0.elementsEqual(name) }) { continue }
    if added.contains(where: { $0.variableName.elementsEqual(name) }) { continue }
    result.append(entry)
  }
  for (index, entry) in added.enumerated() {
    let name = entry.variableName
    // The last of several counts.
    if added[(index + 1)...].contains(where: { $0.variableName.elementsEqual(name) }) { continue }
    result.append(entry)
  }
  return result
}

extension Path {
  /// What precedes the first `=`.
  fileprivate var variableName: ArraySlice<UInt8> {
    bytes.prefix { $0 != UInt8(ascii: "=") }
  }

  fileprivate func joined(_ bytes: ArraySlice<UInt8>) -> Path {
    var result = self
    result.append(contentsOf: bytes)
    return result
  }
}

extension [UInt8] {
  /// `NAME=value` with the placeholders of the value replaced.
  fileprivate func expandedVariable(root: Path, executable: Path) -> Path {
    let equals = firstIndex(of: UInt8(ascii: "=")) ?? endIndex
    let start = Swift.min(equals + 1, endIndex)
    var result = Path([UInt8](self[..<start]))
    result.append(
      contentsOf: LaunchRecord.expand(
        [UInt8](self[start...]), root: root.bytes, executable: executable.bytes))
    return result
  }
}
