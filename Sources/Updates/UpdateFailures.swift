import PayloadFormat
import PayloadReader
import Posix
import Processes

// Reasons why an update is not fetched or not rolled back.
extension Failure {
  // MARK: Sources

  static func sourceIsNoFile(_ path: Path) -> Failure {
    .failed("the source \(path.quoted) is no regular file: give a onefile or its URL")
  }

  static func otherScheme(_ url: Path) -> Failure {
    .failed("the source \(url.quoted) is no http or https URL: give one, or a path")
  }

  static func sourceIsShort(_ path: Path) -> Failure {
    .failed("the source \(path.quoted) became shorter while it was read: try again")
  }

  static func sourceIsNoOnefile(_ source: any Source, type: String = "") -> Failure {
    let kind = type.isEmpty ? "" : ", but '\(printable(type))'"
    return .failed("\(source.quoted) is no onefile\(kind): check the address")
  }

  static func newerFormat(_ source: any Source, version: Int) -> Failure {
    .failed(
      "\(source.quoted) has format version \(version), and this onefold reads version 1: update onefold"
    )
  }

  static func changing(_ source: any Source, times: Int) -> Failure {
    .failed(
      "\(source.quoted) changed \(times) times while it was fetched: try again when it is complete")
  }

  static func wrongHash(_ source: any Source, _ piece: Piece) -> Failure {
    let part = piece.frame.map { "frame \($0)" } ?? "the bootloader"
    return .failed(
      "\(source.quoted) is damaged: \(part) does not have its hash; publish the file again")
  }

  // MARK: Servers

  static func noCurl(_ source: any Source) -> Failure {
    .failed(
      "curl is needed to fetch \(source.quoted), and it is neither beside onefold nor on the PATH: "
        + "install it (apt-get install curl), or download the file yourself and give its path")
  }

  static func curl(_ source: any Source, _ line: String) -> Failure {
    .failed("cannot fetch \(source.quoted): \(line); check the URL, the network and the proxy")
  }

  static func cutShort(_ source: any Source) -> Failure {
    .failed("cannot fetch \(source.quoted): the answer ended too early; try again later")
  }

  static func status(_ status: Int, _ source: any Source) -> Failure {
    let advice =
      switch status {
      case 401, 403, 407: "give credentials in ~/.netrc, or check the URL"
      case 404, 410: "check the URL"
      case 416: "the file is empty; publish it again"
      case 408, 429, 500...: "try again later"
      default: "check the URL and the server"
      }
    return .failed("cannot fetch \(source.quoted): the server answers \(status); \(advice)")
  }

  static func badAnswer(_ source: any Source, _ head: AnswerHead) -> Failure {
    .failed(
      "cannot fetch \(source.quoted): the server answers \(head.status) with another range than was "
        + "requested; check the server, or download the file yourself and give its path")
  }

  // MARK: Signed updates

  static func otherApplication(_ source: any Source, _ new: Payload, _ current: Payload) -> Failure
  {
    .failed(
      "\(source.quoted) is \(title(new)), and \(current.path.quoted) is \(title(current)): check the "
        + "address, or remove \(current.path.quoted) first")
  }

  static func older(_ source: any Source, _ new: Payload, _ current: Payload) -> Failure {
    .failed(
      "\(source.quoted) has \(title(new)), which is older than \(title(current)) in "
        + "\(current.path.quoted): use '--allow-older' to go back to it")
  }

  static func unknownAge(_ source: any Source, _ new: Payload, _ current: Payload) -> Failure {
    .failed(
      "cannot tell whether \(title(new)) of \(source.quoted) is older than \(title(current)) in "
        + "\(current.path.quoted): use '--allow-older' to take it, or give the application a version "
        + "such as 1.2")
  }

  private static func title(_ payload: Payload) -> String {
    let (name, version) = (payload.record.name, payload.record.version)
    let title = "'\(escapedText(name)) \(escapedText(version))'"
    return version.isEmpty ? "\(quotedText(name)) without a version" : title
  }

  // MARK: Files

  static func seedIsNoOnefile(_ path: Path, _ reason: Failure) -> Failure {
    .failed("the seed cannot be used: \(reason.description); leave out '--seed \(path.string)'")
  }

  static func busy(_ output: Path) -> Failure {
    .failed("another process is fetching \(output.quoted): wait for its end")
  }

  static func foreignPartialFile(_ path: Path) -> Failure {
    .failed("\(path.quoted) is not a partial file of this user: remove it")
  }

  static func cannotReplace(_ output: Path, _ reason: Failure) -> Failure {
    let advice = "make its directory writable, or give another path"
    return .failed("cannot replace \(output.quoted): \(reason.errno.description); \(advice)")
  }

  static func cannotKeepPrevious(_ output: Path, _ reason: Failure) -> Failure {
    .failed(
      "cannot keep the previous \(output.quoted): \(reason.description); leave out '--keep-previous'"
    )
  }

  static func noPrevious(_ path: Path) -> Failure {
    .failed(
      "there is no \(path.quoted) to roll back to: fetch with '--keep-previous', or fetch the wanted "
        + "version")
  }

  static func damagedPrevious(_ reason: Failure) -> Failure {
    .failed("cannot roll back: \(reason.description); fetch the wanted version instead")
  }
}
