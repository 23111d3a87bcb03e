import Testing

@testable import Insight

/// What only one component brings.
@Suite struct ExclusionTests {
  /// For each component, the components that the root does not reach without it.
  private func lost(_ needs: [[Int]], root: Int) -> [Set<Int>] {
    func reached(without number: Int?) -> Set<Int> {
      var known: Set<Int> = [root]
      var waiting = [root]
      while let next = waiting.popLast() {
        for need in needs[next] where need != number && known.insert(need).inserted {
          waiting.append(need)
        }
      }
      return known
    }
    let all = reached(without: nil)
    return needs.indices.map { number in
      number == root ? all : all.subtracting(reached(without: number))
    }
  }

  @Test func aDiamondSharesItsEnd() {
    // 0 requires 1 and 2, both require 3, and 3 requires 4.
    let exclusion = Exclusion(needs: [[1, 2], [3], [3], [4], []], root: 0)
    #expect(exclusion.sums([0, 1, 10, 100, 1000]) == [1111, 1, 10, 1100, 1000])
    #expect(exclusion.brought(by: 3, most: 5) { _ in true } == [4])
    #expect(exclusion.brought(by: 1, most: 5) { _ in true } == [])
    #expect(exclusion.brought(by: 0, most: 2) { $0 != 1 }.count == 2)
  }

  @Test func aCycleGoesWithWhatBringsIt() {
    let exclusion = Exclusion(needs: [[1], [2], [3], [1]], root: 0)
    #expect(exclusion.sums([0, 1, 10, 100]) == [111, 111, 110, 100])
  }

  @Test func whatNothingRequiresCountsForItself() {
    // 2 requires 3; 4 and 5 require each other; nothing leads to any of them.
    let exclusion = Exclusion(needs: [[1], [], [3], [], [5], [4]], root: 0)
    #expect(
      exclusion.sums([0, 1, 10, 100, 1000, 10_000]) == [11_111, 1, 110, 100, 11_000, 10_000])
  }

  @Test func aLongChainNeedsNoStack() {
    let count = 200_000
    let needs = (0..<count).map { $0 + 1 < count ? [$0 + 1] : [] }
    let sums = Exclusion(needs: needs, root: 0).sums(Array(repeating: 1, count: count))
    #expect(sums[0] == UInt64(count) && sums[count - 1] == 1)
  }

  /// Compared with leaving out each component and looking at what is still there.
  @Test func randomGraphs() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      let count = Int.random(in: 1...12, using: &random)
      var needs = (0..<count).map { number in
        (0..<Int.random(in: 0...3, using: &random)).map { _ in
          Int.random(in: 0..<count, using: &random)
        }
        .filter { $0 != number }
      }
      // Everything can be reached.
      for number in 1..<max(count, 1) {
        needs[Int.random(in: 0..<number, using: &random)].append(number)
      }
      let values = (0..<count).map { UInt64(1) << UInt64($0) }
      let expected = lost(needs, root: 0).map { $0.reduce(0) { $0 + values[$1] } }
      #expect(Exclusion(needs: needs, root: 0).sums(values) == expected, "\(needs)")
    }
  }
}
