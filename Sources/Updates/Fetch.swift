import OutputFiles
import PayloadFormat
import PayloadReader
public import Posix
public import Signatures

/// What to fetch, and how.
public struct FetchRequest: Sendable {
  /// An `http` or `https` URL, or a path.
  public var source: Path
  /// The file to make or replace. A symlink is followed.
  public var output: Path
  /// Further onefiles that may hold parts of the new one. The output itself always is one.
  public var seeds: [Path]
  /// Use the partial file of an earlier call, and leave one for a later call. Otherwise remove both.
  public var resumes: Bool
  /// Leave the old file as `FILE.previous`.
  public var keepsPrevious: Bool
  /// The key that must have signed the new file; nil to take any file.
  public var publicKey: PublicKey?
  /// With a key: also take a file that is older than the output.
  public var allowsOlder: Bool

  public init(
    source: Path, output: Path, seeds: [Path], resumes: Bool = true, keepsPrevious: Bool = false,
    publicKey: PublicKey? = nil, allowsOlder: Bool = false
  ) {
    self.source = source
    self.output = output
    self.seeds = seeds
    self.resumes = resumes
    self.keepsPrevious = keepsPrevious
    self.publicKey = publicKey
    self.allowsOlder = allowsOlder
  }
}

/// Receives what is done, and how many bytes of it.
public typealias FetchProgress = @Sendable (_ label: Text, _ done: UInt64, _ total: UInt64) -> Void

/// Makes or replaces a onefile with what the source has. Reuses parts that other files have, and requests the rest.
///
/// Every part is compared with its hash before it is kept, and the whole file before it gets its name by a rename. If
/// the call throws or is killed, the output is as it was. A partial file may stay, which the next call resumes.
///
/// - Parameters:
///   - warn: receives sentences about files that could not be used, without a final full stop.
///   - progress: is called from one thread at a time.
/// With a public key, the new file gets its name only if the key signed it, and if it is not older than the output.
///
/// - Throws: why the source, its signature, a seed or the output can't be used, the system call that failed, or `interrupted`.
public func fetch(
  _ request: FetchRequest, warn: @escaping (String) -> Void, progress: @escaping FetchProgress
) throws(Failure) -> FetchResult {
  let place = try OutputPlace(request.output)
  if !request.resumes { try removePartialFile(for: place) }
  let source: any Source =
    try ServerSource.isURL(request.source.string)
    ? ServerSource(request.source.string) : LocalSource(request.source)
  let fetch = Fetch(source, place, request, warn, progress)
  try fetch.openSeeds()
  return try fetch.run()
}

/// Removes the partial file, unless another process writes it.
private func removePartialFile(for place: OutputPlace) throws(Failure) {
  let path = PartialFile.path(for: place)
  guard try DirectoryHandle.current.statusIfExists(of: path) != nil else { return }
  try PartialFile(for: place).remove()
}

/// The state of one call.
private final class Fetch {
  private let source: any Source
  private let place: OutputPlace
  private let request: FetchRequest
  private let warn: (String) -> Void
  private let progress: FetchProgress
  private let seeds = Seeds()
  /// The output as it is, if it is a onefile.
  private var current: Payload?
  private var partial: PartialFile?
  private var result = FetchResult()
  /// Where each piece of the new file came from first.
  private var origins: [Digest: Origin] = [:]

  /// The partial file has pieces that only the source had.
  private var hasRequestedPieces = false
  /// Of the file at the source; nil without a public key.
  private var signature: UpdateSignature?
  /// The new file is complete, but its signature is wrong or it is older.
  private var isRefused = false

  private enum Origin { case source, partial, seed(Int) }

  /// Enough for the longest signature with the trailer before it. If there is no signature, it holds the end of the
  /// manifest.
  private static let tailLength = Limits.signatureLength + Trailer.byteCount
  /// After so many attempts in succession that brought nothing, or changes of the file, the fetch fails.
  private static let mostAttempts = 3
  /// The buffers of one worker that checks the new file always fit into 64 MiB.
  private static let checkers = 1

  init(
    _ source: any Source, _ place: OutputPlace, _ request: FetchRequest,
    _ warn: @escaping (String) -> Void, _ progress: @escaping FetchProgress
  ) {
    self.source = source
    self.place = place
    self.request = request
    self.warn = warn
    self.progress = progress
  }

  // MARK: Seeds

