public import Posix

extension Failure {
  /// A spec's request that failed: the error and what to do, with the spec's line if that is the cause.
  ///
  /// The message is one line, or several if the last lines of a program's output tell more.
  public static func failed(_ place: SpecPlace?, _ message: String) -> Failure {
    Failure(
      .refused, Text(utf8: [UInt8](message.utf8)),
      subject: place.map { Text(utf8: [UInt8]($0.description.utf8)) })
  }
}
