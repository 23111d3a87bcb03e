/// The errors in a spec or in the files it names: at least one, in the order of the file.
public struct SpecError: Error, Sendable {
  /// A fault of a spec, and its line.
  public struct Problem: Equatable, Sendable {
    public var place: SpecPlace
    /// The error and what to do, without the place and without a final full stop.
    public var message: String

    public init(_ place: SpecPlace, _ message: String) {
      self.place = place
      self.message = message
    }

    /// "onefold.toml:12: message".
    public var description: String {
      place == .none ? message : "\(place.description): \(message)"
    }
  }

  /// At least one.
  public let problems: [Problem]

  public init(_ place: SpecPlace, _ message: String) { problems = [Problem(place, message)] }

  /// - Precondition: `problems` is not empty.
  public init(_ problems: [Problem]) { self.problems = problems }

  /// Of the first problem.
  public var place: SpecPlace { problems[0].place }
  /// Of the first problem.
  public var message: String { problems[0].message }

  /// One line per problem, without a final newline.
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
