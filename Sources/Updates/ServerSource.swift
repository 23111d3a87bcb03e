import BuildTools
import Posix
import Processes
import Signatures

/// A file on an HTTP server, which the program curl requests.
final class ServerSource: Source {
  let name: Path
  let longestGap: UInt64 = 64 << 10
  private(set) var receivedBytes: UInt64 = 0
  private(set) var requests = 0

  private let url: String
  /// Seconds without an answer, or without a byte, after which a request has failed.
  private let timeout: Int
  /// What the first answer says; later ones must agree.
  private var size: UInt64 = 0
  private var entityTag = ""
  private var condition: String?

  /// The most ranges that one run of curl requests, over one connection.
  private static let longestBatch = 64

  init(_ url: String) {
    self.url = url
    name = Path(withoutCredentials(url))
    timeout = Int(downloadTimeout(usual: 60, within: 1...86_400).rounded(.up))
  }

  /// Whether the source is one for curl. Other URLs are refused.
  static func isURL(_ text: String) throws(Failure) -> Bool {
    guard let end = text.firstRange(of: "://") else { return false }
    let scheme = text[..<end.lowerBound].lowercased()
    if scheme == "http" || scheme == "https" { return true }
    let isScheme = !scheme.isEmpty && scheme.utf8.allSatisfy { (0x61...0x7A).contains($0) }
    if isScheme { throw .otherScheme(Path(text)) }
    return false
  }

  // MARK: Reading

  func readTail(_ count: Int, whole: Receive) throws(SourceError) -> Tail? {
    (size, entityTag, condition) = (0, "", nil)
    requests += 1
    let answers = try start(["--fail-early"] + options(range: "-\(count)"))
    guard let head = try stopping({ () throws(Failure) in try answers.nextHead() }) else {
      throw try failure(of: answers, isFirst: true)
    }
    (entityTag, condition) = (head.entityTag, head.condition)
    if head.status == 200 {
      try readWhole(answers, head, whole)
      return nil
    }
    guard head.status == 206, let part = head.contentRange, part.range.upperBound == part.size,
      part.range.count <= count
    else { throw .failed(.badAnswer(self, head)) }
    size = part.size
    var bytes: [UInt8] = []
    try readBody(answers, UInt64(part.range.count)) { (buffer, _) throws(Failure) in
      bytes.append(contentsOf: buffer)
    }
    try finish(answers)
    return Tail(bytes: bytes, size: size)
  }

  private func readWhole(_ answers: CurlAnswers, _ head: AnswerHead, _ whole: Receive)
    throws(SourceError)
  {
    do {
      try readBody(answers, head.contentLength, whole)
    } catch {
      guard case .failed(let failure) = error, failure.kind == .noPayload else { throw error }
      throw .failed(.sourceIsNoOnefile(self, type: head.contentType))
    }
    try finish(answers)
  }

  func read(_ ranges: [Range<UInt64>], _ receive: Receive) throws(SourceError) {
    var pending = ranges[...]
    while !pending.isEmpty {
      let batch = pending.prefix(Self.longestBatch)
      let (complete, rest) = try read(batch: batch, receive)
      pending = pending.dropFirst(complete)
      if let rest { pending[pending.startIndex] = rest }
    }
  }

  /// Returns the number of ranges that were read. A server may answer with less than a range; then also returns the
  /// rest of the next range, and leaves out the ranges after it.
  private func read(batch: ArraySlice<Range<UInt64>>, _ receive: Receive) throws(SourceError) -> (
    complete: Int, rest: Range<UInt64>?
  ) {
    var arguments = ["--fail-early"]
    for (index, range) in batch.enumerated() {
      if index > 0 { arguments.append("--next") }
      arguments += options(range: "\(range.lowerBound)-\(range.upperBound - 1)")
    }
    let answers = try start(arguments)
    for (index, range) in batch.enumerated() {
      requests += 1
      guard let head = try stopping({ () throws(Failure) in try answers.nextHead() }) else {
        throw try failure(of: answers, isFirst: false)
      }
      // If the file is another one, If-Range makes the server answer with all of it.
      if head.status == 200 { throw .changed }
      guard head.status == 206, let part = head.contentRange else {
        throw .failed(.badAnswer(self, head))
      }
      guard part.size == size, head.entityTag == entityTag else { throw .changed }
      guard part.range.lowerBound == range.lowerBound, part.range.upperBound <= range.upperBound
      else { throw .failed(.badAnswer(self, head)) }
      try readBody(answers, UInt64(part.range.count)) { (buffer, offset) throws(Failure) in
        try receive(buffer, range.lowerBound + offset)
      }
      if part.range.upperBound < range.upperBound {
        return (index, part.range.upperBound..<range.upperBound)
      }
    }
    try finish(answers)
    return (batch.count, nil)
  }

