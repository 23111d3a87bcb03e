import PayloadFormat

extension Schema {
  /// The rules between the keys of one table.
  ///
  /// The decoder reports violations in its own words; the JSON Schema is generated from these rules.
  public enum Rule: Sendable {
    case needed(String)
    case exactlyOne([String])
    case atLeastOne([String])
    case exclusive(String, String)
    /// At most one of the keys has this value.
    case notBoth(String, String, value: String)
    /// The first key needs one of the others.
    case goesWith(String, [String])
    /// If the text of the first matches the pattern, the other is needed.
    case needsIfMatches(String, String, needed: String)
    /// The key is needed, unless all keys of `present` are there, each below the one before, and no key of `absent` is.
    case unless(String, present: [String], absent: [String])
    /// The range of an integer if another key has a value; nil if the integer is then forbidden.
    case range(String, ClosedRange<Int>?, key: String, value: String, isDefault: Bool)
  }

  /// The rules of the table with this path; "" is the whole spec.
  public static func rules(of path: String) -> [Rule] {
    switch path {
    case "":
      [
        .needed("launch"),
        .unless(
          "python", present: ["launch", "executable"], absent: ["dependencies", "prune"]),
      ]
    case "app.version": [.exactlyOne(["file", "project", "git"])]
    case "python":
      [
        .atLeastOne(["version", "prefix", "archive"] + Target.all.map(\.name)),
        .exclusive("prefix", "archive"), .goesWith("sha256", ["archive"]),
        .needsIfMatches("archive", Form.url, needed: "sha256"),
      ]
    case _ where path.hasPrefix("python."):
      [
        .exactlyOne(["prefix", "archive"]), .goesWith("sha256", ["archive"]),
        .needsIfMatches("archive", Form.url, needed: "sha256"),
      ]
    // A requirements file can be a lock.
    case "dependencies": [.goesWith("extras", ["project", "lock", "requirements"])]
    case "prune": [.notBoth("sources", "byte-code", value: "drop")]
    // Without a target, the source's last component is its name in the tree.
    case "data": [.needsIfMatches("source", "(^|/)\\.\\./*$", needed: "target")]
    case "commands": [.exactlyOne(["module", "function", "script", "executable"])]
    case "launch":
      [
        .exactlyOne(["module", "function", "script", "executable"]),
        .goesWith("instance-key", ["instance"]),
      ]
    case "archive":
      Schema.codecs.map {
        .range(
          "level", $0.levels, key: "codec", value: "\($0.name)", isDefault: $0 == .zstd)
      }
    default: []
    }
  }
}
