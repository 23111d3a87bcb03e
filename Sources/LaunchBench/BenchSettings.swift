public import Posix

/// The programs to measure, and how to measure them (docs/bench.md).
public struct BenchSettings: Sendable {
  /// Stands for the port of a launch in arguments and variables.
  public static let portPlaceholder = "{port}"

  public var onefiles: [Path]
  /// Other programs, each with its arguments.
  public var commands: [[Path]] = []
  /// Variables that tell those programs the directory of their cache.
  public var cacheVariables: [Path] = []
  /// A shell command that makes their next launch a cold one; nil for none.
  public var reset: Path?
  /// Arguments of every program, after its own.
  public var arguments: [Path] = []
  /// Variables of every program, each "NAME=value".
  public var variables: [Path] = []
  public var rounds = 15
  /// Rounds before the measured ones. Their results are discarded.
  public var warmUp = 1
  /// The path that a ready server answers; nil for programs that end by themselves.
  public var http: String?
  /// Nil for a free port at each launch.
  public var port: Int?
  /// Seconds per launch.
  public var timeout = 60
  /// The exit status of programs that end by themselves.
  public var status: Int32 = 0
  /// Whether to remove files from the page cache before each cold launch.
  public var dropsPageCache = false
  /// The directory of the caches; nil for TMPDIR, or /var/tmp.
  public var directory: Path?
  public var countsCalls = false

  public init(onefiles: [Path]) { self.onefiles = onefiles }
}

/// The words of a command line, separated by blanks. Quotes and backslashes work as in a shell, which is not run.
///
/// Nil if a quote is not closed or there are no words.
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
