/// The name that differs least from `text`, if it is similar enough. Of several, the first.
public func nearest(to text: String, in names: [String]) -> String? {
  let ranked = names.map { (distance: editDistance(text, $0), name: $0) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  return best.distance <= max(2, text.utf8.count / 3) ? best.name : nil
}

/// The number of insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
private func editDistance(_ a: String, _ b: String) -> Int {
  let left = Array(a.utf8)
  let right = Array(b.utf8)
  var row = Array(0...right.count)
  for (i, x) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in right.enumerated() {
      let above = row[j + 1]
      row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
      diagonal = above
    }
  }
  return row[right.count]
}
