import Glibc
import Posix
import Processes
import TestSupport
import Testing

@Suite struct MeasuredProcessTests {
  private let directory: TemporaryDirectory
  private let program: Path

  init() throws {
    directory = try TemporaryDirectory()
    program = try directory.compile(
      "program",
      """
      #include <signal.h>
      #include <stdlib.h>
      #include <string.h>
      #include <sys/resource.h>
      #include <unistd.h>
      int main(int argc, char **argv) {
        if (argv[1][0] == 'm') { char *m = malloc(96 << 20); memset(m, 1, 96 << 20); return m[4096] != 1; }
        if (argv[1][0] == 'c') { for (int i = 0; i < 500; i++) getppid(); return 0; }
        if (argv[1][0] == 'e') { execl(argv[0], argv[0], "c", (char *)0); return 1; }
        if (argv[1][0] == 's') { write(1, "out", 3); write(2, "err", 3); return 7; }
        if (argv[1][0] == 'f') { struct rusage u; getrusage(RUSAGE_SELF, &u); write(1, &u.ru_minflt, 8); return 0; }
        if (argv[1][0] == 'w') { int p = getpid(); write(1, &p, sizeof p); for (;;) pause(); }
        raise(SIGSEGV);
      }
      """, ["-O1", "-fno-builtin"])
  }

  private func start(_ argument: String, _ measuring: Measuring = .usage) throws -> RunningProcess {
    try Subprocess(program, [Path(argument)]).start(measuring)
  }

  /// Waits for its end, and returns its usage.
  private static func usage(of process: inout RunningProcess) throws -> Usage {
    while try process.wait(microseconds: 1_000_000) == nil {}
    let usage = process.usage
    return try #require(usage)
  }

  private func usage(of process: inout RunningProcess) throws -> Usage {
    try Self.usage(of: &process)
  }

  private func run(_ argument: String, _ measuring: Measuring = .usage) throws -> Usage {
    var process = try start(argument, measuring)
    return try usage(of: &process)
  }

  /// In a process of its own: that of all tests may have more memory than the program, whose peak begins with it.
  @Test func memoryAndFaultsAreItsOwn() async {
    await #expect(processExitsWith: .success) { [program = program.string as String] in
      func run(_ argument: String) throws -> Usage {
        var process = try Subprocess(Path(program), [Path(argument)]).start(.usage)
        return try MeasuredProcessTests.usage(of: &process)
      }
      let small = try run("c")
      let large = try run("m")
      #expect(large.status == 0)
      #expect(large.peakMemory >= 96 << 20)
      #expect(large.peakMemory < 110 << 20)
      #expect(large.minorFaults - small.minorFaults > 20)
      #expect(small.minorFaults > 0 && small.minorFaults < 500)
      // This process's memory does not count, except for the part that fork copied.
      #expect(small.peakMemory < small.memoryFloor + (4 << 20))
      #expect(large.end > large.start)
    }
  }

  @Test func faultsBeforeTheProgramAreNone() throws {
    var process = try start("f")
    let found = try usage(of: &process)
    // The program's own count includes the faults since fork.
    let own = try process.result(.exited(0)).output.withUnsafeBytes {
      $0.loadUnaligned(as: Int64.self)
    }
    #expect(found.minorFaults + found.majorFaults < own)
  }

  @Test func theStatusIsThatOfAShell() throws {
    #expect(try run("s").status == 7)
    #expect(try run("x").status == 128 + SIGSEGV)
  }

  @Test func outputIsKept() throws {
    var process = try start("s")
    _ = try usage(of: &process)
    let result = try process.result(.exited(7))
    #expect(result.output == [UInt8]("out".utf8))
    #expect(result.errors == [UInt8]("err".utf8))
  }

  @Test func missingProgramsAreErrors() throws {
    var process = try Subprocess(Path("/nowhere/program"), []).start(.usage)
    let error = #expect(throws: Failure.self) {
      while try process.wait(microseconds: 10_000) == nil {}
    }
    #expect(
      error?.description.string == "cannot execute '/nowhere/program': No such file or directory")
  }

  @Test func anOwnerThatEndsKillsIt() throws {
    func number() throws -> Int32 {
      var process = try start("w")
      while true {
        let status = try process.wait(microseconds: 1000)
        #expect(status == nil)
        let output = try process.result(.exited(0)).output
        if output.count >= 4 { return output.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) } }
      }
    }
    let process = try number()
    #expect(kill(process, 0) == -1 && errno == ESRCH)
  }

  /// In its own process: counting waits for all processes that the thread started, including those of other
  /// tests.
  @Test func systemCallsAreCounted() async {
    await #expect(processExitsWith: .exitCode(0)) {
      let test = try MeasuredProcessTests()
      let usage: Usage
      do { usage = try test.run("c", .calls) } catch let error as Failure {
        // A container may forbid tracing; the error must then be this one.
        exit(error.errno == .noSystemCall ? 0 : 2)
      }
      guard usage.calls >= 500, usage.calls < 600, usage.callsUntilProgram == nil else { exit(3) }
      let twice = try test.run("e", .calls)
      guard let first = twice.callsUntilProgram, first >= 1, first < 100 else { exit(4) }
      // Its execve, and everything that the same program does without one.
      guard twice.calls == usage.calls + first else { exit(5) }
      // The process is also killed if its owner ends first.
      func number() throws -> Int32 {
        let process = try test.start("w", .calls)
        return process.group
      }
      exit(kill(try number(), 0) == -1 && errno == ESRCH ? 0 : 6)
    }
  }
}
