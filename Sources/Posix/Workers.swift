internal import CPosix
internal import Synchronization

/// Runs `body` on `count` threads, including the calling one, and returns when all have ended. The calling thread
/// gets number 0, the others 1 to `count` - 1. Fewer threads run if one cannot be started, so `body` must take
/// its work from a shared counter instead of deriving it from its number.
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
  // Written once, by the thread that sets `isStopped`; read after all threads have ended.
  nonisolated(unsafe) private var error: Failure? = nil

  public init(count: Int) { self.count = count }

  /// The next item, 0 to `count` - 1, or nil if none is left or the work is stopped.
  public func take() -> Int? {
    guard !mustStop() else { return nil }
    let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
    return item < count ? item : nil
  }

  /// Whether to leave a long item unfinished: the work is stopped, or a held signal arrived.
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

  /// Stops all workers without an error, because the result is already known.
  public func stop() { isStopped.store(true, ordering: .relaxed) }

  /// Whether the work is stopped because a worker failed or called `stop`.
  public var isFailing: Bool { isStopped.load(ordering: .relaxed) }

  /// Counts finished bytes, for progress.
  public func add(bytes: Int) { done.wrappingAdd(bytes, ordering: .relaxed) }
  public var bytesDone: UInt64 { UInt64(done.load(ordering: .relaxed)) }

  /// Throws the first error. Call this after all workers have ended.
  public func finish() throws(Failure) {
    if let error { throw error }
  }
}

/// One place for each item, filled by the thread that handles the item.
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

/// A value that one thread makes while others do work that does not need it.
public final class Awaited<Value: Sendable>: @unchecked Sendable {
  private let isSet: UnsafeMutablePointer<UInt32>
  // Written before `isSet` is set, and read after it.
  private var made: Value? = nil

  public init() {
    isSet = .allocate(capacity: 1)
    isSet.initialize(to: 0)
  }

  deinit { isSet.deallocate() }

  /// Sets the value, or nil if there will be none. Must be called exactly once, even after an error.
  public func set(_ value: Value?) {
    made = value
    cposix_release(isSet)
  }

  /// Waits for the value.
  public var value: Value? {
    cposix_wait(isSet)
    return made
  }
}
