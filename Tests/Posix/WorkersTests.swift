import Posix
import Synchronization
import TestSupport
import Testing

extension Failure {
  fileprivate static func number(_ number: Int) -> Failure { .failed("\(number)") }
}

@Suite struct WorkersTests {
  @Test(arguments: [1, 2, 8])
  func everyNumberRunsOnce(_ count: Int) {
    let seen = Mutex<[Int]>([])
    runWorkers(count) { number in seen.withLock { $0.append(number) } }
    #expect(seen.withLock { $0.sorted() } == Array(0..<count))
  }

  @Test(arguments: [-1, 0])
  func oneWorkerAtLeast(_ count: Int) {
    let seen = Mutex<[Int]>([])
    runWorkers(count) { number in seen.withLock { $0.append(number) } }
    #expect(seen.withLock { $0 } == [0])
  }

  @Test func everyItemIsTakenOnce() throws {
    let work = SharedWork(count: 1000)
    let seen = Mutex<[Int]>([])
    runWorkers(4) { _ in
      while let item = work.take() {
        seen.withLock { $0.append(item) }
        work.add(bytes: 3)
      }
    }
    try work.finish()
    #expect(seen.withLock { $0.sorted() } == Array(0..<1000))
    #expect(work.bytesDone == 3000)
    #expect(!work.isFailing)
  }

  @Test func noItems() throws {
    let work = SharedWork(count: 0)
    #expect(work.take() == nil)
    try work.finish()
  }

  @Test func theFirstErrorIsKeptAndEndsTheWork() {
    let work = SharedWork(count: 10)
    #expect(work.take() == 0)
    work.fail(.number(1))
    work.fail(.number(2))
    #expect(work.isFailing)
    #expect(work.take() == nil)
    #expect(throws: Failure.number(1)) { try work.finish() }
  }

  @Test func oneOfManyErrorsIsThrown() {
    let work = SharedWork(count: 100_000)
    let taken = Atomic<Int>(0)
    runWorkers(4) { _ in
      while let item = work.take() {
        taken.wrappingAdd(1, ordering: .relaxed)
        work.fail(.number(item))
      }
    }
    // Each worker takes at most one item after another's error.
    #expect(taken.load(ordering: .relaxed) <= 4)
    #expect(throws: Failure.self) { try work.finish() }
  }

  @Test(arguments: [7, nil])
  func whatIsMadeLaterIsWaitedFor(_ value: Int?) {
    let awaited = Awaited<Int>()
    let seen = Mutex<[Int?]>([])
    runWorkers(4) { number in
      if number == 0 {
        MonotonicClock.sleep(milliseconds: 20)
        #expect(seen.withLock { $0.isEmpty })
        awaited.set(value)
      }
      let got = awaited.value
      seen.withLock { $0.append(got) }
    }
    #expect(seen.withLock { $0 } == [value, value, value, value])
  }
}