  /// Reads `length` bytes, or all until the end of the output if it is nil. Offsets count from the body's start.
  private func readBody(_ answers: CurlAnswers, _ length: UInt64?, _ receive: Receive)
    throws(SourceError)
  {
    var offset: UInt64 = 0
    let count = try stopping { () throws(Failure) in
      try answers.body(length) { (buffer) throws(Failure) in
        receivedBytes += UInt64(buffer.count)
        try receive(buffer, offset)
        offset += UInt64(buffer.count)
      }
    }
    if let length, count < length { throw try failure(of: answers, isFirst: false) }
  }

  private func stopping<Result>(_ body: () throws(Failure) -> Result) throws(SourceError) -> Result
  {
    do throws(Failure) { return try body() } catch { throw .failed(error) }
  }

  func readSignature() throws(SourceError) -> FoundSignature? {
    let signature = ServerSource(signatureURL(url))
    defer { requests += signature.requests }
    guard let text = try signature.readWholeIfExists(longest: Signature.longestText) else {
      return nil
    }
    return try stopping { () throws(Failure) in
      try detachedSignature(text, named: signature.name)
    }
  }

  /// Reads a small file: at most one byte more than `longest`. Nil if the server has none.
  private func readWholeIfExists(longest: Int) throws(SourceError) -> [UInt8]? {
    requests += 1
    let answers = try start(["--fail-early"] + options(range: nil))
    guard let head = try stopping({ () throws(Failure) in try answers.nextHead() }) else {
      let result = try result(of: answers)
      if let status = curlStatus(result.errors), status == 404 || status == 410 { return nil }
      throw failure(result, isFirst: true)
    }
    guard head.status == 200 else { throw .failed(.badAnswer(self, head)) }
    var bytes: [UInt8] = []
    let most = UInt64(longest) + 1
    _ = try stopping { () throws(Failure) in
      try answers.body(most) { bytes.append(contentsOf: $0) }
    }
    if bytes.count <= longest { try finish(answers) }
    return bytes
  }

  // MARK: curl

  /// The options of one request; without a range, for the whole file.
  private func options(range: String?) -> [String] {
    var result = curlOptions(mostRedirects: 10)
    result += [
      "--include", "--suppress-connect-headers", "--fail", "--connect-timeout", "\(timeout)",
      "--speed-limit", "1", "--speed-time", "\(timeout)", "--output", "-",
    ]
    if let range { result += ["--range", range] }
    if let condition { result += ["--header", "If-Range: \(condition)"] }
    return result + ["--url", url]
  }

  private func start(_ arguments: [String]) throws(SourceError) -> CurlAnswers {
    try stopping { () throws(Failure) in
      guard let answers = try CurlAnswers(arguments: arguments) else { throw .noCurl(self) }
      return answers
    }
  }

  private func finish(_ answers: CurlAnswers) throws(SourceError) {
    let result = try stopping { () throws(Failure) in try answers.finish() }
    if !result.succeeded { throw failure(result, isFirst: false) }
  }

  private func failure(of answers: CurlAnswers, isFirst: Bool) throws(SourceError) -> SourceError {
    failure(try result(of: answers), isFirst: isFirst)
  }

  private func result(of answers: CurlAnswers) throws(SourceError) -> Subprocess.Result {
    try stopping { () throws(Failure) in
      // Whatever is left would keep curl from ending.
      _ = try answers.body(nil) { _ in }
      return try answers.finish()
    }
  }

  /// Exit statuses of curl that another attempt does not change: bad URLs, names that do not resolve, redirects,
  /// TLS and certificates (curl(1), "EXIT CODES").
  private static let lasting: Set<Int32> = [
    1, 2, 3, 4, 5, 6, 35, 43, 47, 48, 51, 53, 54, 58, 59, 60, 61, 66, 77, 80, 82, 83, 90, 91,
  ]

  private func failure(_ result: Subprocess.Result, isFirst: Bool) -> SourceError {
    guard case .exited(let code) = result.end else { return .passing(.cutShort(self)) }
    if let status = curlStatus(result.errors), !(200...299).contains(status),
      code == 22 || code == 0
    {
      if status == 416 && !isFirst { return .changed }
      let failure = Failure.status(status, self)
      return status == 408 || status == 429 || status >= 500 ? .passing(failure) : .failed(failure)
    }
    if code == 0 { return .passing(.cutShort(self)) }
    let failure = Failure.curl(self, curlMessage(result.errors) ?? "curl \(endText(code))")
    return Self.lasting.contains(code) || code > 128 ? .failed(failure) : .passing(failure)
  }
}
