/// Finds what only one component brings into an application: itself, and everything that it alone requires.
///
/// A component brings another one if every chain of requirements from the application to the other one goes through it.
/// So it is its dominator in the graph of requirements. The tree of dominators is found as in Cooper, Harvey and
/// Kennedy, "A Simple, Fast Dominance Algorithm".
public struct Exclusion: Sendable {
  /// The number of the root.
  private let root: Int
  /// For each component, the last one that all chains to it go through.
  private var dominators: [Int]
  /// The components in an order in which each one comes after its dominator.
  private var order: [Int] = []
  /// For each component, those whose dominator it is.
  private var dominated: [[Int]]

  /// - Parameters:
  ///   - needs: for each component, the numbers of those that it requires. Cycles do no harm.
  ///   - root: the number of the application. It also requires every component that nothing else leads to.
  public init(needs: [[Int]], root: Int) {
    self.root = root
    dominators = Array(repeating: -1, count: needs.count)
    dominated = Array(repeating: [], count: needs.count)
    let needs = Exclusion.connected(needs, root)
    order = Exclusion.reversePostorder(needs, root)
    var ranks = [Int](repeating: 0, count: needs.count)
    for (rank, number) in order.enumerated() { ranks[number] = rank }
    var users = [[Int]](repeating: [], count: needs.count)
    for (user, needed) in needs.enumerated() { for one in needed { users[one].append(user) } }

    dominators[root] = root
    var hasChanged = true
    while hasChanged {
      hasChanged = false
      for number in order.dropFirst() {
        var common: Int?
        for user in users[number] where dominators[user] >= 0 {
          common = common.map { intersection($0, user, ranks) } ?? user
        }
        if let common, dominators[number] != common {
          dominators[number] = common
          hasChanged = true
        }
      }
    }
    for number in order.dropFirst() { dominated[dominators[number]].append(number) }
  }

  private func intersection(_ a: Int, _ b: Int, _ ranks: [Int]) -> Int {
    var (a, b) = (a, b)
    while a != b {
      while ranks[a] > ranks[b] { a = dominators[a] }
      while ranks[b] > ranks[a] { b = dominators[b] }
    }
    return a
  }

  /// The graph in which every component can be reached from the root.
  private static func connected(_ needs: [[Int]], _ root: Int) -> [[Int]] {
    var needs = needs
    var isNeeded = [Bool](repeating: false, count: needs.count)
    for (user, needed) in needs.enumerated() {
      for one in needed where one != user { isNeeded[one] = true }
    }
    var known = [Bool](repeating: false, count: needs.count)
    func visit(_ first: Int) {
      var waiting = [first]
      known[first] = true
      while let number = waiting.popLast() {
        for need in needs[number] where !known[need] {
          known[need] = true
          waiting.append(need)
        }
      }
    }
    visit(root)
    // Those that nothing requires come first. What is left is in cycles.
    for onlyTops in [true, false] {
      for number in needs.indices where !known[number] && !(onlyTops && isNeeded[number]) {
        needs[root].append(number)
        visit(number)
      }
    }
    return needs
  }

  private static func reversePostorder(_ needs: [[Int]], _ root: Int) -> [Int] {
    var order: [Int] = []
    var known = [Bool](repeating: false, count: needs.count)
    var path: [(number: Int, next: Int)] = [(root, 0)]
    known[root] = true
    while let last = path.last {
      guard last.next < needs[last.number].count else {
        order.append(last.number)
        path.removeLast()
        continue
      }
      path[path.count - 1].next += 1
      let need = needs[last.number][last.next]
      if !known[need] {
        known[need] = true
        path.append((need, 0))
      }
    }
    return order.reversed()
  }

  /// For each component, the sum of `values` of the component and of everything that only it brings.
  public func sums(_ values: [UInt64]) -> [UInt64] {
    var sums = values
    for number in order.reversed() where number != root {
      sums[dominators[number]] += sums[number]
    }
    return sums
  }

  /// The components that only one brings, without itself: at most `most` of those that count.
  public func brought(by number: Int, most: Int, counting counts: (Int) -> Bool) -> [Int] {
    var result: [Int] = []
    var waiting = dominated[number]
    var next = 0
    while next < waiting.count, result.count < most {
      if counts(waiting[next]) { result.append(waiting[next]) }
      waiting += dominated[waiting[next]]
      next += 1
    }
    return result
  }
}
