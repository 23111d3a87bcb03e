import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

/// Damages every region of a file in many places. Each damage is refused with its own error before any of its
/// data is used, and none ends the process.
///
/// `ONEFOLD_SWEEP_FILE` names a packed file to damage instead of the one made here. `ONEFOLD_SWEEP_FLIPS` and
/// `ONEFOLD_SWEEP_CUTS` set the number of damages.
@Suite struct DamageSweepTests {
  @Test func everyFlipIsRefused() throws {
    let sweep = try DamageSweep()
    let flips = sweep.flips(try number("ONEFOLD_SWEEP_FLIPS") ?? 20_000)
    let outcomes = try sweep.run(flips.map { .flip($0.offset, mask: $0.mask) })
    for (flip, outcome) in zip(flips, outcomes) where !isRefusal(outcome) {
      Issue.record("byte \(flip.offset) ^ \(flip.mask) in the \(flip.region): '\(outcome)'")
    }
    for region in sweep.regions {
      let outcomes = zip(flips, outcomes).filter { $0.0.region == region.name }.map { $0.1 }
      #expect(!outcomes.isEmpty, "the \(region.name) was not touched")
      report("\(region.name), \(region.range.count) bytes: \(outcomes.count) flips", outcomes)
    }
  }

  @Test func everyCutIsRefused() throws {
    let sweep = try DamageSweep()
    let cuts = sweep.cuts(try number("ONEFOLD_SWEEP_CUTS") ?? 1000)
    let outcomes = try sweep.run(cuts.map { .cut($0) })
    for (length, outcome) in zip(cuts, outcomes) where !isRefusal(outcome) {
      Issue.record("cut to \(length) bytes: '\(outcome)'")
    }
    report("\(cuts.count) cuts", outcomes)
  }

  /// Tests the sweep itself: the undamaged file is accepted, and has every part that the sweep damages.
  @Test func theWholeFileIsAccepted() throws {
    let sweep = try DamageSweep()
    #expect(try sweep.run([.flip(0, mask: 0), .cut(sweep.bytes.count)]) == ["", ""])
    #expect(sweep.regions.count >= 6)
    #expect(sweep.regions.reduce(0) { $0 + $1.range.count } == sweep.bytes.count)
  }

  /// Whether the outcome says that bytes are wrong or missing, instead of a failed call.
  private func isRefusal(_ outcome: String) -> Bool {
    outcome != "" && !outcome.hasPrefix("system") && !outcome.hasPrefix("signal")
  }

  private func number(_ variable: StaticString) throws -> Int? {
    guard let value = ProcessContext.environment(variable) else { return nil }
    let number: Int = try #require(Int(value.string), "\(variable) is not a number")
    return number
  }

  /// Prints a line of the sweep's summary: the count of each outcome.
  private func report(_ what: String, _ outcomes: [String]) {
    var counts: [String: Int] = [:]
    for outcome in outcomes { counts[outcome.isEmpty ? "accepted" : outcome, default: 0] += 1 }
    let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let text = sorted.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    writeBytes([UInt8]("sweep: \(what): \(text)\n".utf8), to: 1)
  }
}

/// A file, its regions, and ways to damage it.
private final class DamageSweep: Sendable {
  enum Damage {
    case flip(Int, mask: UInt8)
    /// The number of bytes that are left.
    case cut(Int)
  }

  struct Flip {
    var region: String
    var offset: Int
    var mask: UInt8
  }

  let bytes: [UInt8]
  let regions: [(name: String, range: Range<Int>)]
  private let directory: TemporaryDirectory

  init() throws {
    let directory = try TemporaryDirectory()
    if let path = ProcessContext.environment("ONEFOLD_SWEEP_FILE") {
      bytes = try readFile(path)
    } else {
      bytes = DamageSweep.sample().encoded()
    }
    let payload = try Payload.open(try directory.write("whole", bytes))
    let manifest = try payload.readManifest()
    let trailer = payload.trailer
    var ends = [("bootloader", trailer.bootloaderLength), ("padding", trailer.payloadOffset)]
    for index in 0..<manifest.frameCount {
      let frame = manifest.frame(index)
      ends.append(
        ("frame \(index)", trailer.payloadOffset + frame.offset + UInt64(frame.storedLength)))
    }
    ends += [
      ("manifest", trailer.recordOffset), ("record", trailer.trailerOffset),
      ("trailer", trailer.trailerOffset + UInt64(Trailer.byteCount)),
    ]
    try directory.remove("whole")
    var regions: [(name: String, range: Range<Int>)] = []
    var start = 0
    for (name, end) in ends where Int(end) > start {
      regions.append((name, start..<Int(end)))
      start = Int(end)
    }
    self.regions = regions
    self.directory = directory
  }

