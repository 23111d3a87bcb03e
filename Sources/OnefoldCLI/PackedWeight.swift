import Insight
import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// What a packed file weighs, and what its maker may not expect in it.
struct PackedWeight {
  let sizes: [SizeRow]
  let surprises: [Surprise]

  /// Reads the file, and decodes some of its frames.
  init(_ payload: Payload) throws(Failure) {
    let manifest = try payload.readManifest()
    let owners = try FileOwners(payload, manifest)
    let tree = MeasuredTree(manifest) { owners.name(of: $0) }
    sizes = sizeTable(tree)
    surprises = try OnefoldCLI.surprises(in: tree, owners, of: payload)
  }
}

func json(_ surprises: [Surprise]) -> JSON { .array(surprises.map(\.json)) }
