internal import ContentHash
internal import PayloadFormat
internal import Posix

/// A self-contained HTML page in the style of all pages that Onefold writes, for light and dark screens.
///
/// A policy in the page (https://www.w3.org/TR/CSP3) forbids every request, and every script but the given one.
public struct WebPage: Sendable {
  /// A script and the JSON that it reads from the element with the id `data`.
  public struct Script: Sendable {
    public var code: [UInt8]
    public var data: [UInt8]

    public init(code: [UInt8], data: [UInt8]) {
      self.code = code
      self.data = data
    }
  }

  private let title: String
  private let heading: String
  private let style: String
  private let script: Script?

  /// - Parameters:
  ///   - heading: a line below the title: the program that wrote the page, and what of.
  ///   - style: CSS that the page needs beside that of all pages.
  public init(title: String, heading: String, style: String = "", script: Script? = nil) {
    self.title = title
    self.heading = heading
    self.style = style
    self.script = script
  }

  /// The page as UTF-8. `main` is the markup of its sections.
  public func html(main: String) -> [UInt8] {
    var bytes = [UInt8](beginning(main).utf8)
    bytes += main.utf8
    bytes += "</main>\n".utf8
    if let script {
      // Markup cannot end the element or begin a comment: "<" occurs only inside of JSON strings.
      bytes += "<script type=\"application/json\" id=\"data\">".utf8
      for byte in script.data {
        if byte == UInt8(ascii: "<") { bytes += "\\u003c".utf8 } else { bytes.append(byte) }
      }
      bytes += "</script>\n<script nonce=\"\(nonce(main, script))\">\n".utf8
      bytes += script.code
      bytes += "</script>\n".utf8
    }
    bytes += "</body>\n</html>\n".utf8
    return bytes
  }

  private func beginning(_ main: String) -> String {
    let shared = String(decoding: PackageResources.page_css, as: UTF8.self)
    let scripts = script.map { " script-src 'nonce-\(nonce(main, $0))';" } ?? ""
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';\(scripts) base-uri 'none'; form-action 'none'">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(escapedMarkup(title))</title>
      <style>
      \(shared)\(style)</style>
      </head>
      <body>
      <header>
      <h1>\(escapedMarkup(title))</h1>
      <p class="quiet">\(escapedMarkup(heading))</p>
      </header>
      <main>

      """
  }

  /// The word that allows the script to run.
  ///
  /// It depends on everything in the page that others may have written, so they cannot know it.
  private func nonce(_ main: String, _ script: Script) -> String {
    var hasher = SHA256Hasher()
    hasher.update([UInt8](main.utf8).span)
    hasher.update(script.data.span)
    return hexText(hasher.finish().bytes).string
  }
}

/// The text for the content of an element or the value of an attribute in double quotes.
public func escapedMarkup(_ text: String) -> String {
  var result = ""
  for character in text.unicodeScalars {
    switch character {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    default: result.unicodeScalars.append(character)
    }
  }
  return result
}
