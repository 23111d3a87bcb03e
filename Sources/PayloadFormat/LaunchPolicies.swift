/// A setting with a few named values, for specs, the command line and the environment.
public protocol NamedValue: CaseIterable, Sendable {
  var name: StaticString { get }
}

extension NamedValue {
  /// The value with that name; nil if there is none.
  public init?(named name: some Sequence<UInt8>) {
    for value in Self.allCases where name.elementsEqual(value.name) {
      self = value
      return
    }
    return nil
  }
}

/// The check of a cached tree before it is used (docs/launch.md, "Checks").
public enum CheckPolicy: UInt8, NamedValue {
  /// Only the seal.
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

/// The signal that ends the program if its parent ends first (docs/launch.md, "Death with the parent").
public enum ParentDeath: UInt8, NamedValue {
  /// SIGKILL: it ends at once.
  case kill
  /// SIGTERM: it can stop its own children.
  case term

  public var name: StaticString {
    switch self {
    case .kill: "kill"
    case .term: "term"
    }
  }
}

/// How the program gets the address that the launcher keeps for it (docs/launch.md, "Listening").
public enum Handover: UInt8, NamedValue {
  /// A socket that listens, as descriptor 3.
  case descriptor
  /// A number: the program opens the port itself.
  case port

  public var name: StaticString {
    switch self {
    case .descriptor: "descriptor"
    case .port: "port"
    }
  }
}

/// What to do if another program listens at the address.
public enum TakenAddress: UInt8, NamedValue {
  case fail
  /// Take a free port.
  case free

  public var name: StaticString {
    switch self {
    case .fail: "fail"
    case .free: "free"
    }
  }
}

/// What a launch does if the program runs already (docs/launch.md, "One instance").
public enum InstancePolicy: UInt8, NamedValue {
  /// It ends with a message.
  case single
  /// It stops the other one first.
  case replace

  public var name: StaticString {
    switch self {
    case .single: "single"
    case .replace: "replace"
    }
  }
}

extension Sequence<UInt8> {
  fileprivate func elementsEqual(_ text: StaticString) -> Bool {
    elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
