public import PayloadFormat
public import PayloadReader
public import Posix
import Reporting

/// The size of a distribution, the interpreter or a directory in a onefile.
public struct SizeRow: Equatable, Sendable {
  /// "numpy 2.4.6", "python 3.11" or "static/". Paths need not be UTF-8.
  public var name: [UInt8]
  /// Bytes of the files; identical files count each time.
  public var unpacked: UInt64
  /// Bytes in the packed file: a share of each frame in proportion to the raw bytes. Content shared by several files
  /// counts for the first.
  public var packed: UInt64
  /// The number of files, without hard links.
  public var files: Int
}

/// The rows of a onefile, the largest in the file first.
///
/// The rows add up to the bytes and number of all files, and to the bytes of all frames. Decodes the frames that hold
/// the distributions' file lists.
///
/// - Throws: a failure if the file cannot be read or is damaged.
public func sizeTable(of payload: Payload, manifest: Manifest) throws(Failure) -> [SizeRow] {
  let owners = try FileOwners(payload, manifest)
  var rows: [SizeRow] = []
  var numbers: [[UInt8]: Int] = [:]
  func row(_ name: [UInt8]) -> Int {
    if let number = numbers[name] { return number }
    numbers[name] = rows.count
    rows.append(SizeRow(name: name, unpacked: 0, packed: 0, files: 0))
    return rows.count - 1
  }

  // A segment belongs to the row of the first file that refers to it.
  var rowOfSegment = [Int?](repeating: nil, count: manifest.segmentCount)
  for index in 0..<manifest.entryCount {
    let entry = manifest.entry(index)
    guard entry.type == .file else { continue }
    let number = row(owners.name(of: manifest.path(of: index)))
    rows[number].unpacked += entry.size
    rows[number].files += 1
    for segment in entry.segments where rowOfSegment[segment] == nil {
      rowOfSegment[segment] = number
    }
  }
  var shares = FrameShares(manifest, segments: rowOfSegment.map { $0 != nil })
  for (index, number) in rowOfSegment.enumerated() {
    if let number { rows[number].packed += shares.take(manifest, manifest.segment(index)) }
  }
  if shares.unused > 0 { rows[row([UInt8]("(not used)".utf8))].packed += shares.unused }
  return rows.sorted { a, b in
    if a.packed != b.packed { return a.packed > b.packed }
    if a.unpacked != b.unpacked { return a.unpacked > b.unpacked }
    return a.name.lexicographicallyPrecedes(b.name)
  }
}

/// Divides the stored bytes of frames among their segments without losing bytes to rounding.
struct FrameShares {
  /// For each frame, the total length of all its segments and of those already taken.
  private var all: [UInt64]
  private var taken: [UInt64]
  /// Bytes of the frames without segments.
  private(set) var unused: UInt64 = 0

  init(_ manifest: Manifest, segments isUsed: [Bool]) {
    all = [UInt64](repeating: 0, count: manifest.frameCount)
    taken = all
    for index in isUsed.indices where isUsed[index] {
      let segment = manifest.segment(index)
      if let frame = segment.frame { all[frame] += segment.length }
    }
    for frame in all.indices where all[frame] == 0 {
      unused += UInt64(manifest.frame(frame).storedLength)
    }
  }

  mutating func take(_ manifest: Manifest, _ segment: Manifest.Segment) -> UInt64 {
    guard let frame = segment.frame else { return 0 }
    let stored = UInt64(manifest.frame(frame).storedLength)
    let before = part(stored, taken[frame], all[frame])
    taken[frame] += segment.length
    return part(stored, taken[frame], all[frame]) - before
  }

  /// `stored` times `some` divided by `all`; `some` is at most `all`.
  private func part(_ stored: UInt64, _ some: UInt64, _ all: UInt64) -> UInt64 {
    some == all ? stored : all.dividingFullWidth(stored.multipliedFullWidth(by: some)).quotient
  }
}

// MARK: Text

/// A line for each row and one for the sums.
///
/// Rows below 0.5 % of both sums share one line, unless `all` is set.
func text(_ rows: [SizeRow], all: Bool) -> String {
  var total = SizeRow(name: [UInt8]("total".utf8), unpacked: 0, packed: 0, files: 0)
  for row in rows { total.add(row) }
  var others = SizeRow(name: [], unpacked: 0, packed: 0, files: 0)
  var shown: [SizeRow] = []
  for row in rows {
    if all || row.unpacked >= total.unpacked / 200 || row.packed >= total.packed / 200 {
      shown.append(row)
    } else {
      others.add(row)
    }
  }
  let hidden = rows.count - shown.count
  var text = "    unpacked      packed     files  name\n"
  for row in shown { text += line(row) }
  if hidden > 0 {
    others.name = counted(hidden, "other").bytes
    text += line(others)
  }
  return text + line(total)
}

private func line(_ row: SizeRow) -> String {
  column("\(megabytes(row.unpacked)) MB", 12) + column("\(megabytes(row.packed)) MB", 12)
    + column(grouped(UInt64(row.files)).string, 10) + "  \(escapedText(row.name))\n"
}

/// Right-aligned, with at least one space before it.
func column(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(1, width - text.utf8.count)) + text
}

func json(_ rows: [SizeRow]) -> JSON {
  .array(
    rows.map { row in
      .object([
        ("name", .text(row.name)), ("unpacked", .number(row.unpacked)),
        ("packed", .number(row.packed)), ("files", .number(UInt64(row.files))),
      ])
    })
}

extension SizeRow {
  fileprivate mutating func add(_ other: SizeRow) {
    unpacked += other.unpacked
    packed += other.packed
    files += other.files
  }
}
