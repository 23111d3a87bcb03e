import AppSpec
import BinaryRelocation
import BuildTools
public import PayloadFormat
public import Posix
import Processes

// Facts that the rules of `[policy]` need.

/// A requirement that is installed without a hash.
public struct UnhashedRequirement: Equatable, Sendable {
  /// A distribution's name, or the requirement's own text without secrets.
  public var name: String
  /// "requirements.txt:3", or the file that names it.
  public var place: String
  /// Names of the distributions that require it, as the lock tells.
  public var neededBy: [String]

  /// Reads the facts of `requirements.py`. A "loose" line begins each requirement.
  static func all(_ facts: Facts) -> [UnhashedRequirement] {
    var found: [UnhashedRequirement] = []
    for (fact, value) in facts.lines {
      switch fact {
      case "loose": found.append(UnhashedRequirement(name: value, place: "", neededBy: []))
      case "loose_place" where !found.isEmpty: found[found.count - 1].place = value
      case "loose_via" where !found.isEmpty: found[found.count - 1].neededBy.append(value)
      default: break
      }
    }
    return found
  }
}

extension StagedApplication {
  /// Whether each version fulfils its specifier (PEP 440); nil if it is not a version. Pre-releases count.
  ///
  /// - Throws: an error if no Python can be run.
  public func fulfilled(_ pairs: [(specifier: String, version: String)]) throws(Failure) -> [Bool?]
  {
    guard !pairs.isEmpty else { return [] }
    let arguments = pairs.flatMap { [Path($0.specifier), Path($0.version)] }
    let result = try runHelper(helper, Helper.policy, arguments)
    let words = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
    guard result.succeeded, words.count == pairs.count else {
      throw .failed(nil, "cannot compare versions:\n\(lastLines(result.errors))")
    }
    return words.map { $0 == "none" ? nil : $0 == "yes" }
  }
}

/// A file that needs a newer glibc than a rule allows.
public struct GlibcBreach: Sendable {
  /// What is wrong and what to do.
  public var message: String
  /// The distribution of the file, "numpy 2.4.6" or its top-level name; nil if the file is of none.
  public var distribution: String?
}

/// The first file of a tree that needs a newer glibc than `most`; nil if none does.
///
/// - Parameters:
///   - option: the key that sets the limit, for the message.
///   - workers: the number of threads, at least 1.
/// - Throws: a system call's failure.
public func glibcBreach(ofTree root: Path, most: GlibcVersion, option: String, workers: Int)
  throws(Failure) -> GlibcBreach?
{
  guard let excess = try TreeGlibc(ofTree: root, most: most, workers: workers).excess else {
    return nil
  }
  let limit = GlibcLimit(most: most, option: option, root: root)
  return GlibcBreach(
    message: limit.failure(excess).text.string,
    distribution: distribution(of: excess.worst, in: root))
}
