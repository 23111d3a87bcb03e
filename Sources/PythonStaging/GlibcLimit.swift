import BinaryRelocation
public import PayloadFormat
public import Posix
import Reporting

/// The newest glibc that the files of a tree may need.
struct GlibcLimit {
  var most: GlibcVersion
  /// "python.max-glibc" or "--max-glibc", for the message.
  var option: String
  var root: Path

  /// One message for all files that need a newer one, worst first.
  func failure(_ excess: GlibcExcess) -> Failure {
    let owner = distribution(of: excess.worst, in: root)
    var text = excess.worst.quoted.string
    if let owner { text += " of the distribution \(owner)" }
    text += " needs glibc \(excess.version.description) (\(excess.reason)), newer than "
    text += "\(option) allows (\(most.description))"
    if excess.paths.count > 1 {
      let others = Set(excess.paths.compactMap { distribution(of: $0, in: root) })
        .subtracting([owner ?? ""])
      text += "; also \(counted(excess.paths.count - 1, "other file"))"
      if !others.isEmpty {
        text += ", of \(others.sorted().prefix(5).joined(separator: ", "))"
      }
    }
    return .failed("\(text): \(advice(excess, owner))")
  }

  private func advice(_ excess: GlibcExcess, _ owner: String?) -> String {
    if owner != nil {
      return
        "take a version of it that has a wheel for manylinux_\(most.major)_\(most.minor) or older, build it "
        + "on an older system, or raise \(option)"
    }
    if excess.isCopied {
      return
        "it was copied from this machine: pack on an older system, take a relocatable interpreter "
        + "(python.archive) that brings its own, or raise \(option)"
    }
    return
      "take a relocatable interpreter (python.archive) or one that was built on an older system, or raise "
      + option
  }
}

/// The oldest glibc that every program and library of any tree runs on; nil if none needs glibc.
///
/// - Parameters:
///   - most: the newest glibc that a file may need; nil for no limit.
///   - option: the key or option that sets the limit, for the message.
///   - workers: the number of threads, at least 1.
/// - Throws: an error if a file needs a newer glibc than `most`, or a system call's failure.
public func glibcFloor(ofTree root: Path, most: GlibcVersion?, option: String, workers: Int)
  throws(Failure) -> GlibcRequirement?
{
  let glibc = try TreeGlibc(ofTree: root, most: most, workers: workers)
  if let most, let excess = glibc.excess {
    throw GlibcLimit(most: most, option: option, root: root).failure(excess)
  }
  return glibc.floor
}
