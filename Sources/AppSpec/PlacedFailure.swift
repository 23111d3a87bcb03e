public import Posix

extension Failure {
  /// Why something that a spec asks for could not be done: what is wrong and what to do, with the spec's line if one is to blame. One
  /// line, or several if a program's own last lines tell more.
  public static func failed(_ place: SpecPlace?, _ message: String) -> Failure {
    Failure(
      .refused, Text(utf8: [UInt8](message.utf8)),
      subject: place.map { Text(utf8: [UInt8]($0.description.utf8)) })
  }
}
