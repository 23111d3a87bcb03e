import Testing

@testable import Updates

@Suite struct VersionOrderTests {
  private func order(_ text: String) -> VersionOrder? { VersionOrder([UInt8](text.utf8)) }

  @Test(
    arguments: [
      [
        "0", "0.9", "1.0.dev1", "1.0a1.dev3", "1.0a1", "1.0-alpha.2", "1.0b1", "1.0_rc.1", "1.0rc2",
        "1.0",
        "1.0.post1.dev1", "1.0.post1", "1.0.1", "1.0.10", "1.2", "1.10", "2024.1.5", "1!0.1", "2!0",
      ],
      ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"],
      ["18446744073709551614", "18446744073709551615"],
    ])
  func eachComesBeforeTheNext(_ versions: [String]) throws {
    for (index, version) in versions.enumerated() {
      let own = try #require(order(version), "\(version)")
      for (otherIndex, other) in versions.enumerated() {
        let isBefore = own.isBefore(try #require(order(other), "\(other)"))
        #expect(isBefore == (index < otherIndex), "\(version), \(other)")
      }
    }
  }

  @Test(
    arguments: [
      ["1", "1.0", "1.0.0", "v1.0", "V1", "0!1", "1+local.3", "1.0+20240105", "01.0"],
      ["1.0c1", "1.0rc1", "1.0-pre1", "1.0.preview_1", "1.0RC1"],
      ["1.0.post2", "1.0-r2", "1.0rev2"], ["1.0a", "1.0a0", "1.0-alpha"],
    ])
  func equalVersions(_ versions: [String]) throws {
    for version in versions {
      #expect(order(version) != nil && order(version) == order(versions[0]), "\(version)")
    }
  }

  @Test(
    arguments: [
      "", "v", "+1", "blue", "1.x", "1..2", ".1", "1.0-1", "1.0 ", "1.0-snapshot", "1.0-gabc123",
      "-1", "1.0a1x",
      "18446744073709551616", "1!", "!1", "1!2!3", "١.٢", "1.0.dev1.", "1.0--rc1",
    ])
  func otherTextsHaveNoOrder(_ version: String) {
    #expect(order(version) == nil)
  }

  @Test func bytesThatAreNoTextHaveNoOrder() {
    #expect(VersionOrder([0x31, 0xFF]) == nil)
  }
}

@Suite struct SignatureURLTests {
  @Test(
    arguments: [
      ("https://a.example/b", "https://a.example/b.minisig"),
      ("https://a.example/b?c=d/e?f#g", "https://a.example/b.minisig?c=d/e?f#g"),
      ("https://a.example/b#g?c", "https://a.example/b.minisig#g?c"),
    ])
  func theNameEndsBeforeTheQuery(_ url: String, _ expected: String) {
    #expect(signatureURL(url) == expected)
  }
}