  func openSeeds() throws(Failure) {
    if try DirectoryHandle.current.statusIfExists(of: place.path) != nil {
      do throws(Failure) {
        let payload = try Payload.open(place.path)
        current = payload
        try seeds.add(payload, named: place.given)
      } catch { warn("\(error.description.string); nothing of it is used") }
    }
    for path in request.seeds {
      do throws(Failure) { try seeds.add(try Payload.open(path), named: path) } catch {
        guard error.kind == .damaged || error.kind == .format else {
          throw .seedIsNoOnefile(path, error)
        }
        warn("\(error.description.string); nothing of it is used")
      }
    }
  }

  // MARK: Attempts

  func run() throws(Failure) -> FetchResult {
    do throws(Failure) {
      try attemptUntilDone()
      fillResult()
      return result
    } catch {
      let isOfUse =
        request.resumes && !result.isWhole && !isRefused
        && (partial?.isOld == true || hasRequestedPieces)
      if !isOfUse { try? partial?.remove() }
      throw error
    }
  }

  private func attemptUntilDone() throws(Failure) {
    var changes = 0
    var failures = 0
    while true {
      let before = origins.count
      do throws(SourceError) { return try attempt() } catch {
        switch error {
        case .failed(let failure): throw failure
        case .changed:
          changes += 1
          if changes == Self.mostAttempts { throw .changing(source, times: changes) }
        case .passing(let failure):
          failures = origins.count > before ? 0 : failures + 1
          if failures == Self.mostAttempts { throw failure }
          MonotonicClock.sleep(milliseconds: UInt32(300 * failures))
        }
        if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
      }
    }
  }

  private func attempt() throws(SourceError) {
    let whole = WholeFile()
    let tail = try source.readTail(Self.tailLength) { (bytes, offset) throws(Failure) in
      result.isWhole = true
      try take(bytes, at: offset, whole)
      progress("fetching", offset, 0)
    }
    guard let tail else { return try finish(whole) }
    let trailer = try lasting { () throws(Failure) -> Trailer in try self.trailer(in: tail) }
    try findSignature(appended: tail.bytesAfter(trailer))
    if try lasting({ () throws(Failure) -> Bool in try isCurrent(tail, trailer) }) { return }
    let (partial, isResumed) = try lasting { () throws(Failure) -> (PartialFile, Bool) in
      try prepare(tail, trailer)
    }
    try completeTables(partial, tail, trailer)
    let payload = try lasting { () throws(Failure) -> Payload in try openPartial(partial) }
    try lasting { () throws(Failure) -> Void in
      try signature?.require(payload, replaces: current, source)
    }
    let manifest = try manifest(of: payload)
    let missing = try lasting { () throws(Failure) -> [Piece] in
      try reuse(partial, payload, manifest, from: isResumed ? 0 : tail.offset, tail)
    }
    try request(missing, partial)
    try lasting { () throws(Failure) -> Void in try publish(partial) }
  }

  /// A failure that another attempt does not change.
  private func lasting<Result>(_ body: () throws(Failure) -> Result) throws(SourceError) -> Result {
    do throws(Failure) { return try body() } catch { throw .failed(error) }
  }

  // MARK: Tail

  private func trailer(in tail: Tail) throws(Failure) -> Trailer {
    do throws(Failure) {
      return try Payload.trailer(inTail: tail.bytes, size: tail.size, named: source.name)
    } catch {
      if error.kind == .noPayload { throw .sourceIsNoOnefile(source) }
      if let index = Trailer.find(in: tail.bytes.span, tailOffset: tail.offset) {
        let version = Int(tail.bytes[index + 8]) | Int(tail.bytes[index + 9]) << 8
        if version > 1 { throw .newerFormat(source, version: version) }
      }
      throw error
    }
  }

