public import Posix

/// Tests say which failure they expect: one of the same kind with the same description.
extension Failure: Equatable {
  public static func == (one: Failure, other: Failure) -> Bool {
    one.kind == other.kind && one.description.string == other.description.string
  }
}
