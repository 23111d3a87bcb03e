/// How much of a cached tree is checked before it is used (docs/launch.md, "Checks").
public enum CheckPolicy: UInt8, CaseIterable, Sendable {
  /// The seal alone.
  case seal
  /// The seal, and a `stat` of every directory.
  case dirs
  /// Type, mode, size and time of every entry.
  case files
  /// Everything, contents included.
  case full

  public var name: StaticString {
    switch self {
    case .seal: "seal"
    case .dirs: "dirs"
    case .files: "files"
    case .full: "full"
    }
  }

  /// The policy of that name; nil where there is none.
  public init?(named name: some Sequence<UInt8>) {
    for policy in CheckPolicy.allCases where name.elementsEqual(policy.name) {
      self = policy
      return
    }
    return nil
  }
}

/// How the program ends when the process that launched it ends first (docs/launch.md, "Death with the parent").
public enum ParentDeath: UInt8, CaseIterable, Sendable {
  /// By SIGKILL, at once.
  case kill
  /// By SIGTERM, so that it can stop its own children.
  case term

  public var name: StaticString {
    switch self {
    case .kill: "kill"
    case .term: "term"
    }
  }

  /// The value of that name; nil where there is none.
  public init?(named name: some Sequence<UInt8>) {
    for value in ParentDeath.allCases where name.elementsEqual(value.name) {
      self = value
      return
    }
    return nil
  }
}

extension Sequence<UInt8> {
  fileprivate func elementsEqual(_ text: StaticString) -> Bool {
    elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
