import Testing

@testable import Inventory

/// Dependencies between distributions, and the reasons that follow from them.
@Suite struct GraphTests {
  private func distribution(_ name: String, _ requires: String...) -> DistributionMetadata {
    let lines = requires.map { "Requires-Dist: \($0)\n" }.joined()
    return DistributionMetadata(
      parsing: [UInt8]("Name: \(name)\nVersion: 1\n\(lines)".utf8),
      directory: "\(name)-1.dist-info")
  }

  private func graph(_ distributions: [DistributionMetadata], asked: Set<String> = [])
    -> DistributionGraph
  {
    DistributionGraph(
      distributions, asked: asked, variables: markerVariables(python: "3.11", processor: "x86_64"))
  }

  @Test func needsFollowMarkers() {
    let found = graph(
      [
        distribution("app", "old; python_version < '3'", "new; python_version >= '3'", "gone"),
        distribution("new"), distribution("old"),
      ], asked: ["app"])
    #expect(found.needs == [[1], [], []])
    // Nothing else explains why it is there.
    #expect(found.roots == [0, 2])
  }

  @Test func extrasAreTurnedOnByThoseThatAskForThem() {
    let found = graph(
      [
        distribution("app", "client[fast]"), distribution("client", "engine; extra == 'fast'"),
        distribution("engine"), distribution("other", "engine; extra == 'never'"),
      ], asked: ["app", "other"])
    #expect(found.needs == [[1], [2], [], []])
  }

  @Test func anExtraExplainsWhatIsThereForNoOtherReason() {
    let found = graph(
      [distribution("client", "engine; extra == 'fast'"), distribution("engine")],
      asked: ["client"])
    #expect(found.needs == [[1], []])
    #expect(found.roots == [0])
  }

  @Test func cyclesAreReachedFromOneOfThem() {
    let found = graph([
      distribution("a", "b"), distribution("b", "c"), distribution("c", "a", "c"),
      distribution("d", "a"),
    ])
    #expect(found.needs == [[1], [2], [0], [0]])
    #expect(found.roots == [3])
    let alone = graph([distribution("a", "b"), distribution("b", "a")])
    #expect(alone.roots == [0])
  }

  // MARK: Reasons

  private func inventory(_ needs: [String: [String]]) -> Inventory {
    let names = Set(needs.keys).union(needs.values.flatMap(\.self)).subtracting(["app"]).sorted()
    return Inventory(
      application: Component(.application, reference: "app", name: "app"),
      components: names.map { Component(.library, reference: $0, name: $0) },
      dependencies: needs)
  }

  private func chains(_ inventory: Inventory, to name: String) -> [String] {
    inventory.chains(to: name).map { $0.map(\.name).joined(separator: " ") }
  }

  @Test func oneShortestChainForEachThatNeedsIt() {
    let found = inventory([
      "app": ["a", "b"], "a": ["c"], "b": ["a", "d"], "c": ["e"], "d": ["e"],
    ])
    #expect(chains(found, to: "e") == ["app a c e", "app b d e"])
    #expect(chains(found, to: "a") == ["app a", "app b a"])
    #expect(chains(found, to: "app") == [])
    #expect(chains(found, to: "nothing") == [])
  }

  @Test func chainsDoNotGoThroughTheirEnd() {
    let found = inventory(["app": ["a"], "a": ["b"], "b": ["a", "b"]])
    #expect(chains(found, to: "a") == ["app a"])
    #expect(chains(found, to: "b") == ["app a b"])
  }

  @Test func chainsOfManyStay() {
    var needs: [String: [String]] = ["app": ["n0"]]
    for number in 0..<5000 { needs["n\(number)"] = ["n\(number + 1)"] }
    #expect(inventory(needs).chains(to: "n5000").map(\.count) == [5002])
  }

  @Test func namesAreComparedAsPEP503Says() {
    let found = inventory(["app": ["typing-extensions"]])
    #expect(found.components(named: "Typing_Extensions").map(\.name) == ["typing-extensions"])
    #expect(found.nearestName(to: "typing-extension") == "typing-extensions")
  }
}
