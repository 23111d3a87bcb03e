import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

/// A reader's failure as a short text: "" if there is none.
func failure<Result: ~Copyable>(_ body: () throws(Failure) -> Result) -> String {
  do throws(Failure) {
    _ = try body()
    return ""
  } catch { return summary(error) }
}

private func summary(_ error: Failure) -> String {
  switch error.kind {
  case .system: return "system \(error.errno.rawValue)"
  case .noPayload: return "no payload"
  case .format: return "format \(fault(error).map { "\($0)" } ?? error.description.string)"
  case .noSpace: return "no space"
  case .noNodes: return "no nodes"
  case .glibc: return "glibc"
  case .interrupted: return "signal \(error.signal ?? 0)"
  case .occupied: return "occupied"
  case .damaged: return damagedPart(error.description.string)
  case .noDirectory, .notExecutable, .noEntry, .addressTaken, .isRunning, .notRunning, .notStopped,
    .usage, .refused:
    return error.description.string
  }
}

/// The fault whose text is in the description of a `format` failure; all texts differ.
private func fault(_ error: Failure) -> FormatError.Fault? {
  let text = error.description.string
  return FormatError.Fault.allCases.first {
    let message = String(decoding: FormatError($0).message, as: UTF8.self)
    return text.hasSuffix(" is damaged: \(message)")
      || text.contains(" is damaged: \(message) (") && text.hasSuffix(")")
  }
}

/// The part of the file that a `damaged` failure names.
private func damagedPart(_ text: String) -> String {
  let what = text.split(separator: " is damaged: ", maxSplits: 1).last ?? ""
  switch what {
  case "the trailer's hash is wrong": return "trailer"
  case "the launch record's hash is wrong": return "record"
  case "the manifest's hash is wrong": return "manifest"
  case "the bootloader's hash is wrong": return "bootloader"
  case "the manifest does not decode to its length": return "undecodable manifest"
  default: break
  }
  if let match = what.wholeMatch(of: #/the hash of frame (\d+) is wrong/#) {
    return "frame \(match.1)"
  }
  if let match = what.wholeMatch(of: #/frame (\d+) does not decode to what it should hold/#) {
    return "undecodable \(match.1)"
  }
  if let match = what.wholeMatch(of: #/the content of '(.*)' is not what its hash says/#) {
    return "content \(match.1)"
  }
  return text
}

extension Onefile {
  /// Writes the file and opens it.
  func open(in directory: TemporaryDirectory, _ name: String = "onefile") throws -> Payload {
    try Payload.open(try directory.write(name, encoded(), mode: 0o755))
  }
}
