import AppSpec
import BinaryRelocation
import Insight
import Inventory
import Licenses
import PayloadFormat
import PayloadReader
import Posix
import PythonStaging
import Reporting

/// Checks the rules of a spec's `[policy]`, each as early as it can be checked.
///
/// 1. Before anything is installed: hashes.
/// 2. Before the tree is compressed: licences, denied versions, glibc.
/// 3. Before the file gets its name: its size, and what an update fetches.
///
/// Each step reports all rules that it finds broken, and ends the build.
struct PolicyCheck: Sendable {
  private let spec: Spec
  private let workers: Int
  private let isJSON: Bool
  /// The file that an update is from; nil if the spec has no rule for it or there is none.
  private let previous: Payload?
  /// The path of the file that is replaced, for messages.
  private let replaced: Path

  private var policy: Spec.Policy { spec.policy }
  /// Whether the rules are about components.
  var needsInventory: Bool { !policy.denyLicenses.isEmpty || !policy.deny.isEmpty }

  /// Opens the previous release.
  ///
  /// - Throws: an error if `--against` names no release of this application, or goes with no rule.
  init(_ spec: Spec, _ arguments: Arguments, replacing path: Path, workers: Int) throws(Failure) {
    self.spec = spec
    self.workers = workers
    isJSON = arguments.has("--json")
    replaced = path
    let wanted = "\(quotedText(spec.app.name.value.utf8)) for \(spec.target.name)"
    guard let given = arguments.value("--against") else {
      let old = spec.policy.maxUpdate == nil ? nil : try? Self.release(path)
      previous = old?.title == wanted ? old?.payload : nil
      return
    }
    guard spec.policy.maxUpdate != nil else {
      throw .failed(spec.place, "option '--against' needs the rule 'policy.max-update' in the spec")
    }
    let old = try Self.release(given)
    guard old.title == wanted else {
      throw .failed(
        "option '--against': \(given.quoted) holds \(old.title), not \(wanted): give an earlier file of this "
          + "application")
    }
    previous = old.payload
  }

  /// A file whose manifest can be read, and its application and target for comparison and messages.
  private static func release(_ path: Path) throws(Failure) -> (payload: Payload, title: String) {
    let payload = try Payload.open(path)
    _ = try payload.readManifest()
    let record = payload.record
    return (payload, "\(quotedText(record.name)) for \(escapedText(record.target))")
  }

  // MARK: Steps

  /// Checks requirements before they are installed.
  @Sendable func checkHashes(_ unhashed: [UnhashedRequirement]) throws(Failure) {
    guard let place = policy.requireHashes else { return }
    try report(
      unhashed.map { one in
        let from = one.place.isEmpty ? "" : "\(shown(one.place)): "
        let users =
          one.neededBy.isEmpty ? "" : " (required by \(one.neededBy.joined(separator: ", ")))"
        return BrokenRule(
          rule: "require-hashes", place: place, component: one.name, chain: one.neededBy,
          message:
            "'policy.require-hashes': \(from)\(printable(one.name)) has no hash\(users): lock it with hashes"
        )
      })
  }

  /// A place of a requirement, from the spec's directory if it is below that.
  private func shown(_ place: String) -> String {
    let directory = spec.directory.string + "/"
    return printable(place.hasPrefix(directory) ? String(place.dropFirst(directory.count)) : place)
  }

  /// Checks the staged tree. `inventory` may be nil if `needsInventory` is false.
  func checkTree(_ staged: StagedApplication, _ inventory: Inventory?) throws(Failure) {
    var broken: [BrokenRule] = []
    if let inventory {
      broken += try deniedVersions(staged, inventory)
      broken += deniedLicenses(inventory)
    }
    broken += try glibc(staged, inventory)
    try report(broken)
  }

  /// Checks the packed file.
  func checkFile(_ file: Payload, _ weight: PackedWeight) throws(Failure) {
    var broken: [BrokenRule] = []
    if let rule = size(file, weight.sizes) {
      writeNotice(
        OnefoldCLI.text(weight.sizes, all: false) + surpriseText(weight.surprises, hasSpec: true))
      broken.append(rule)
    }
    if let limit = policy.maxUpdate, let previous {
      broken += try update(from: previous, to: file, limit)
    }
    try report(broken)
  }

