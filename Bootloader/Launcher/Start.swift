import CacheDirectory
import PayloadReader
public import Posix

/// Launches the onefile that this process runs, or does what `ONEFOLD` asks for instead (docs/launch.md). Call
/// this before the process opens anything.
///
/// - Parameter arguments: The process's arguments, with argument 0.
/// - Returns: The exit status if the program was not executed: 0, or 125 to 127 after a message on stderr.
public func start(_ arguments: [Path]) -> Int32 {
  let own = OwnExecutable()
  // A set-uid program must obey only its owner, but the environment of any user chooses the cache and the verb.
  if ProcessContext.isSecure { return fail(.isPrivileged) }
  let report = Report()
  do throws(Failure) {
    try dispatch(own, arguments, report)
    report.writeTrace()
    return 0
  } catch {
    report.failed(error)
    if let signal = error.signal { TerminationSignals.endProcess(by: signal) }
    return fail(error)
  }
}

/// Runs the verb that `ONEFOLD` names, or launches.
private func dispatch(
  _ own: OwnExecutable, _ arguments: [Path], _ report: Report
) throws(Failure) {
  let name = ProcessContext.environment("ONEFOLD") ?? Path()
  let verb = Verb.allCases.first { name.elementsEqual(Path($0.name)) }
  try report.configure(always: verb == .trace)
  let parentDeath = try Settings.parentDeath()
  if let verb { return try run(verb, own, arguments, report) }
  guard name.isEmpty else { throw .unknownVerb(name) }
  try launch(own, arguments, parentDeath, report)
}

private func fail(_ failure: Failure) -> Int32 {
  writeText("onefold: \(failure.message)\n", to: 2)
  return failure.exitCode
}
