public import Posix

/// What is measured, and how (docs/bench.md).
public struct BenchSettings: Sendable {
  /// In arguments and variables, stands for the port of a launch.
  public static let portPlaceholder = "{port}"

  public var onefiles: [Path]
  /// Other programs, each with its arguments.
  public var commands: [[Path]] = []
  /// Names of the variables that tell those where their caches are.
  public var cacheVariables: [Path] = []
  /// A command of the shell that makes their next launch a cold one; nil where there is none.
  public var reset: Path?
  /// What every program gets after its own arguments.
  public var arguments: [Path] = []
  /// "NAME=value" each, for every program.
  public var variables: [Path] = []
  public var rounds = 15
  /// Rounds before those, which do not count.
  public var warmUp = 1
  /// The path that a server answers to when it is ready; nil for programs that end by themselves.
  public var http: String?
  /// nil: a free one for each launch.
  public var port: Int?
  /// Seconds for each launch.
  public var timeout = 60
  /// With which programs end that end by themselves.
  public var status: Int32 = 0
  /// Whether files are removed from the page cache before each cold launch.
  public var dropsPageCache = false
  /// Where the caches are; nil: TMPDIR, or /var/tmp.
  public var directory: Path?
  public var countsCalls = false

  public init(onefiles: [Path]) { self.onefiles = onefiles }
}

/// The words of a command line: separated by blanks; quotes and backslashes as in a shell, which is not run. nil where a
/// quote is not closed, or there is no word.
public func words(of text: Path) -> [Path]? {
  var result: [Path] = []
  var word: [UInt8]?
  var quote: UInt8?
  var isEscaped = false
  for byte in text.bytes {
    if isEscaped {
      word = (word ?? []) + [byte]
      isEscaped = false
    } else if byte == UInt8(ascii: "\\"), quote != UInt8(ascii: "'") {
      isEscaped = true
    } else if let open = quote {
      if byte == open { quote = nil } else { word = (word ?? []) + [byte] }
    } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
      quote = byte
      word = word ?? []
    } else if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
      if let found = word { result.append(Path(found)) }
      word = nil
    } else {
      word = (word ?? []) + [byte]
    }
  }
  guard quote == nil, !isEscaped else { return nil }
  if let found = word { result.append(Path(found)) }
  return result.isEmpty ? nil : result
}
