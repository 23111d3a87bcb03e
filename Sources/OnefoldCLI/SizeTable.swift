import Insight
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
  return sizeTable(MeasuredTree(manifest) { owners.name(of: $0) })
}

/// The rows of a tree, the largest in the file first.
func sizeTable(_ tree: MeasuredTree) -> [SizeRow] {
  var rows = tree.owners.map { SizeRow(name: $0, unpacked: 0, packed: 0, files: 0) }
  for index in 0..<tree.manifest.entryCount {
    guard let owner = tree.owner(of: index) else { continue }
    rows[owner].unpacked += tree.manifest.entry(index).size
    rows[owner].packed += tree.packed(index)
    rows[owner].files += 1
  }
  if tree.unused > 0 {
    rows.append(
      SizeRow(name: [UInt8]("(not used)".utf8), unpacked: 0, packed: tree.unused, files: 0))
  }
  return rows.sorted { a, b in
    if a.packed != b.packed { return a.packed > b.packed }
    if a.unpacked != b.unpacked { return a.unpacked > b.unpacked }
    return a.name.lexicographicallyPrecedes(b.name)
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
