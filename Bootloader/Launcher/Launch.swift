import CacheDirectory
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// Makes the tree ready and executes the entry; returns only by throwing.
func launch(
  _ own: OwnExecutable, _ arguments: [Path], _ parentDeath: Settings.ParentDeathSetting,
  _ report: Report
) throws(Failure) {
  var death: ParentDeath? = nil
  var watch: ParentWatch? = nil
  switch parentDeath {
  case .always(let signal):
    watch = try ParentWatch()
    death = signal
  case .descriptor(let descriptor, let signal):
    watch = try ParentWatch(descriptor)
    death = signal
  case .byRecord, .never: break
  }
  let payload = try own.read()
  let record = payload.record
  if case .byRecord = parentDeath, record.parentDeath != nil { watch = try ParentWatch() }
  let command = try Settings.command(record, startedAs: arguments.first)
  // Commands run beside the program.
  var instance: InstanceLock?
  if command == nil, let policy = record.instance {
    instance = try InstanceLock.take(record, policy, file: payload.path)
  }
  let listener = command == nil ? try Listener(record) : nil
  do throws(Failure) {
    if let listener { report.listening(listener.address) }
    try instance?.write(record, listener?.address.text ?? "", file: payload.path)
    try execute(
      payload, command, listener, arguments, report, watch, death ?? record.parentDeath ?? .kill)
  } catch {
    listener?.discard()
    throw error
  }
}

/// Makes the tree ready and executes the program or the command.
@inline(never)
private func execute(
  _ payload: Payload, _ command: LaunchRecord.Command?, _ listener: Listener?, _ arguments: [Path],
  _ report: Report, _ watch: ParentWatch?, _ death: ParentDeath
) throws(Failure) {
  let tree = try ready(payload, willRun: true, report)
  if tree.wasUnpacked {
    report.timeline.begin(.cleanUp)
    cleanUp(after: tree, payload.record, report)
  }
  report.timeline.begin(.exec)
  var program = Program(
    payload.record, root: tree.root, executable: payload.path, arguments, command: command,
    listener: listener?.placeholders, environment: ProcessContext.environmentEntries())
  report.ready(unpacked: tree.wasUnpacked)
  report.writeTrace()
  // Before the socket takes descriptor 3, which may be the parent's. SIGKILL from now on leaves the file of a Unix
  // socket, as it always does.
  try watch?.set(death)
  try listener?.handOver(&program.environment, payload.record)
  try program.execute()
}

/// Nanoseconds that a launch may spend on clean-up after it unpacked its tree.
private let cleanUpTime: Int64 = 1_000_000_000

/// Removes this application's stale trees, after the only event that makes a cache grow. Failures are ignored:
/// the user only wants to run the program.
private func cleanUp(
  after tree: borrowing CachedTree, _ record: LaunchRecord, _ report: Report
) {
  var cleanUp = CleanUp(after: record)
  cleanUp.deadline = MonotonicClock.now + cleanUpTime
  for item in cleanUpCache(of: tree, cleanUp).kept { report.moved(item) }
}

extension CleanUp {
  /// The clean-up of a launch: it removes stale trees of the record's application.
  init(after record: LaunchRecord) {
    self.init()
    application = record.name
    keepDays = record.keepDays ?? defaultKeepDays
  }
}

/// Finds the tree or unpacks it. `willRun`: the program runs on this system now; otherwise the tree is prepared
/// for later and must be on disk.
func ready(_ payload: Payload, willRun: Bool, _ report: Report) throws(Failure) -> CachedTree {
  report.start(payload.record)
  let check = try Settings.check(payload.record)
  let name = escapedText(payload.record.name)
  var observer = CacheObserver(
    unpacking: { report.show(.unpacking, Lines.unpacking(name), done: $0, total: $1) },
    repairing: { report.show(.repairing, Lines.repairing(name), done: $0, total: $1) },
    checking: { report.show(.checking, Lines.checking(name), done: $0, total: $1) },
    waiting: { report.waiting(Lines.waiting(name)) },
    refusedShared: { report.note(Lines.notUsed($0.path, reason: $0.reason)) },
    moved: { report.moved($0) })
  observer.timeline = report.timeline
  defer { report.finish() }
  var request = TreeRequest(observer: observer)
  request.check = check
  request.reuse = try Settings.reuse()
  request.precedesExec = true
  if willRun {
    request.checkSystem = { (record) throws(Failure) in try requireGlibc(for: record) }
  }
  request.isDurable = !willRun
  return try openTree(of: payload, request)
}

/// How often to retry an entry that is still open for writing elsewhere, and the pause in milliseconds.
private let busyAttempts = 50
private let busyPause: UInt32 = 20

extension Program {
  /// Executes the entry; returns only by throwing.
  func execute() throws(Failure) {
    var error = ProcessContext.execute(entry, arguments: arguments, environment: environment)
    var attempt = 1
    while error.errno == .textFileBusy && attempt < busyAttempts {
      MonotonicClock.sleep(milliseconds: busyPause)
      error = ProcessContext.execute(entry, arguments: arguments, environment: environment)
      attempt += 1
    }
    guard error.errno == .noSuchFile else {
      throw .notExecutable(error.description)
    }
    if (try? DirectoryHandle.current.statusIfExists(of: entry, follow: true)) == nil {
      throw .noEntry(error.description)
    }
    throw .noLoader(for: entry)
  }
}
