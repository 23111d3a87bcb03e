import BuildTools
import Posix
import Processes

/// The answers to the requests of one run of curl, as `--include` writes them: head, body, head, body.
final class CurlAnswers {
  private var process: PipedProcess
  private var buffer = [UInt8](repeating: 0, count: chunkLength)
  /// The part of `buffer` that was read and not yet taken.
  private var unread = 0..<0

  /// Starts curl, or returns nil if there is none.
  init?(arguments: [String]) throws(Failure) {
    let subprocess = Subprocess(
      HostProgram.curl.besideOnefold, arguments.map { Path($0) }, environment: nil)
    do throws(Failure) { process = try subprocess.startWithPipe() } catch {
      if error.errno == .noSuchFile { return nil }
      throw error
    }
  }

  /// The next head with a body that is wanted: status 200 to 299. Skips those of redirects, of requests for
  /// credentials and of errors, whose bodies curl does not write. Nil at the end of the output.
  func nextHead() throws(Failure) -> AnswerHead? {
    while let lines = try headLines() {
      guard let head = AnswerHead(lines) else { return nil }
      if (200...299).contains(head.status) { return head }
    }
    return nil
  }

  /// Gives at most `length` bytes of a body, or all until the output ends, to `receive`. Returns their number.
  func body(_ length: UInt64?, _ receive: (UnsafeRawBufferPointer) throws(Failure) -> Void)
    throws(Failure) -> UInt64
  {
    var taken: UInt64 = 0
    while taken < length ?? .max {
      if unread.isEmpty, try !fill() { break }
      let count = Int(min(UInt64(unread.count), (length ?? .max) - taken))
      let part = unread.prefix(count)
      try buffer.withUnsafeMutableBufferPointer { (bytes) throws(Failure) -> Void in
        try receive(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[part])))
      }
      unread = unread.lowerBound + count..<unread.upperBound
      taken += UInt64(count)
    }
    return taken
  }

  /// Waits for the end of curl.
  func finish() throws(Failure) -> Subprocess.Result { try process.finish() }

  /// Lines up to an empty one. Nil if the output ends before.
  private func headLines() throws(Failure) -> [[UInt8]]? {
    var lines: [[UInt8]] = []
    var line: [UInt8] = []
    // No server has such long heads; a body that is taken for one may be longer.
    for _ in 0..<(256 << 10) {
      if unread.isEmpty, try !fill() { return nil }
      let byte = buffer[unread.lowerBound]
      unread = unread.lowerBound + 1..<unread.upperBound
      guard byte == UInt8(ascii: "\n") else {
        line.append(byte)
        continue
      }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty { return lines }
      lines.append(line)
      line = []
    }
    return nil
  }

  /// Returns false at the end of the output.
  private func fill() throws(Failure) -> Bool {
    let count = try buffer.withUnsafeMutableBufferPointer { (bytes) throws(Failure) -> Int in
      try process.read(into: UnsafeMutableRawBufferPointer(bytes))
    }
    unread = 0..<count
    return count > 0
  }
}
