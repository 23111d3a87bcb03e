internal import Posix
import Synchronization

/// How many workers decode at once: one for each processor, as long as their buffers together stay
/// within `memory` bytes; at least one.
public func workerCount(processors: Int, longestStored: Int, longestRaw: Int, memory: Int = 48 << 20)
  -> Int
{
  let each = max(longestStored + longestRaw, 1)
  return max(1, min(processors, memory / each))
}

/// Work that several threads share: numbered items, the first error, and a count of bytes done.
final class SharedWork: Sendable {
  private let next = Atomic<Int>(0)
  private let state = Atomic<Int>(0)
  private let done = Atomic<Int>(0)
  private let count: Int
  nonisolated(unsafe) private var error: PayloadError? = nil

  private static var running: Int { 0 }
  private static var failing: Int { 1 }

  init(count: Int) { self.count = count }

  /// The next item, or nil where none is left or another worker has failed.
  func take() -> Int? {
    guard state.load(ordering: .relaxed) == SharedWork.running else { return nil }
    if let signal = TerminationSignals.pending {
      fail(.interrupted(signal: signal))
      return nil
    }
    let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
    return item < count ? item : nil
  }

  /// Keeps the first error and stops all workers.
  func fail(_ error: PayloadError) {
    let exchange = state.compareExchange(
      expected: SharedWork.running, desired: SharedWork.failing, ordering: .acquiringAndReleasing)
    if exchange.exchanged { self.error = error }
  }

  func add(bytes: Int) { done.wrappingAdd(bytes, ordering: .relaxed) }
  var bytesDone: UInt64 { UInt64(done.load(ordering: .relaxed)) }

  /// To be called when all workers have ended.
  func finish() throws(PayloadError) {
    if let error { throw error }
  }
}
