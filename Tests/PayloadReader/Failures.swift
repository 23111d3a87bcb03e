import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

/// What a reader says of a file, short: "" where nothing is wrong.
func failure<Result: ~Copyable>(_ body: () throws(PayloadError) -> Result) -> String {
  do throws(PayloadError) {
    _ = try body()
    return ""
  } catch { return summary(error) }
}

private func summary(_ error: PayloadError) -> String {
  switch error {
  case .system(let error): return "system \(error.errno.rawValue)"
  case .noPayload: return "no payload"
  case .format(let error, _): return "format \(error.fault)"
  case .noSpace: return "no space"
  case .noNodes: return "no nodes"
  case .glibc: return "glibc"
  case .interrupted(let signal): return "signal \(signal)"
  case .occupied: return "occupied"
  case .damaged(let part, _):
    switch part {
    case .trailer: return "trailer"
    case .record: return "record"
    case .manifest: return "manifest"
    case .bootloader: return "bootloader"
    case .frame(let index): return "frame \(index)"
    case .undecodable(let index): return "undecodable \(index)"
    case .undecodableManifest: return "undecodable manifest"
    case .content(let path): return "content \(String(decoding: path, as: UTF8.self))"
    }
  }
}

extension Onefile {
  /// Writes the file, and opens it.
  func open(in directory: TemporaryDirectory, _ name: String = "onefile") throws -> Payload {
    try Payload.open(try directory.write(name, encoded(), mode: 0o755))
  }
}