  private func report(_ broken: [BrokenRule]) throws(Failure) {
    guard !broken.isEmpty else { return }
    let ordered = BrokenRule.ordered(broken)
    if isJSON { try writeData(BrokenRule.json(ordered).encoded) }
    throw .failed(SpecError(ordered.map { .init($0.place, $0.message) }).description)
  }

  // MARK: Components

  private func deniedVersions(_ staged: StagedApplication, _ inventory: Inventory) throws(Failure)
    -> [BrokenRule]
  {
    var found: [(item: Located<DeniedVersions>, component: Component)] = []
    for component in inventory.allComponents {
      for item in policy.deny where component.isDenied(byName: item.value.name) {
        found.append((item, component))
      }
    }
    let asked = found.filter { !$0.item.value.specifier.isEmpty }
    var answers = try staged.fulfilled(
      asked.map { ($0.item.value.specifier, $0.component.version) })[...]
    var broken: [BrokenRule] = []
    for (item, component) in found {
      var reason = ""
      if !item.value.specifier.isEmpty {
        guard let answer = answers.popFirst() else { break }
        if answer == false { continue }
        if answer == nil { reason = "; its version can't be compared" }
      }
      let chain = chain(to: component, inventory)
      broken.append(
        BrokenRule(
          rule: "deny", place: item.place, component: component.title, chain: chain.titles,
          message:
            "'policy.deny' has \(printable(item.value.text)): \(printable(component.title)) is in the tree"
            + "\(reason)\(chain.text): exclude it or take another version"))
    }
    return broken
  }

  private func deniedLicenses(_ inventory: Inventory) -> [BrokenRule] {
    inventory.deniedLicenses(
      policy.denyLicenses.map(\.value), exceptions: policy.licenseExceptions.map(\.value)
    ).map { denied in
      let item = policy.denyLicenses[denied.item]
      let chain = chain(to: denied.component, partOf: denied.owner, inventory)
      let title = printable(denied.component.title)
      return BrokenRule(
        rule: "deny-licenses", place: item.place, component: denied.component.title,
        chain: chain.titles,
        message:
          "'policy.deny-licenses' has \(item.value.text): \(title) \(words(denied))\(chain.text): "
          + "exclude it, or name it in policy.license-exceptions")
    }
  }

  /// "has the licence GPL-3.0-only" and the like.
  private func words(_ denied: DeniedLicense) -> String {
    let stated = printable(denied.stated)
    guard !denied.terms.isEmpty else {
      return denied.stated.isEmpty
        ? "states no licence" : "states the licence '\(stated)', which is not in the SPDX list"
    }
    let terms = denied.terms.map(\.description).joined(separator: ", ")
    if denied.isGuess { return "states the licence '\(stated)', which may be \(terms)" }
    return stated == terms ? "has the licence \(terms)" : "has the licence \(terms) in '\(stated)'"
  }

  /// A shortest chain from the application; for a part that nothing requires, the chain to `owner`.
  private func chain(
    to component: Component, partOf owner: Component? = nil, _ inventory: Inventory
  ) -> (titles: [String], text: String) {
    var chains = inventory.chains(to: component.reference)
    if chains.isEmpty, let owner, owner != component {
      chains = inventory.chains(to: owner.reference).map { $0 + [component] }
    }
    guard let first = chains.first else { return ([], "") }
    let titles = first.map(\.title)
    let more = chains.count > 1 ? ", and \(counted(chains.count - 1, "other chain"))" : ""
    return (titles, " (\(titles.map { printable($0) }.joined(separator: " > "))\(more))")
  }

  // MARK: Limits

