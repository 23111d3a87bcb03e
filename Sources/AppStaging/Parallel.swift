import Posix

/// Calls `body` with 0 to `count` - 1 on at most `workers` threads, and throws the first error.
func forEach(
  _ count: Int, _ workers: Int, _ body: @escaping @Sendable (Int) throws(StagingError) -> Void
) throws(StagingError) {
  let work = SharedWork<StagingError>(count: count) { .interrupted(signal: $0) }
  runWorkers(max(1, min(workers, count))) { _ in
    do throws(StagingError) {
      while let index = work.take() { try body(index) }
    } catch { work.fail(error) }
  }
  try work.finish()
}
