internal import AppSpec

/// The dependencies between the distributions of a tree, from their metadata.
public struct DistributionGraph: Sendable {
  /// For each distribution, the indices of those that it needs, in order.
  public private(set) var needs: [[Int]]
  /// The distributions that the application itself asks for. Each other one can be reached from these.
  public private(set) var roots: [Int] = []

  private let names: [String: Int]
  private let distributions: [DistributionMetadata]
  private let variables: [String: String]
  private var extras: [Set<String>]

  /// Decides which requirements count: those whose marker is true, with the extras that others ask for.
  ///
  /// The extras that the application itself asks for are not known here. If a distribution is there for no other
  /// reason, the extra of another one that needs it must have been asked for.
  ///
  /// - Parameters:
  ///   - asked: normalized names of those that the application asks for.
  ///   - variables: see `markerVariables`.
  public init(
    _ distributions: [DistributionMetadata], asked: Set<String>, variables: [String: String]
  ) {
    self.distributions = distributions
    self.variables = variables
    names = Dictionary(
      distributions.enumerated().map { (normalizedName($0.element.name), $0.offset) }
    ) { first, _ in first }
    needs = Array(repeating: [], count: distributions.count)
    extras = Array(repeating: [], count: distributions.count)
    activate(Array(distributions.indices))
    roots = asked.compactMap { names[$0] }.sorted()
    if asked.isEmpty { roots = distributions.indices.filter { isNeeded($0) == false } }
    explainAll()
  }

  private func isNeeded(_ index: Int) -> Bool {
    needs.indices.contains { $0 != index && needs[$0].contains(index) }
  }

  /// Follows the requirements of some distributions, and of those whose extras they turn on.
  private mutating func activate(_ first: [Int]) {
    var waiting = first
    while let index = waiting.popLast() {
      for requirement in distributions[index].requirements {
        guard let target = names[requirement.name],
          requirement.marker?.holds(variables, extras: extras[index]) ?? true
        else { continue }
        if target != index, !needs[index].contains(target) { needs[index].append(target) }
        let more = Set(requirement.extras).subtracting(extras[target])
        if !more.isEmpty {
          extras[target].formUnion(more)
          waiting.append(target)
        }
      }
    }
    for index in needs.indices { needs[index].sort() }
  }

  /// Makes each distribution reachable from the roots: by an extra of one that is, or as a root.
  private mutating func explainAll() {
    while true {
      let known = reachable()
      guard known.contains(false) else { return }
      if explainByExtra(known) { continue }
      // Those that no other unexplained one needs come first. In a cycle, take its first member.
      let open = known.indices.filter { !known[$0] }
      let tops = open.filter { index in !open.contains { $0 != index && needs[$0].contains(index) }
      }
      roots += tops.isEmpty ? [open[0]] : tops
      roots.sort()
    }
  }

  private mutating func explainByExtra(_ known: [Bool]) -> Bool {
    for index in known.indices where known[index] {
      for requirement in distributions[index].requirements {
        guard let target = names[requirement.name], !known[target], let marker = requirement.marker,
          let extra = marker.extras.first(where: {
            marker.holds(variables, extras: extras[index].union([$0]))
          })
        else { continue }
        extras[index].insert(extra)
        activate([index])
        return true
      }
    }
    return false
  }

  private func reachable() -> [Bool] {
    var known = Array(repeating: false, count: needs.count)
    var waiting = roots
    for root in roots { known[root] = true }
    while let index = waiting.popLast() {
      for need in needs[index] where !known[need] {
        known[need] = true
        waiting.append(need)
      }
    }
    return known
  }
}
