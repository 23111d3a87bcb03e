import Testing

@testable import WebPage

@Suite struct WebPageTests {
  private func page(_ data: String, main: String = "<p>x</p>\n") -> String {
    let script = WebPage.Script(code: [UInt8]("\"use strict\";\n".utf8), data: [UInt8](data.utf8))
    let page = WebPage(title: "a <b> & \"c\"", heading: "h", script: script)
    return String(decoding: page.html(main: main), as: UTF8.self)
  }

  private func policy(_ page: String) throws -> String {
    let match = try #require(page.firstMatch(of: #/Content-Security-Policy" content="([^"]*)"/#))
    return String(match.output.1)
  }

  @Test func dataCannotEndItsElement() throws {
    let text = page(#"["</script><script>alert(1)</script>","<!--<script>"]"#)
    #expect(
      text.contains(
        #"["\u003c/script>\u003cscript>alert(1)\u003c/script>","\u003c!--\u003cscript>"]"#))
    #expect(text.matches(of: #/<script/#).count == 2)
    #expect(text.matches(of: #/<\/script>/#).count == 2)
  }

  @Test func titlesAreEscaped() {
    #expect(page("[]").contains("<title>a &lt;b&gt; &amp; &quot;c&quot;</title>"))
  }

  @Test func thePolicyAllowsTheScriptAndNothingElse() throws {
    let text = page("[]")
    let found = try policy(text)
    let nonce = try #require(text.firstMatch(of: #/<script nonce="([0-9a-f]{64})">/#)).output.1
    #expect(
      found
        == "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-\(nonce)'; base-uri 'none'; form-action 'none'"
    )
  }

  /// Who makes the data cannot know the word that allows a script.
  @Test func theNonceDependsOnEverythingOfOthers() throws {
    let pages = [page("[]"), page("[1]"), page("[]", main: "<p>y</p>\n")]
    #expect(Set(try pages.map(policy)).count == 3)
    #expect(page("[]") == page("[]"))
  }

  @Test func withoutAScriptNoneIsAllowed() throws {
    let text = String(decoding: WebPage(title: "t", heading: "h").html(main: ""), as: UTF8.self)
    #expect(!text.contains("<script"))
    #expect(
      try policy(text)
        == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
  }
}