  /// About 60 kB: frames of all codecs, files in one frame, a file of several frames and a hole, and a compressed
  /// manifest.
  private static func sample() -> Onefile {
    var onefile = Onefile.sample()
    onefile.bootloader = noise(3000, seed: 9)
    let text = [UInt8]((0..<6000).map { "\($0 * $0) lines\n" }.joined().utf8)
    for (name, stored, codec) in [
      ("text.xz", xz(text), Codec.xz), ("text.zstd", zstd(text), .zstd),
    ] {
      onefile.frames.append(Onefile.Frame(stored: stored, rawLength: text.count, codec: codec))
      onefile.segments.append(
        Manifest.Segment(frame: onefile.frames.count - 1, offset: 0, length: UInt64(text.count)))
      let last = onefile.segments.count - 1
      // The sample's last entries are in a directory, so these must be too.
      onefile.add(
        name, in: 2,
        .file(size: UInt64(text.count), segments: last..<last + 1, hash: digest(text)))
    }
    onefile.record.arguments = [[UInt8]("--home={root}".utf8)]
    onefile.storedManifest = (zstd(onefile.manifest()), .zstd)
    return onefile
  }

  /// Returns distinct flips: the same number in each region, at equal distances. If a region has fewer bytes than
  /// flips, each byte is changed in several ways.
  func flips(_ count: Int) -> [Flip] {
    let each = (count + regions.count - 1) / regions.count
    return regions.flatMap { region in
      let length = region.range.count
      return (0..<min(each, length * 255)).map { index in
        let place = each >= length ? index % length : index * length / each
        let pass = each >= length ? index / length : index
        return Flip(
          region: region.name, offset: region.range.lowerBound + place,
          mask: DamageSweep.masks[pass % 255])
      }
    }
  }

  /// Single bits come first.
  private static let masks: [UInt8] =
    (0..<8).map { 1 << UInt8($0) } + (1...255).filter { $0.nonzeroBitCount > 1 }

  /// Lengths around the edges of all regions, and at equal distances; the longest first.
  func cuts(_ count: Int) -> [Int] {
    var lengths: Set<Int> = []
    for region in regions {
      lengths.formUnion((-2...2).map { region.range.lowerBound + $0 })
    }
    let spread = count - min(count, lengths.count) + 5
    lengths.formUnion((0..<spread).map { $0 * bytes.count / spread })
    var next = bytes.count - 1
    while lengths.filter({ 0..<bytes.count ~= $0 }).count < min(count, bytes.count) {
      lengths.insert(next)
      next -= 1
    }
    return lengths.filter { 0..<bytes.count ~= $0 }.sorted(by: >)
  }

  /// The failures of reading and verifying the file, one for each damage: "" if it is accepted.
  func run(_ damages: [Damage]) throws -> [String] {
    let workers = ProcessContext.processorCount
    let files = try (0..<workers).map { number in
      try directory.write("\(number)", bytes)
    }
    let outcomes = ParallelResults<String>(count: damages.count)
    runWorkers(workers) { number in
      guard let file = try? FileDescriptor.open(files[number], .write) else { return }
      for index in stride(from: number, to: damages.count, by: workers) {
        outcomes[index] = try? self.outcome(of: damages[index], file, files[number])
      }
    }
    return try (0..<damages.count).map { try #require(outcomes[$0], "damage \($0) was not tried") }
  }

  private func outcome(of damage: Damage, _ file: borrowing FileDescriptor, _ path: Path) throws
    -> String
  {
    switch damage {
    case .flip(let offset, let mask): try file.write([bytes[offset] ^ mask], at: offset)
    case .cut(let length): try file.resize(to: Int64(length))
    }
    let outcome = failure { () throws(Failure) in try verify(try Payload.open(path)) }
    if case .flip(let offset, _) = damage { try file.write([bytes[offset]], at: offset) }
    return outcome
  }
}

extension FileDescriptor {
  fileprivate borrowing func write(_ bytes: [UInt8], at offset: Int) throws {
    try bytes.withUnsafeBytes { try write($0, at: Int64(offset)) }
  }
}
