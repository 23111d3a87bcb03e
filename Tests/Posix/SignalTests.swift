import Glibc
import Posix
import TestSupport
import Testing

/// Sends `number` to this process. Waits until it is noted or ends the process, at most ten seconds. (The threads
/// that tests run on block signals, so `raise` would have no effect.)
private func send(_ number: Int32) {
  kill(getpid(), number)
  for _ in 0..<1000 where TerminationSignals.pending != number {
    MonotonicClock.sleep(milliseconds: 10)
  }
}

/// Each test has its own process, because signals belong to the process.
@Suite struct SignalTests {
  @Test func endingByASignal() async {
    await #expect(processExitsWith: .signal(SIGTERM)) {
      TerminationSignals.hold()
      TerminationSignals.endProcess(by: SIGTERM)
    }
  }

  @Test func aHeldSignalIsNotedAndDoesNotEnd() async {
    await #expect(processExitsWith: .exitCode(0)) {
      TerminationSignals.hold()
      try #require(TerminationSignals.pending == nil)
      for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        send(number)
        try #require(TerminationSignals.pending == number)
      }
      exit(0)
    }
  }

  @Test func aHeldSignalEndsTheWork() async {
    await #expect(processExitsWith: .exitCode(0)) {
      TerminationSignals.hold()
      let work = SharedWork(count: 10)
      try #require(work.take() == 0)
      send(SIGINT)
      try #require(work.take() == nil)
      #expect(throws: Failure.interrupted(signal: SIGINT)) { try work.finish() }
      exit(0)
    }
  }

  @Test(arguments: [SIGHUP, SIGINT, SIGQUIT, SIGTERM])
  func aReleasedSignalEnds(_ number: Int32) async {
    await #expect(processExitsWith: .signal(number)) { [number = number as Int32] in
      TerminationSignals.hold()
      TerminationSignals.release()
      send(number)
    }
  }

  @Test func anIgnoredSignalStaysIgnored() async {
    await #expect(processExitsWith: .exitCode(0)) {
      signal(SIGHUP, SIG_IGN)
      TerminationSignals.hold()
      kill(getpid(), SIGHUP)
      // Another thread may receive the signal, in far less time than this.
      MonotonicClock.sleep(milliseconds: 200)
      try #require(TerminationSignals.pending == nil)
      TerminationSignals.release()
      kill(getpid(), SIGHUP)
      exit(0)
    }
  }

  @Test func aClosedPipeIsAnErrorWhileHeld() async {
    await #expect(processExitsWith: .exitCode(0)) {
      TerminationSignals.hold()
      var ends: [Int32] = [0, 0]
      try #require(pipe(&ends) == 0)
      let writer = FileDescriptor(owning: ends[1], path: Path("pipe"))
      close(ends[0])
      do throws(Failure) {
        try writer.write([1])
        exit(1)
      } catch { try #require(error.errno.rawValue == EPIPE) }
      exit(0)
    }
  }

  @Test func releasingPutsBackWhatWasThereForClosedPipes() async {
    await #expect(processExitsWith: .exitCode(0)) {
      signal(SIGPIPE, SIG_DFL)
      TerminationSignals.hold()
      TerminationSignals.release()
      var action = sigaction()
      try #require(sigaction(SIGPIPE, nil, &action) == 0)
      let handler = unsafeBitCast(action.__sigaction_handler, to: Int.self)
      try #require(handler == 0)
      exit(0)
    }
  }
}
