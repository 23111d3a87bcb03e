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
  ///   - given: the arguments after argument 0, with `{port}` in them.
  ///   - environment: variables, each "NAME=value", with `{port}` in those of the settings.
  func launch(
    _ name: String, _ program: Path, _ given: [Path], _ environment: [Path],
    countsCalls: Bool = false
  ) throws(Failure) -> Outcome {
    let port = try settings.http == nil ? 0 : choosePort()
    let command = Subprocess(
      program, given.map { filled($0, port) },
      environment: environment.map { filled($0, port) })
    var process = try start(command, countsCalls)
    var time: Double?
    if let path = settings.http {
      let answer = try waitForAnswer(path, port, &process, name)
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
    _ path: String, _ port: Int, _ process: inout RunningProcess, _ name: String
  ) throws(Failure) -> Int64 {
    var request = HealthRequest(path: path, port: port)
    let end = MonotonicClock.now + Int64(settings.timeout) * 1_000_000_000
    while true {
      if request.advance() { return MonotonicClock.now }
      let connection = request.descriptor
      // Poll the port while the server does not listen. A connection wakes us up by itself.
      let ended = try step(
        &process, microseconds: connection < 0 ? pollInterval : 20_000, connection, request.writes)
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
      if let usage = try step(&process, microseconds: 100_000, -1, false) { return usage }
      guard MonotonicClock.now < end else {
        let wanted = settings.http == nil ? "" : " after SIGTERM"
        throw .failed(
          "\(name) has not ended\(wanted) after \(settings.timeout) s: \(said(process))")
      }
    }
  }

  private func step(
    _ process: inout RunningProcess, microseconds: Int64, _ connection: Int32, _ writes: Bool
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
    settings.http == nil
      ? text : Path(replacing(BenchSettings.portPlaceholder, in: text.bytes, by: port))
  }
}

/// Microseconds between attempts to reach a port while no server listens.
let pollInterval: Int64 = 250

private func replacing(_ wanted: String, in bytes: ArraySlice<UInt8>, by number: Int) -> [UInt8] {
  var result: [UInt8] = []
  var rest = bytes
  while let found = rest.firstRange(of: Array(wanted.utf8)) {
    result += rest[..<found.lowerBound] + Array(String(number).utf8)
    rest = rest[found.upperBound...]
  }
  return result + rest
}

func endText(_ status: Int32) -> String {
  status > 128 ? "was ended by signal \(status - 128)" : "ended with status \(status)"
}

/// A program's last output, in one line.
func lastLines(_ bytes: [UInt8]) -> String {
  let lines = bytes.split(separator: UInt8(ascii: "\n")).suffix(3)
  if lines.isEmpty { return "it wrote nothing" }
  return lines.map { escapedText($0).string }.joined(separator: " | ")
}
