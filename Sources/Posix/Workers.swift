internal import CPosix
internal import Synchronization

/// Runs `body` on `count` threads, the calling one included, with the numbers 0 (the calling thread) to
/// `count` - 1, and returns when all have ended. Where a thread can't be started, fewer run; `body` must
/// therefore take its work from a shared counter and not from its number.
public func runWorkers(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  var threads: [UnsafeMutableRawPointer] = []
  var number = 1
  while number < count {
    let start = Unmanaged.passRetained(WorkerStart(number: number, body: body))
    guard let thread = startThread(start.toOpaque()) else {
      start.release()
      break
    }
    threads.append(thread)
    number += 1
  }
  body(0)
  for thread in threads { cposix_join_thread(thread) }
}

private final class WorkerStart: Sendable {
  let number: Int
  let body: @Sendable (Int) -> Void

  init(number: Int, body: @escaping @Sendable (Int) -> Void) {
    self.number = number
    self.body = body
  }
}

private func startThread(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
  cposix_start_thread(
    { context in
      guard let context else { return nil }
      let start = Unmanaged<WorkerStart>.fromOpaque(context).takeRetainedValue()
      start.body(start.number)
      return nil
    }, context)
}

/// Work that several threads share: numbered items, the first error, and a count of bytes done.
///
/// If termination signals are held, one of them ends the work with `Failure.interrupted`.
public final class SharedWork: Sendable {
  private let next = Atomic<Int>(0)
  private let isStopped = Atomic<Bool>(false)
  private let done = Atomic<Int>(0)
  private let count: Int
  // Written once, by whoever sets `isStopped`; read after all threads have ended.
  nonisolated(unsafe) private var error: Failure? = nil

  public init(count: Int) { self.count = count }

  /// The next item, 0 to `count` - 1, or nil if none is left or the work is stopped.
  public func take() -> Int? {
    guard !mustStop() else { return nil }
    let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
    return item < count ? item : nil
  }

  /// Whether an item that takes long is to be left unfinished: the work is stopped, or a held signal came.
  public func mustStop() -> Bool {
    if isStopped.load(ordering: .relaxed) { return true }
    guard let signal = TerminationSignals.pending else { return false }
    fail(.interrupted(signal: signal))
    return true
  }

  /// Keeps the first error and stops all workers.
  public func fail(_ error: Failure) {
    let exchange = isStopped.compareExchange(
      expected: false, desired: true, ordering: .acquiringAndReleasing)
    if exchange.exchanged { self.error = error }
  }

  /// Stops all workers without an error: what they were to find is found.
  public func stop() { isStopped.store(true, ordering: .relaxed) }

  /// Whether the work is stopped, because a worker has failed or by `stop`.
  public var isFailing: Bool { isStopped.load(ordering: .relaxed) }

  public func add(bytes: Int) { done.wrappingAdd(bytes, ordering: .relaxed) }
  public var bytesDone: UInt64 { UInt64(done.load(ordering: .relaxed)) }

  /// Throws the first error. To be called when all workers have ended.
  public func finish() throws(Failure) {
    if let error { throw error }
  }
}

/// One place for each item, filled by whichever thread handles that item.
public final class ParallelResults<Value: Sendable>: @unchecked Sendable {
  // No two threads touch the same element.
  private let storage: UnsafeMutableBufferPointer<Value?>

  public init(count: Int) {
    storage = .allocate(capacity: count)
    storage.initialize(repeating: nil)
  }

  deinit {
    storage.deinitialize()
    storage.deallocate()
  }

  public subscript(index: Int) -> Value? {
    get { storage[index] }
    set { storage[index] = newValue }
  }
}

/// A value that one thread makes while others do what they can without it.
public final class Awaited<Value: Sendable>: @unchecked Sendable {
  private let isSet: UnsafeMutablePointer<UInt32>
  // Written before `isSet` is, and read after it.
  private var made: Value? = nil

  public init() {
    isSet = .allocate(capacity: 1)
    isSet.initialize(to: 0)
  }

  deinit { isSet.deallocate() }

  /// To be called once, whatever happens; nil where there will be no value.
  public func set(_ value: Value?) {
    made = value
    cposix_release(isSet)
  }

  /// Waits until it is set.
  public var value: Value? {
    cposix_wait(isSet)
    return made
  }
}
