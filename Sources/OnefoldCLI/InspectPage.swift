import Insight
import Inventory
import OutputFiles
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// `onefold inspect --html`: writes a page that shows what is in a onefile.
///
/// The page appears when it is complete.
func writePage(_ payload: Payload, _ manifest: Manifest, _ arguments: Arguments) throws(Failure) {
  guard let path = arguments.value("--html") else { return }
  let page = try OutputFile(try OutputPlace(path), mode: 0o666)
  TerminationSignals.hold()
  let update = try arguments.value("--against").map { (path) throws(Failure) in
    let old = try Payload.open(path)
    return UpdateCost(try compare(old, with: payload), old)
  }
  let owners = try FileOwners(payload, manifest)
  let tree = MeasuredTree(manifest) { owners.name(of: $0) }
  let hasInventory = manifest.file(at: OwnFiles.inventory) != nil
  let inventory = hasInventory ? try readInventory(payload, manifest) : nil
  let composition = Composition(
    tree, inventory, kindOf: { owners.kind(of: $0) }, ownerOf: { owners.name(of: $0) })
  let record = payload.record
  let title = applicationTitle(record.name, record.version)
  let view = InsightPage(
    title: title, fileBytes: payload.length, glibc: record.glibc,
    glibcOwner: record.glibc.map { owners.name(of: $0.file) } ?? [],
    hasSpec: inventory?.properties.contains { $0.name == "onefold:spec:sha256" } ?? false,
    tree: tree,
    composition: composition, surprises: try surprises(in: tree, owners, of: payload),
    update: update)
  let heading =
    "onefold inspect \(version), \(escapedText(record.target)), tree id \(hexText(payload.treeID.bytes))"
  try page.write(view.html(heading: heading))
  if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
  try page.publish()
  writeMessage("wrote \(path.quoted): \(counted(page.length, "byte"))\n")
}

extension UpdateCost {
  fileprivate init(_ comparison: Comparison, _ old: Payload) {
    let counts = Comparison.Difference.allCases.map { ($0, comparison.count($0)) }
      .filter { $0.1 > 0 }.map { "\(grouped(UInt64($0.1))) \($0.0.words)" }
    self.init(
      old: old.path.string, fetchedBytes: comparison.fetchedBytes, bytes: comparison.bytes,
      frames: comparison.frames, reusedFrames: comparison.reusedFrames,
      causes: comparison.causes.map { ($0.name, $0.bytes) },
      distributions: comparison.distributions.map { ($0.name, $0.oldVersion, $0.newVersion) },
      counts: counts + ["\(grouped(UInt64(comparison.sameEntries))) the same"])
  }
}
