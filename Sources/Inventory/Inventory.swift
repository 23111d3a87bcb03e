internal import AppSpec

/// The contents of a packed application: the model of its software bill of materials (SBOM).
public struct Inventory: Equatable, Sendable {
  /// The packed application.
  public var application: Component
  public var components: [Component]
  /// References of the components that a component needs, by its own reference.
  public var dependencies: [String: [String]]
  /// "onefold" and its version; nil if another tool made the document.
  public var packer: (name: String, version: String)?
  /// Seconds since 1970; nil for no time.
  public var time: Int64?
  /// The inputs that the file was made from (`Provenance`).
  public var properties: [Component.Property]

  public init(
    application: Component, components: [Component] = [], dependencies: [String: [String]] = [:],
    packer: (name: String, version: String)? = nil, time: Int64? = nil,
    properties: [Component.Property] = []
  ) {
    self.application = application
    self.components = components
    self.dependencies = dependencies
    self.packer = packer
    self.time = time
    self.properties = properties
  }

  public static func == (a: Inventory, b: Inventory) -> Bool {
    a.application == b.application && a.components == b.components
      && a.dependencies == b.dependencies && a.packer?.name == b.packer?.name
      && a.packer?.version == b.packer?.version && a.time == b.time && a.properties == b.properties
  }

  /// All components with their parts, without the application.
  public var allComponents: [Component] { components.flatMap(\.withParts) }

  // MARK: Reasons

  /// The reasons why a component is in the application: one shortest chain for each component that needs it directly,
  /// from the application to the component. Sorted by length, then by name.
  ///
  /// A component that nothing needs has no chain. Cycles of dependencies do no harm.
  public func chains(to reference: String) -> [[Component]] {
    let all = Dictionary([application] + allComponents, by: \.reference)
    let before = distances()
    var chains: [[Component]] = []
    for (user, needs) in dependencies where needs.contains(reference) && user != reference {
      guard var chain = all[reference].map({ [$0] }) else { return [] }
      var next: String? = user
      while let reference = next, let component = all[reference] {
        chain.append(component)
        next = before[reference] ?? nil
      }
      guard chain.last?.reference == application.reference else { continue }
      // A chain through the component itself explains nothing.
      let isDirect = chain.dropFirst().allSatisfy { $0.reference != reference }
      if isDirect { chains.append(chain.reversed()) }
    }
    return chains.sorted { a, b in
      a.count != b.count ? a.count < b.count : names(a).lexicographicallyPrecedes(names(b))
    }
  }

  private func names(_ chain: [Component]) -> [String] { chain.map(\.name) }

  /// The component before each one on a shortest path from the application; nil for the application itself.
  private func distances() -> [String: String?] {
    var before: [String: String?] = [application.reference: nil]
    var queue = [application.reference]
    var next = 0
    while next < queue.count {
      for need in (dependencies[queue[next]] ?? []).sorted() where before[need] == nil {
        before[need] = .some(queue[next])
        queue.append(need)
      }
      next += 1
    }
    return before
  }

  /// The components with this name, as PEP 503 compares names; libraries also by their file's name.
  public func components(named name: String) -> [Component] {
    let wanted = normalizedName(name)
    return allComponents.filter { normalizedName($0.name) == wanted }
  }

  /// The known name that is most like `name`; nil if none is near.
  public func nearestName(to name: String) -> String? {
    nearest(to: name, in: allComponents.map(\.name))
  }
}

extension Dictionary {
  /// The values by key; the first of several with one key counts.
  fileprivate init(_ values: [Value], by key: (Value) -> Key) {
    self.init(values.map { (key($0), $0) }) { first, _ in first }
  }
}
