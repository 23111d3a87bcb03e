import Glibc
import Posix
import Processes
import Testing

@Suite struct SubprocessTests {
  private func shell(_ script: String, timeout: Int? = nil, directory: Path? = nil) -> Subprocess {
    Subprocess(
      Path("/bin/sh"), [Path("-c"), Path(script)], directory: directory, timeout: timeout)
  }

  private func number(_ bytes: [UInt8]) throws -> Int32 {
    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first
    return try #require(line.flatMap { Int32($0) })
  }

  /// Whether a process is running. A zombie, which this test cannot reap, counts as ended.
  private func runs(_ number: Int32) -> Bool {
    guard let file = try? FileDescriptor.open(Path("/proc/\(number)/stat"), .read),
      let bytes = try? file.bytes(at: 0, count: 512)
    else { return false }
    return !String(decoding: bytes, as: UTF8.self).contains(") Z ")
  }

  private func ends(_ number: Int32) -> Bool {
    for _ in 0..<1000 where runs(number) { MonotonicClock.sleep(milliseconds: 10) }
    return !runs(number)
  }

  @Test func outputAndStatusAreKept() throws {
    let result = try shell("cat; printf out; printf err >&2; exit 7").run()
    #expect(result.end == .exited(7) && !result.succeeded)
    #expect(result.output == [UInt8]("out".utf8))
    #expect(result.errors == [UInt8]("err".utf8))
    #expect(try shell("kill -SEGV $$").run().end == .exited(128 + SIGSEGV))
    #expect(try shell("exit 0").run().succeeded)
  }

  @Test func aProgramIsSearchedForOnThePath() throws {
    let result = try Subprocess(Path("pwd"), [], directory: Path("/")).run()
    #expect(result.output == [UInt8]("/\n".utf8))
    for name in ["/nowhere/program", "onefold-no-such-program"] {
      let error = #expect(throws: Failure.self) { try Subprocess(Path(name), []).run() }
      #expect(error?.errno == .noSuchFile)
      #expect(error?.description.string == "cannot run '\(name)': No such file or directory")
    }
  }

  @Test func signalsAreNeitherHeldNorIgnored() async {
    await #expect(processExitsWith: .exitCode(0)) {
      TerminationSignals.hold()
      signal(SIGUSR1, SIG_IGN)
      let result = try Subprocess(
        Path("/bin/sh"), [Path("-c"), Path("grep -E 'Sig(Blk|Ign)' /proc/self/status")]
      ).run()
      let masks = String(decoding: result.output, as: UTF8.self)
        .split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
      // The signals of the C library (32 and 33) stay as they are.
      let ours = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1].map { UInt64(1) << ($0 - 1) }
      exit(
        masks.count == 2 && masks.allSatisfy { mask in ours.allSatisfy { mask & $0 == 0 } } ? 0 : 1)
    }
  }

  // MARK: Ends

  @Test func restOfItsGroupIsKilled() throws {
    let result = try shell("sleep 1000 & echo $!").run()
    #expect(result.succeeded)
    #expect(ends(try number(result.output)))
  }

  @Test func theTimeIsOver() throws {
    let start = MonotonicClock.now
    let result = try shell("sleep 1000 & echo $!; wait", timeout: 1).run()
    #expect(result.end == .timedOut)
    #expect(MonotonicClock.now - start >= 1_000_000_000)
    #expect(ends(try number(result.output)))
  }

  @Test func aHeldSignalEndsIt() async {
    await #expect(processExitsWith: .exitCode(0)) {
      TerminationSignals.hold()
      let script = "kill -TERM $PPID; sleep 1000"
      let result = try Subprocess(Path("/bin/sh"), [Path("-c"), Path(script)]).run()
      exit(result.end == .interrupted(signal: SIGTERM) ? 0 : 1)
    }
  }

  @Test func termination() throws {
    var obedient = try shell("sleep 1000").start()
    var status = try obedient.poll()
    #expect(status == nil)
    status = try obedient.terminate(within: 60)
    #expect(status == 128 + SIGTERM)
    status = try obedient.poll()
    #expect(status == 128 + SIGTERM)
    let isMeasured = obedient.usage != nil || obedient.startTime != 0
    #expect(!isMeasured)

    var deaf = try shell("trap '' TERM; echo; while :; do sleep 0.01; done").start()
    while try deaf.result(.exited(0)).output.isEmpty { MonotonicClock.sleep(milliseconds: 1) }
    status = try deaf.terminate(within: 0)
    #expect(status == nil)
    try deaf.kill()
    status = try deaf.poll()
    #expect(status == 128 + SIGKILL)
  }

  @Test func anOwnerThatEndsKillsTheGroup() throws {
    func start() throws -> Int32 {
      var process = try shell("sleep 1000 & echo $!; wait").start()
      while try process.result(.exited(0)).output.isEmpty {
        let status = try process.wait(microseconds: 1000)
        #expect(status == nil)
      }
      return try number(process.result(.exited(0)).output)
    }
    #expect(ends(try start()))
  }

  /// The guard kills the group: the kernel kills only the shell.
  @Test func theGroupOfAKilledOwnerIsKilled() async throws {
    let result = await #expect(
      processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
    ) {
      var process = try Subprocess(
        Path("/bin/sh"), [Path("-c"), Path("sleep 1000 & echo $!; wait")]
      ).start()
      while try process.result(.exited(0)).output.isEmpty {
        let status = try process.wait(microseconds: 1000)
        try #require(status == nil)
      }
      writeBytes(try process.result(.exited(0)).output, to: 1)
      kill(getpid(), SIGKILL)
    }
    let text = try #require(result).standardOutputContent
    #expect(ends(try number(text.split(separator: UInt8(ascii: "\n")).last.map(Array.init) ?? [])))
  }
}
