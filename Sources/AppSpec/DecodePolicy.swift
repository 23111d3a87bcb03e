// The table [policy]: the rules that a build must keep.

extension Spec {
  /// [policy].
  public struct Policy: Sendable {
    public var denyLicenses: [Located<LicensePattern>] = []
    /// Components whose licences are not checked; normalized names.
    public var licenseExceptions: [Located<String>] = []
    public var deny: [Located<DeniedVersions>] = []
    /// The place of `require-hashes` if it is true; nil otherwise.
    public var requireHashes: SpecPlace?
    /// Bytes.
    public var maxSize: Located<UInt64>?
    /// Two numbers, each at most 999: "2.31".
    public var maxGlibc: Located<String>?
    /// Thousandths of the new file.
    public var maxUpdate: Located<UInt64>?
  }

  /// The newest glibc that a file may need, from `[python]` or `[policy]`; nil for no limit.
  public var glibcLimit: Located<String>? { python?.maxGlibc ?? policy.maxGlibc }

  /// The most bytes of the packed file, from `[archive]` or `[policy]`, and the key; nil for no limit.
  public var sizeLimit: (limit: Located<UInt64>, key: String)? {
    archive.maxSize.map { ($0, "archive.max-size") }
      ?? policy.maxSize.map { ($0, "policy.max-size") }
  }
}

extension SpecDecoder {
  mutating func policy() -> Spec.Policy {
    var policy = Spec.Policy()
    guard let table = root.table("policy") else { return policy }
    policy.denyLicenses = table.texts("deny-licenses").compactMap { licensePattern($0) }
    policy.licenseExceptions = table.texts("license-exceptions").map {
      Located(normalizedName($0.value), $0.place)
    }
    policy.deny = table.texts("deny").compactMap { item in
      if let versions = DeniedVersions(item.value) { return Located(versions, item.place) }
      report(
        item.place,
        "'policy.deny' holds distributions and versions such as urllib3<2.1 (PEP 440), without extras, "
          + "markers and URLs, not \(quoted(item.value))")
      return nil
    }
    if table.boolean("require-hashes") == true {
      policy.requireHashes = table.place(of: "require-hashes")
    }
    policy.maxSize = size("max-size", table)
    policy.maxGlibc = glibcVersion("max-glibc", table, "policy")
    policy.maxUpdate = share("max-update", table)
    for (key, other) in [("max-size", "archive"), ("max-glibc", "python")]
    where table.has(key) && root.table(other)?.has(key) == true {
      report(
        table.place(of: key), "'policy.\(key)' and '\(other).\(key)' are the same limit: give one")
    }
    return policy
  }

  private mutating func licensePattern(_ item: Located<String>) -> Located<LicensePattern>? {
    do throws(LicensePattern.Problem) {
      return Located(try LicensePattern(item.value), item.place)
    } catch {
      report(item.place, "'policy.deny-licenses': \(quoted(item.value)) \(error.text)")
      return nil
    }
  }

  private mutating func share(_ key: String, _ table: SpecTable) -> Located<UInt64>? {
    guard let text = table.text(key) else { return nil }
    guard let value = thousandths(ofPercentage: text.value) else {
      report(
        text.place,
        "'policy.\(key)' must be 0% to 100%, with at most one decimal, not \(quoted(text.value))")
      return nil
    }
    return Located(value, text.place)
  }

  /// A number of bytes or a text with a unit; nil if it is missing or wrong, which `SchemaCheck` reports.
  func size(_ key: String, _ table: SpecTable) -> Located<UInt64>? {
    if let text = table.text(key) { return byteCount(text.value).map { Located($0, text.place) } }
    guard let number = table.integer(key), number.value > 0 else { return nil }
    return Located(UInt64(number.value), number.place)
  }
}
