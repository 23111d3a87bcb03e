public import Posix

/// Tests compare an expected failure by kind and description.
extension Failure: Equatable {
  public static func == (one: Failure, other: Failure) -> Bool {
    one.kind == other.kind && one.description.string == other.description.string
  }
}
