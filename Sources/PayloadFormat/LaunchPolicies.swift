/// One of a few values that have names in specs, on the command line and in the environment.
public protocol NamedValue: CaseIterable, Sendable {
  var name: StaticString { get }
}

extension NamedValue {
  /// The value of that name; nil where there is none.
  public init?(named name: some Sequence<UInt8>) {
    for value in Self.allCases where name.elementsEqual(value.name) {
      self = value
      return
    }
    return nil
  }
}

/// How much of a cached tree is checked before it is used (docs/launch.md, "Checks").
public enum CheckPolicy: UInt8, NamedValue {
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
}

/// How the program ends when the process that launched it ends first (docs/launch.md, "Death with the parent").
public enum ParentDeath: UInt8, NamedValue {
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
}

extension Sequence<UInt8> {
  fileprivate func elementsEqual(_ text: StaticString) -> Bool {
    elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
