internal import CPosix

/// Runs `body` on `count` threads, the calling one included, with the numbers 0 (the calling thread) to
/// `count` - 1, and returns when all have ended. Where a thread can't be started, fewer run; `body` must
/// therefore take its work from a shared counter and not from its number.
public func runWorkers(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  var threads: [pthread_t] = []
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
  for thread in threads { posix_join_thread(thread) }
}

private final class WorkerStart: Sendable {
  let number: Int
  let body: @Sendable (Int) -> Void

  init(number: Int, body: @escaping @Sendable (Int) -> Void) {
    self.number = number
    self.body = body
  }
}

private func startThread(_ context: UnsafeMutableRawPointer) -> pthread_t? {
  // musl's pthread_t is a pointer, glibc's a number: zeroed memory serves both.
  let thread = UnsafeMutablePointer<pthread_t>.allocate(capacity: 1)
  defer { thread.deallocate() }
  let status = posix_start_thread(
    thread,
    { context in
      guard let context else { return nil }
      let start = Unmanaged<WorkerStart>.fromOpaque(context).takeRetainedValue()
      start.body(start.number)
      return nil
    }, context)
  return status == 0 ? thread.pointee : nil
}
