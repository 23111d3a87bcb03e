import PayloadFormat

extension Schema {
  /// What the keys of one table have to do with each other. The decoder reports what breaks a rule, in words of its
  /// own; the JSON Schema is made of these.
  public enum Rule: Sendable {
    case needed(String)
    case exactlyOne([String])
    case atLeastOne([String])
    case exclusive(String, String)
    /// Not both keys may have this value.
    case notBoth(String, String, value: String)
    /// The first goes with one of the others only.
    case goesWith(String, [String])
    /// If the text of the first matches the pattern, the other is needed.
    case needsIfMatches(String, String, needed: String)
    /// The key is needed, unless the keys of `present` are there, each below the one before, and those of `absent`
    /// are not.
    case unless(String, present: [String], absent: [String])
    /// A text among those that the keys hold matches the pattern.
    case matches([String], String)
    /// The range of an integer if another key has a value; nil if the integer must not be there then.
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
    // A requirements file may be a lock.
    case "dependencies": [.goesWith("extras", ["project", "lock", "requirements"])]
    case "prune": [.notBoth("sources", "byte-code", value: "drop")]
    // Without a target, the source's last component is its name in the tree.
    case "data": [.needsIfMatches("source", "(^|/)\\.\\./*$", needed: "target")]
    case "launch": [.exactlyOne(["module", "function", "script", "executable"])]
    case "smoke.http": [.matches(["arguments", "environment"], "\\{port\\}")]
    case "archive":
      Schema.codecs.map {
        .range(
          "level", $0.levels, key: "codec", value: "\($0.name)", isDefault: $0 == .zstd)
      }
    default: []
    }
  }
}