  private func glibc(_ staged: StagedApplication, _ inventory: Inventory?) throws(Failure)
    -> [BrokenRule]
  {
    guard let limit = policy.maxGlibc,
      let most = GlibcVersion(parsing: [UInt8](limit.value.utf8).span),
      let breach = try glibcBreach(
        ofTree: staged.tree, most: most, option: "policy.max-glibc", workers: workers)
    else { return [] }
    var rule = BrokenRule(rule: "max-glibc", place: limit.place, message: breach.message)
    rule.component = breach.distribution ?? ""
    let name = rule.component.split(separator: " ").first.map(String.init) ?? ""
    if let inventory, let component = inventory.components(named: name).first {
      let chain = chain(to: component, inventory)
      rule.chain = chain.titles
      rule.message += chain.text
    }
    return [rule]
  }

  private func size(_ file: Payload, _ sizes: [SizeRow]) -> BrokenRule? {
    guard let (limit, key) = spec.sizeLimit, file.length > limit.value else { return nil }
    let largest = sizes.prefix(3).map { "\(escapedText($0.name)) (\(grouped($0.packed)) bytes)" }
    return BrokenRule(
      rule: "max-size", place: limit.place,
      message: "the packed file has \(counted(file.length, "byte")), more than \(key) allows "
        + "(\(grouped(limit.value))): the most is \(largest.joined(separator: ", ")); exclude or prune it"
    )
  }

  private func update(
    from old: Payload, to new: Payload, _ limit: Located<UInt64>
  ) throws(Failure) -> [BrokenRule] {
    let comparison = try compare(old, with: new)
    guard comparison.fetchedShare > limit.value else { return [] }
    return [
      BrokenRule(
        rule: "max-update", place: limit.place,
        message:
          "an update from \(old.path.quoted) fetches \(percent(comparison.fetchedShare)) of the file, and "
          + "policy.max-update allows \(percent(limit.value)): \(comparison.largestCauses)")
    ]
  }

  // MARK: Result

  private var rules: [String] {
    [
      ("deny-licenses", !policy.denyLicenses.isEmpty), ("deny", !policy.deny.isEmpty),
      ("require-hashes", policy.requireHashes != nil), ("max-size", policy.maxSize != nil),
      ("max-glibc", policy.maxGlibc != nil), ("max-update", policy.maxUpdate != nil),
    ].filter(\.1).map(\.0)
  }

  private var unchecked: [String] {
    policy.maxUpdate != nil && previous == nil ? ["max-update"] : []
  }

  /// A line for each exception that is about no component.
  func unusedExceptions(_ inventory: Inventory) -> [String] {
    let names = (inventory.application.parts.flatMap(\.withParts) + inventory.allComponents)
      .map { [UInt8](normalizedName($0.name).utf8) }
    return policy.licenseExceptions.filter { exception in
      let pattern = [UInt8](exception.value.utf8)
      return !names.contains { matchesGlob(pattern[...], $0[...]) }
    }.map {
      "\($0.place.description): policy.license-exceptions has '\(printable($0.value))', which is not in the file"
    }
  }

  /// About rules that could not be checked.
  var warnings: [String] {
    unchecked.isEmpty
      ? []
      : [
        "policy.max-update was not checked, because \(replaced.quoted) is no earlier file of this application: "
          + "name the previous release with --against"
      ]
  }

  /// A line of the summary; empty without rules.
  var text: String {
    let kept = rules.filter { !unchecked.contains($0) }
    return kept.isEmpty ? "" : "  policy: \(kept.joined(separator: ", ")) kept\n"
  }

  /// The rules that were checked and those that were not.
  var json: JSON {
    .object([
      ("kept", .array(rules.filter { !unchecked.contains($0) }.map { .string($0) })),
      ("unchecked", .array(unchecked.map { .string($0) })),
      ("against", previous.map { .text($0.path.bytes) } ?? .null),
    ])
  }
}

extension Component {
  /// Whether an item of `policy.deny` with this name is about the component: a distribution, or CPython as "python".
  fileprivate func isDenied(byName name: String) -> Bool {
    if kind == .platform, self.name == "CPython" { return name == "python" || name == "cpython" }
    guard isLocal || packageURL.hasPrefix("pkg:pypi/") else { return false }
    return normalizedName(self.name) == name
  }
}