  /// Whether the output already is this file, with the right bytes throughout.
  private func isCurrent(_ tail: Tail, _ trailer: Trailer) throws(Failure) -> Bool {
    guard let current, current.trailer == trailer, current.length == tail.size else { return false }
    var bytes = [UInt8](repeating: 0, count: tail.bytes.count)
    try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Failure) -> Void in
      try current.read(into: UnsafeMutableRawBufferPointer(buffer), at: tail.offset)
    }
    guard bytes == tail.bytes else { return false }
    do throws(Failure) { try check(current) } catch {
      guard error.kind == .damaged else { throw error }
      warn("\(error.description.string); it is repaired")
      return false
    }
    try signature?.verify(current, progress: progress)
    result.note(current)
    result.isUpdated = false
    try removePartialFile(for: place)
    return true
  }

  // MARK: Signature

  /// Finds the signature of the new file, if there must be one.
  private func findSignature(appended: [UInt8]) throws(SourceError) {
    guard let key = request.publicKey else { return }
    let found = try Signatures.findSignature(
      of: source.name, appended: appended, by: key, orElse: { SourceError.failed($0) },
      detached: { () throws(SourceError) in try source.readSignature() })
    signature = UpdateSignature(key: key, allowsOlder: request.allowsOlder, found: found)
    result.signature = found
  }

  /// Checks that the complete file may get its name.
  private func checkSignature(_ payload: Payload) throws(Failure) {
    guard let signature else { return }
    do throws(Failure) {
      try signature.require(payload, replaces: current, source)
      try signature.verify(payload, progress: progress)
    } catch {
      isRefused = error.kind != .interrupted
      throw error
    }
  }

  private func check(_ payload: Payload) throws(Failure) {
    _ = try verify(payload, mostWorkers: Self.checkers) { [progress] done, total in
      progress("checking", done, total)
    }
  }

  // MARK: Partial file

  private func openPartialFile() throws(Failure) -> PartialFile {
    if let partial { return partial }
    let opened = try PartialFile(for: place)
    partial = opened
    return opened
  }

  /// Opens the partial file and gives it the size and the tail of the new file. Also returns whether it is of an
  /// earlier attempt at the same file.
  private func prepare(_ tail: Tail, _ trailer: Trailer) throws(Failure) -> (PartialFile, Bool) {
    let partial = try openPartialFile()
    var isResumed = false
    if let old = partial.openPayload() {
      isResumed = old.trailer == trailer && old.length == tail.size
      if !isResumed {
        // Another version, which may share pieces.
        try? seeds.add(old, named: partial.path)
        try partial.replace()
      }
    } else {
      try partial.resize(to: 0)
    }
    try partial.resize(to: tail.size)
    try tail.bytes.span.withUnsafeBytes { (bytes) throws(Failure) -> Void in
      try partial.write(bytes, at: tail.offset)
    }
    return (partial, isResumed)
  }

  /// Brings what the tail lacks of manifest and launch record.
  private func completeTables(_ partial: PartialFile, _ tail: Tail, _ trailer: Trailer)
    throws(SourceError)
  {
    let all = tail.size - trailer.manifestOffset
    guard trailer.manifestOffset < tail.offset else {
      result.fetched.tables = all
      return
    }
    result.fetched.tables = UInt64(tail.bytes.count)
    let manifest = Piece(
      offset: trailer.manifestOffset, length: trailer.manifestStoredLength,
      hash: trailer.manifestHash, frame: nil)
    let isThere = try lasting { () throws(Failure) -> Bool in
      guard trailer.recordOffset >= tail.offset else { return false }
      if let payload = try? openPartial(partial),
        try hasHash(manifest, in: payload, at: manifest.offset)
      {
        return true
      }
      guard let seed = seeds.payload(withTreeID: trailer.manifestHash) else { return false }
      return try hasHash(manifest, in: seed, at: seed.trailer.manifestOffset) {
        (bytes, offset) throws(Failure) in
        try partial.write(bytes, at: manifest.offset + offset)
      }
    }
    if isThere { return }
    try source.read([trailer.manifestOffset..<tail.offset]) { (bytes, offset) throws(Failure) in
      try partial.write(bytes, at: offset)
    }
    result.fetched.tables = all
  }

  /// Opens the partial file as the new file. Messages name the source.
  private func openPartial(_ partial: PartialFile) throws(Failure) -> Payload {
    try Payload.read(try FileDescriptor.open(partial.path, .read), named: source.name)
  }

  private func manifest(of payload: Payload) throws(SourceError) -> Manifest {
    do throws(Failure) { return try payload.readManifest() } catch {
      // The file may have changed between two requests without a sign.
      throw error.kind == .damaged ? .passing(error) : .failed(error)
    }
  }

  // MARK: Pieces

  /// Copies what seeds have, and returns the pieces that neither they nor the partial file have.
  ///
  /// - Parameter start: from this offset on, the partial file may have pieces.
  private func reuse(
    _ partial: PartialFile, _ payload: Payload, _ manifest: Manifest, from start: UInt64,
    _ tail: Tail
  ) throws(Failure) -> [Piece] {
    let all = pieces(of: payload.trailer, manifest)
    var absent: [Piece] = []
    for piece in all {
      if piece.offset >= start, try hasHash(piece, in: payload, at: piece.offset) {
        note(piece, piece.offset >= tail.offset ? .source : .partial)
      } else {
        absent.append(piece)
      }
    }
    let needed = absent.reduce(0) { $0 + $1.length }
    try partial.requireSpace(for: needed)
    var done: UInt64 = 0
    var missing: [Piece] = []
    for piece in absent {
      let seed = try seeds.copy(piece) { (bytes, offset) throws(Failure) in
        try partial.write(bytes, at: offset)
      }
      if let seed { note(piece, .seed(seed)) } else { missing.append(piece) }
      done += piece.length
      progress("copying", done, needed)
    }
    result.payload = payload
    result.pieces = all
    return missing
  }

  private func note(_ piece: Piece, _ origin: Origin) {
    origins[piece.hash] = origins[piece.hash] ?? origin
  }

  private func request(_ missing: [Piece], _ partial: PartialFile) throws(SourceError) {
    let ranges = requestRanges(for: missing, longestGap: source.longestGap)
    let total = ranges.reduce(0) { $0 + UInt64($1.count) }
    let before = source.receivedBytes
    let receiver = PieceReceiver(missing)
    defer {
      for piece in receiver.complete { note(piece, .source) }
      hasRequestedPieces = hasRequestedPieces || !receiver.complete.isEmpty
    }
    try source.read(ranges) { (bytes, offset) throws(Failure) in
      try receiver.take(bytes, at: offset) { (bytes, offset) throws(Failure) in
        try partial.write(bytes, at: offset)
      }
      progress("fetching", source.receivedBytes - before, total)
    }
    if let piece = receiver.damaged.first { throw .passing(.wrongHash(source, piece)) }
    guard receiver.complete.count == missing.count else { throw .passing(.cutShort(source)) }
  }

  private func publish(_ partial: PartialFile) throws(Failure) {
    let payload = try openPartial(partial)
    try check(payload)
    try checkSignature(payload)
    result.note(payload)
    let previous = previousPath(of: place)
    let hadOld = try DirectoryHandle.current.statusIfExists(of: place.path) != nil
    try partial.publish(keepingPrevious: request.keepsPrevious ? previous : nil)
    self.partial = nil
    result.isUpdated = true
    if request.keepsPrevious && hadOld { result.previous = previous }
  }

  // MARK: The whole file

  /// The state of a download of the whole file.
  private final class WholeFile {
    var beginning: [UInt8] = []
    var length: UInt64 = 0
  }

  private func take(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ whole: WholeFile)
    throws(Failure)
  {
    whole.length = offset + UInt64(bytes.count)
    if whole.beginning.count < elfMagic.count {
      whole.beginning += bytes.prefix(elfMagic.count - whole.beginning.count)
      // An error page, for example, is not worth a download.
      guard elfMagic.starts(with: whole.beginning) else { throw .noPayload(source.name) }
    }
    let partial = try openPartialFile()
    try partial.write(bytes, at: offset)
  }

  private func finish(_ whole: WholeFile) throws(SourceError) {
    let (partial, appended) = try lasting { () throws(Failure) -> (PartialFile, [UInt8]) in
      guard let partial = self.partial else { throw .sourceIsNoOnefile(source) }
      try partial.resize(to: whole.length)
      do throws(Failure) { return (partial, try appendedBytes(of: try openPartial(partial))) } catch
      {
        throw error.kind == .noPayload ? .sourceIsNoOnefile(source) : error
      }
    }
    try findSignature(appended: appended)
    try lasting { () throws(Failure) -> Void in try publish(partial) }
  }

  // MARK: Result

  private func fillResult() {
    result.requests = source.requests
    result.received = source.receivedBytes
    result.reused = seeds.seeds.map {
      FetchResult.Reuse(path: $0.name, damagedFrames: $0.damaged)
    }
    var resumed = FetchResult.Reuse(path: PartialFile.path(for: place))
    for piece in result.pieces {
      switch origins[piece.hash] {
      case .seed(let index): result.reused[index].add(piece)
      case .partial: resumed.add(piece)
      case .source, nil: result.fetched.add(piece)
      }
    }
    result.reused.append(resumed)
    if result.isWhole { result.fetched = .init(frames: result.received) }
  }
}

/// The first bytes of every onefile, because its bootloader is an ELF file.
private let elfMagic: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]

/// Where `--keep-previous` leaves the old file.
func previousPath(of place: OutputPlace) -> Path {
  place.path.joined(Path(".previous").bytes)
}
