import BuildTools
import PayloadFormat
import PayloadReader
import Posix
import Processes
import Reporting
import Synchronization

/// A web server that keeps compressed frames for several builders.
public struct RemoteCache: Sendable {
  /// The URL of an entry is this, a slash and the 64 digits of its key.
  public var url: String
  /// Whether this build adds its frames.
  public var isWritable: Bool

  public init(url: String, isWritable: Bool) {
    self.url = url
    self.isWritable = isWritable
  }
}

/// Reads and writes the entries of a `RemoteCache` with GET and PUT (docs/decisions/0042-remote-cache.md).
///
/// An entry counts only if it decodes to the bytes that are packed: whoever can write to the server can't put other
/// content into a file. No error makes packing fail. After the first request that failed, there are no more.
final class RemoteFrames: Sendable {
  private let cache: RemoteCache
  private let state = Mutex(State())

  private struct State {
    /// Why there are no more requests.
    var failure: String?
    /// Entries that were not what their names say.
    var wrong = 0
  }

  init(_ cache: RemoteCache) { self.cache = cache }

  /// A problem for the summary, without a final full stop; nil if there was none.
  var problem: Text? {
    let (failure, wrong) = state.withLock { ($0.failure, $0.wrong) }
    let name = "the remote cache '\(withoutCredentials(cache.url))'"
    if let failure { return Text(utf8: Array("\(name) is not used any more: \(failure)".utf8)) }
    guard wrong > 0 else { return nil }
    let entries = counted(UInt64(wrong), "entry", plural: "entries")
    return Text(
      utf8: Array(
        "\(name) has \(entries) with other content than their names say, which were not used: find out who can write there"
          .utf8))
  }

  /// The frame of `key`, if its bytes decode to `raw`. `codec` is the one of the key.
  func lookUp(_ key: Digest, _ raw: UnsafeRawBufferPointer, _ codec: Codec) -> EncodedFrame? {
    guard let entry = get(key) else { return nil }
    if let frame = FrameEntry.parse(entry, key, rawLength: raw.count, codec),
      isEncoding(frame, of: raw)
    {
      return frame
    }
    state.withLock { $0.wrong += 1 }
    return nil
  }

  /// Adds a frame.
  func add(_ frame: EncodedFrame, _ key: Digest, rawLength: Int) {
    guard cache.isWritable, isUsed else { return }
    do throws(Failure) {
      let entry = try FileDescriptor.inMemory("frame")
      try entry.write(FrameEntry.header(of: frame, key, rawLength: rawLength))
      try entry.write(frame.bytes)
      let file = "/proc/\(ProcessContext.number)/fd/\(entry.rawValue)"
      let answer = try request(key, ["--upload-file", file], longest: longestRefusal)
      if !(200...299).contains(answer.status) { stop(answer.problem) }
    } catch { stop(error.description.string) }
  }

  /// The entry of that name; nil if there is none.
  private func get(_ key: Digest) -> [UInt8]? {
    guard isUsed else { return nil }
    do throws(Failure) {
      let answer = try request(key, [], longest: FrameEntry.longest)
      if answer.status == 200 { return answer.body }
      if answer.status != 404 { stop(answer.problem) }
    } catch { stop(error.description.string) }
    return nil
  }

  private func isEncoding(_ frame: EncodedFrame, of raw: UnsafeRawBufferPointer) -> Bool {
    guard let buffer = try? Buffer(count: raw.count) else { return false }
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<raw.count])
    let isDecoded = frame.bytes.withUnsafeBytes {
      (try? FrameDecoder.decompress(frame.codec, $0, into: target)) ?? false
    }
    guard isDecoded else { return false }
    frame.filter.undo(on: target)
    return UnsafeRawBufferPointer(target).elementsEqual(raw)
  }

  // MARK: Requests

  private var isUsed: Bool { state.withLock { $0.failure == nil } }

  /// Ends all requests. The first reason counts.
  private func stop(_ reason: String) {
    state.withLock { if $0.failure == nil { $0.failure = reason } }
  }

  private struct Answer {
    /// Of HTTP; 0 if there was no answer.
    var status: Int
    var body: [UInt8]
    var problem: String
  }

  /// Runs curl for one entry. A body of more than `longest` bytes is no answer.
  private func request(_ key: Digest, _ options: [String], longest: Int) throws(Failure) -> Answer {
    let url = "\(cache.url)/\(hexText(key.bytes).string)"
    let arguments =
      curlOptions(mostRedirects: 5) + ["--max-time", "\(requestSeconds)"] + options + [
        "--url", url,
      ]
    let curl = Subprocess(HostProgram.curl.besideOnefold, arguments.map { Path($0) })
    var process = try curl.startWithPipe()
    guard let body = try body(of: &process, longest: longest) else {
      return Answer(status: 0, body: [], problem: "an answer is longer than an entry can be")
    }
    let result = try process.finish()
    // curl may fail after the head of an answer.
    guard result.end == .exited(0) else {
      guard case .exited(let code) = result.end else {
        throw Failure("run", curl.program, .timedOut)
      }
      let problem = curlMessage(result.errors) ?? "curl \(endText(code))"
      return Answer(status: 0, body: [], problem: problem)
    }
    let status = curlStatus(result.errors) ?? 0
    return Answer(status: status, body: body, problem: "it answered with the HTTP status \(status)")
  }

  /// The output of curl; nil if it has more than `longest` bytes.
  private func body(of process: inout PipedProcess, longest: Int) throws(Failure) -> [UInt8]? {
    var body: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = try buffer.withUnsafeMutableBufferPointer { (bytes) throws(Failure) -> Int in
        try process.read(into: UnsafeMutableRawBufferPointer(bytes))
      }
      if count == 0 { return body }
      body.append(contentsOf: buffer[..<count])
      if body.count > longest { return nil }
    }
  }
}

/// Seconds until the end of a request. Compressing a frame of 8 MiB at the default level takes some seconds, so a cache
/// that needs longer is of no use.
private let requestSeconds = downloadTimeout(usual: 20, within: 1...20)

/// The most bytes that a server may answer to a PUT.
private let longestRefusal = 1 << 20
