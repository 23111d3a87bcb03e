public import Posix

/// Calls `body` with 0 to `count` - 1 on at most `workers` threads. Returns when all calls have ended.
///
/// - Throws: the first error of `body`, after which no further item is started; or `interrupted` if termination signals
///   are held and one came.
public func forEach(
  _ count: Int, _ workers: Int, _ body: @escaping @Sendable (Int) throws(Failure) -> Void
) throws(Failure) {
  let work = SharedWork(count: count)
  runWorkers(max(1, min(workers, count))) { _ in
    do throws(Failure) {
      while let index = work.take() { try body(index) }
    } catch { work.fail(error) }
  }
  try work.finish()
}
