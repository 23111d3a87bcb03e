internal import AppSpec

/// An environment marker of PEP 508, such as `python_version < "3.11" and extra == "http2"`.
public struct Marker: Equatable, Sendable {
  private indirect enum Node: Equatable, Sendable {
    case all([Node])
    case any([Node])
    case comparison(variable: String, operator: String, value: String, isReversed: Bool)
  }

  private let root: Node

  /// Parses a marker; nil if it is not one. Parentheses may be nested 64 deep.
  public init?(_ text: String) {
    guard let tokens = Marker.tokens(text) else { return nil }
    var parser = Parser(tokens: tokens[...])
    guard let node = parser.disjunction(depth: 0), parser.tokens.isEmpty else { return nil }
    root = node
  }

  /// Whether it is true in an environment with some extras. An unknown variable counts as true, because its
  /// requirement may then be needed.
  ///
  /// - Parameter variables: values by the names of PEP 508, without `extra`.
  public func holds(_ variables: [String: String], extras: Set<String>) -> Bool {
    Marker.holds(root, variables, extras)
  }

  /// The extras that it names, normalized.
  public var extras: [String] { Marker.extras(root) }

  private static func extras(_ node: Node) -> [String] {
    switch node {
    case .all(let nodes), .any(let nodes): nodes.flatMap(extras)
    case .comparison(let variable, _, let value, _):
      variable == "extra" ? [normalizedName(value)] : []
    }
  }

  private static func holds(_ node: Node, _ variables: [String: String], _ extras: Set<String>)
    -> Bool
  {
    switch node {
    case .all(let nodes): return nodes.allSatisfy { holds($0, variables, extras) }
    case .any(let nodes): return nodes.contains { holds($0, variables, extras) }
    case .comparison(let variable, let name, let value, let isReversed):
      if variable == "extra" {
        return extras.contains(normalizedName(value)) == (name != "!=")
      }
      guard let own = variables[variable] else { return true }
      return isReversed ? compare(value, name, own) : compare(own, name, value)
    }
  }

  private static func compare(_ left: String, _ name: String, _ right: String) -> Bool {
    switch name {
    case "in": return right.contains(left)
    case "not in": return !right.contains(left)
    case "===": return left == right
    default: break
    }
    guard let a = release(left), let b = release(right) else {
      if name == "==" { return left == right }
      if name == "!=" { return left != right }
      return name.hasPrefix("<") ? left <= right : left >= right
    }
    if right.hasSuffix(".*") {
      let isSame = Array(a.prefix(b.count)) == b
      return isSame == (name == "==")
    }
    let count = max(a.count, b.count)
    let x = a + Array(repeating: 0, count: count - a.count)
    let y = b + Array(repeating: 0, count: count - b.count)
    switch name {
    case "==": return x == y
    case "!=": return x != y
    case "<": return x.lexicographicallyPrecedes(y)
    case ">": return y.lexicographicallyPrecedes(x)
    case "<=": return !y.lexicographicallyPrecedes(x)
    case ">=": return !x.lexicographicallyPrecedes(y)
    default: return b.count > 1 && !x.lexicographicallyPrecedes(y) && a.starts(with: b.dropLast())
    }
  }

  /// The numbers of a version such as "3.11.7" or "3.11.*"; nil for other texts.
  private static func release(_ text: String) -> [Int]? {
    let parts = (text.hasSuffix(".*") ? text.dropLast(2) : text[...])
      .split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }
    return numbers.count == parts.count ? numbers : nil
  }

  // MARK: Parsing

  private enum Token: Equatable {
    case word(String)
    case text(String)
    case symbol(String)
  }

  private static func tokens(_ text: String) -> [Token]? {
    var tokens: [Token] = []
    var rest = text[...]
    while let first = rest.first {
      if first.isWhitespace {
        rest.removeFirst()
      } else if first == "'" || first == "\"" {
        rest.removeFirst()
        guard let end = rest.firstIndex(of: first) else { return nil }
        tokens.append(.text(String(rest[..<end])))
        rest = rest[rest.index(after: end)...]
      } else if first == "(" || first == ")" {
        tokens.append(.symbol(String(first)))
        rest.removeFirst()
      } else if "<>=!~".contains(first) {
        let symbol = rest.prefix { "<>=!~".contains($0) }
        tokens.append(.symbol(String(symbol)))
        rest = rest[symbol.endIndex...]
      } else {
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
        guard !word.isEmpty else { return nil }
        tokens.append(.word(String(word)))
        rest = rest[word.endIndex...]
      }
    }
    return tokens
  }

  private struct Parser {
    var tokens: ArraySlice<Token>

    mutating func take(_ token: Token) -> Bool {
      guard tokens.first == token else { return false }
      tokens.removeFirst()
      return true
    }

    mutating func disjunction(depth: Int) -> Node? {
      guard depth < 64, let first = conjunction(depth: depth) else { return nil }
      var nodes = [first]
      while take(.word("or")) {
        guard let next = conjunction(depth: depth) else { return nil }
        nodes.append(next)
      }
      return nodes.count == 1 ? first : .any(nodes)
    }

    private mutating func conjunction(depth: Int) -> Node? {
      guard let first = atom(depth: depth) else { return nil }
      var nodes = [first]
      while take(.word("and")) {
        guard let next = atom(depth: depth) else { return nil }
        nodes.append(next)
      }
      return nodes.count == 1 ? first : .all(nodes)
    }

    private mutating func atom(depth: Int) -> Node? {
      if take(.symbol("(")) {
        guard let inside = disjunction(depth: depth + 1), take(.symbol(")")) else { return nil }
        return inside
      }
      guard let left = tokens.popFirst(), let name = operatorName(), let right = tokens.popFirst()
      else { return nil }
      switch (left, right) {
      case (.word(let variable), .text(let value)):
        return .comparison(
          variable: Marker.current(variable), operator: name, value: value, isReversed: false)
      case (.text(let value), .word(let variable)):
        return .comparison(
          variable: Marker.current(variable), operator: name, value: value, isReversed: true)
      default: return nil
      }
    }

    private mutating func operatorName() -> String? {
      switch tokens.popFirst() {
      case .word("in"): return "in"
      case .word("not"): return take(.word("in")) ? "not in" : nil
      case .symbol(let symbol):
        return ["===", "~=", "==", "!=", "<=", ">=", "<", ">"].contains(symbol) ? symbol : nil
      default: return nil
      }
    }
  }

  /// Today's name of a variable.
  private static func current(_ name: String) -> String {
    switch name {
    case "os.name": "os_name"
    case "sys.platform": "sys_platform"
    case "platform.machine": "platform_machine"
    case "platform.version": "platform_version"
    case "platform.python_implementation", "python_implementation": "platform_python_implementation"
    default: name
    }
  }
}

/// The marker variables of a CPython on Linux.
///
/// - Parameters:
///   - version: such as "3.11.7", or "3.11" if the rest is unknown.
///   - processor: such as "x86_64".
public func markerVariables(python version: String, processor: String) -> [String: String] {
  [
    "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux",
    "platform_machine": processor, "platform_python_implementation": "CPython",
    "implementation_name": "cpython", "implementation_version": version,
    "python_full_version": version,
    "python_version": version.split(separator: ".").prefix(2).joined(separator: "."),
  ]
}
