import Posix

// What the requests of the program curl have in common. Proxies, certificates and `~/.netrc` are curl's business, with
// its own configuration file.

/// The options of every request for a URL of `http` or `https`. They make curl write the status of the answer to stderr
/// (`curlStatus`).
///
/// - Parameter mostRedirects: the length of the longest chain of redirects that is followed.
public func curlOptions(mostRedirects: Int) -> [String] {
  [
    "--silent", "--show-error", "--location", "--max-redirs", "\(mostRedirects)",
    "--netrc-optional", "--globoff", "--proto", "=http,https", "--proto-redir", "=http,https",
    "--write-out", "%{stderr}\n%{http_code}\n",
  ]
}

/// The HTTP status of the last answer in what curl wrote to stderr; nil if there was no answer. The output does not
/// always tell: with `--fail`, curl 7.74 writes no head of an error.
public func curlStatus(_ errors: [UInt8]) -> Int? {
  let lines = errors.split(separator: UInt8(ascii: "\n"))
  let statuses = lines.compactMap { Int(String(decoding: $0, as: UTF8.self)) }
  return statuses.last.flatMap { $0 > 0 ? $0 : nil }
}

/// The seconds that `ONEFOLD_DOWNLOAD_TIMEOUT` gives, within `range`; `usual` if it is not set or no number.
public func downloadTimeout(usual: Double, within range: ClosedRange<Double>) -> Double {
  let given = ProcessContext.variable("ONEFOLD_DOWNLOAD_TIMEOUT").flatMap { Double($0.string) }
  return min(max(given ?? usual, range.lowerBound), range.upperBound)
}

/// What curl says about a failure: the line that begins with "curl: ", because curl explains an untrusted certificate in
/// further lines; nil if there is none.
public func curlMessage(_ errors: [UInt8]) -> String? {
  String(decoding: errors, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("curl: ") }
    .map { readable($0.utf8) }
}

/// A URL without "user:password@", for messages.
public func withoutCredentials(_ url: String) -> String {
  guard let start = url.firstRange(of: "://") else { return url }
  let rest = url[start.upperBound...]
  let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
  guard let at = authority.lastIndex(of: "@") else { return url }
  return String(url[..<start.upperBound]) + rest[rest.index(after: at)...]
}
