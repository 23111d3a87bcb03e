import Glibc
import Posix
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

  private func run(_ argument: String, countsCalls: Bool = false) throws -> Usage {
    let null = try FileDescriptor.open(Path("/dev/null"), .overwrite)
    var process = try MeasuredProcess(
      Subprocess(program, [Path(argument)]), countsCalls: countsCalls, output: null, errors: null)
    while true {
      if let usage = try process.wait(microseconds: 10_000) { return usage }
    }
  }

  @Test func memoryAndFaultsAreItsOwn() throws {
    let small = try run("c")
    let large = try run("m")
    #expect(large.status == 0)
    #expect(large.peakMemory >= 96 << 20)
    #expect(large.peakMemory < 110 << 20)
    #expect(large.minorFaults - small.minorFaults > 20)
    #expect(small.minorFaults > 0 && small.minorFaults < 500)
    // What this process has is no part of it but for what was copied by fork.
    #expect(small.peakMemory < small.memoryFloor + (4 << 20))
    #expect(large.end > large.start)
  }

  @Test func faultsBeforeTheProgramAreNone() throws {
    let output = try FileDescriptor.inMemory("output")
    var process = try MeasuredProcess(
      Subprocess(program, [Path("f")]), output: output, errors: output)
    var usage: Usage?
    while usage == nil { usage = try process.wait(microseconds: 10_000) }
    // The program's own count has those since fork.
    let own = try output.bytes(at: 0, count: 8).withUnsafeBytes {
      $0.loadUnaligned(as: Int64.self)
    }
    let found = try #require(usage)
    #expect(found.minorFaults + found.majorFaults < own)
  }

  @Test func theStatusIsThatOfAShell() throws {
    #expect(try run("s").status == 7)
    #expect(try run("x").status == 128 + SIGSEGV)
  }

  @Test func outputIsKept() throws {
    let output = try FileDescriptor.inMemory("output")
    let errors = try FileDescriptor.inMemory("errors")
    var process = try MeasuredProcess(
      Subprocess(program, [Path("s")]), output: output, errors: errors)
    while try process.wait(microseconds: 10_000) == nil {}
    #expect(try output.bytes(at: 0, count: 9) == [UInt8]("out".utf8))
    #expect(try errors.bytes(at: 0, count: 9) == [UInt8]("err".utf8))
  }

  @Test func whatIsNotThereIsAnError() throws {
    let null = try FileDescriptor.open(Path("/dev/null"), .overwrite)
    var process = try MeasuredProcess(
      Subprocess(Path("/nowhere/program"), []), output: null, errors: null)
    let error = #expect(throws: Failure.self) {
      while try process.wait(microseconds: 10_000) == nil {}
    }
    #expect(error?.errno == .noSuchFile)
  }

  @Test func anOwnerThatEndsKillsIt() throws {
    let output = try FileDescriptor.inMemory("output")
    var number: [UInt8] = []
    func start() throws {
      var process = try MeasuredProcess(
        Subprocess(program, [Path("w")]), output: output, errors: output)
      while number.count < 4 {
        let usage = try process.wait(microseconds: 1000)
        #expect(usage == nil)
        number = try output.bytes(at: 0, count: 4)
      }
    }
    try start()
    let process = number.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
    #expect(kill(process, 0) == -1 && errno == ESRCH)
  }

  /// In a process of its own: counting waits for whatever the thread started, also for the processes of other tests.
  @Test func systemCallsAreCounted() async {
    await #expect(processExitsWith: .exitCode(0)) {
      let test = try MeasuredProcessTests()
      let usage: Usage
      do { usage = try test.run("c", countsCalls: true) } catch let error as Failure {
        // A container may forbid it; then it must say this.
        exit(error.errno == .noSystemCall ? 0 : 2)
      }
      guard usage.calls >= 500, usage.calls < 600, usage.callsUntilProgram == nil else { exit(3) }
      let twice = try test.run("e", countsCalls: true)
      guard let first = twice.callsUntilProgram, first >= 1, first < 100 else { exit(4) }
      // Its execve, and all that the same program does without it.
      exit(twice.calls == usage.calls + first ? 0 : 5)
    }
  }
}
