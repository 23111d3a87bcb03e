import PayloadFormat
import Posix
import Processes

/// Starts programs and waits for them, in the same way for all compared programs.
struct Launcher {
  let settings: BenchSettings

  /// A successful launch.
  struct Outcome {
    /// Nanoseconds until the end of the program, or until its first answer.
    var time: Double
    var usage: Usage
    var output: [UInt8]
  }

  /// Starts a program, and waits for its end, or for an answer and its end.
  ///
  /// - Parameters:
  ///   - name: the program's name in messages.
  ///   - arguments: those after argument 0, with `{port}` in them.
  ///   - environment: variables, each "NAME=value", with `{port}` in those of the settings.
  func launch(
    _ name: String, program: Path, arguments: [Path], environment: [Path],
    countsCalls: Bool = false
  ) throws(Failure) -> Outcome {
    let port = try settings.http == nil ? 0 : choosePort()
    let command = Subprocess(
      program, arguments.map { filled($0, port) },
      environment: environment.map { filled($0, port) })
    var process = try start(command, countsCalls)
    var time: Double?
    if let path = settings.http {
      let answer = try waitForAnswer(from: &process, named: name, path: path, port: port)
      time = Double(answer - process.startTime)
      process.terminate()
    }
    let usage = try waitForEnd(&process, name)
    if settings.http == nil, usage.status != settings.status {
      throw .failed("\(name) \(endText(usage.status)), not \(settings.status): \(said(process))")
    }
    return Outcome(
      time: time ?? Double(usage.end - usage.start), usage: usage,
      output: (try? process.result(.exited(usage.status)))?.output ?? [])
  }

  private func start(_ command: Subprocess, _ countsCalls: Bool) throws(Failure) -> RunningProcess {
    do throws(Failure) { return try command.start(countsCalls ? .calls : .usage) } catch {
      if countsCalls && error.errno == .noSystemCall { throw .failed(Launcher.noTracing) }
      throw error
    }
  }

  /// The last output of the process.
  private func said(_ process: borrowing RunningProcess) -> String {
    guard let result = try? process.result(.exited(0)) else { return lastLines([]) }
    return lastLines(result.errors.isEmpty ? result.output : result.errors)
  }

  static let noTracing = "system calls can't be counted: this process may not trace others here"

  /// Returns the time when the server answered.
  private func waitForAnswer(
    from process: inout RunningProcess, named name: String, path: String, port: Int
  ) throws(Failure) -> Int64 {
    var request = HealthRequest(path: path, port: port)
    let end = MonotonicClock.now + Int64(settings.timeout) * 1_000_000_000
    while true {
      if request.advance() { return MonotonicClock.now }
      let connection = request.descriptor
      // Poll the port while the server does not listen. A connection wakes us up by itself.
      let ended = try step(
        &process, microseconds: connection < 0 ? pollInterval : 20_000, orFor: connection,
        writes: request.writes)
      if let ended {
        throw .failed("\(name) \(endText(ended.status)) before it answered: \(said(process))")
      }
      guard MonotonicClock.now < end else {
        throw .failed(
          "\(name) has not answered to GET \(path) at port \(port) after \(settings.timeout) s: "
            + "\(request.last): \(said(process))")
      }
    }
  }

  private func waitForEnd(
    _ process: inout RunningProcess, _ name: String
  ) throws(Failure) -> Usage {
    let end = MonotonicClock.now + Int64(settings.timeout) * 1_000_000_000
    while true {
      if let usage = try step(&process, microseconds: 100_000) { return usage }
      guard MonotonicClock.now < end else {
        let wanted = settings.http == nil ? "" : " after SIGTERM"
        throw .failed(
          "\(name) has not ended\(wanted) after \(settings.timeout) s: \(said(process))")
      }
    }
  }

  private func step(
    _ process: inout RunningProcess, microseconds: Int64, orFor connection: Int32 = -1,
    writes: Bool = false
  ) throws(Failure) -> Usage? {
    if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
    _ = try process.wait(microseconds: microseconds, orFor: connection, writes: writes)
    return process.usage
  }

  private func choosePort() throws(Failure) -> Int {
    if let port = settings.port { return port }
    return try LocalConnection.freePort()
  }

  private func filled(_ text: Path, _ port: Int) -> Path {
    guard settings.http != nil else { return text }
    let placeholders = Placeholders([("port", ("\(port)" as Text).bytes)], doubled: .stay)
    return Path(placeholders.filled([UInt8](text.bytes)))
  }
}

/// Microseconds between attempts to reach a port while no server listens.
let pollInterval: Int64 = 250

/// A program's last output, in one line.
func lastLines(_ bytes: [UInt8]) -> String {
  let lines = bytes.split(separator: UInt8(ascii: "\n")).suffix(3)
  if lines.isEmpty { return "it wrote nothing" }
  return lines.map { escapedText($0).string }.joined(separator: " | ")
}
