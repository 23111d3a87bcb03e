import AppSpec
import Licenses
import Testing

@testable import Inventory

/// Which components `policy.deny-licenses` denies.
@Suite struct LicenseRuleTests {
  private func component(
    _ name: String, _ licenses: [License] = [], kind: Component.Kind = .library,
    isLocal: Bool = false, parts: [Component] = []
  ) -> Component {
    Component(
      kind, reference: name, name: name, licenses: licenses,
      properties: isLocal ? [Component.Property(Component.localProperty, "true")] : [],
      parts: parts)
  }

  /// "NAME: ITEM: TERMS" of each denied component.
  private func denied(
    _ components: [Component], _ items: [String], exceptions: [String] = []
  ) throws -> [String] {
    let inventory = Inventory(
      application: Component(.application, reference: "application", name: "app"),
      components: components)
    let patterns = try items.map { try LicensePattern($0) }
    return inventory.deniedLicenses(patterns, exceptions: exceptions).map { one in
      let terms = one.terms.map(\.description).joined(separator: " ")
      return "\(one.component.name): \(items[one.item]): \(one.isGuess ? "may be " : "")\(terms)"
    }
  }

  @Test func severalLicencesApplyAtOnce() throws {
    let both = component("both", [License(.name, "BSD License"), License(.identifier, "MPL-2.0")])
    #expect(try denied([both], ["GPL-*", "MPL-*"]) == ["both: MPL-*: MPL-2.0"])
    #expect(try denied([both], ["BSD-3-Clause"]) == ["both: BSD-3-Clause: may be BSD-3-Clause"])
    #expect(try denied([both], ["BSD-4-Clause"]) == [])
  }

  @Test func theFirstItemCounts() throws {
    let one = component("one", [License(.expression, "GPL-2.0-only OR AGPL-3.0-only")])
    #expect(
      try denied([one], ["AGPL-*", "GPL-*", "*"]) == ["one: AGPL-*: GPL-2.0-only AGPL-3.0-only"])
    #expect(try denied([one], ["AGPL-*"]) == [])
  }

  @Test func unknown() throws {
    let odd = License(.name, "Do what you like")
    let components = [
      component("none"), component("odd", [odd]),
      component("half", [License(.identifier, "MIT"), odd]),
      component("known", [License(.identifier, "MIT")]), component("own", isLocal: true),
      component("own odd", [odd], isLocal: true), component("data", kind: .data),
      component("program", kind: .file),
      component("wheel", [License(.identifier, "MIT")], parts: [component("inside")]),
    ]
    #expect(
      try denied(components, ["MIT-0", "unknown"])
        == ["none", "odd", "half", "own odd"].map { "\($0): unknown: " })
    #expect(try denied(components, ["MIT-0"]) == [])
    #expect(
      try denied(components, ["unknown"], exceptions: ["o?d", "own*"])
        == ["none: unknown: ", "half: unknown: "])
  }

  @Test func partsCount() throws {
    let part = component("part", [License(.identifier, "GPL-3.0")])
    let whole = component("Whole.One", [License(.identifier, "MIT")], parts: [part])
    #expect(try denied([whole], ["GPL-3.0-only"]) == ["part: GPL-3.0-only: GPL-3.0-only"])
    #expect(try denied([whole], ["GPL-3.0-only"], exceptions: ["whole-one"]) == [])
    #expect(try denied([whole], ["GPL-3.0-only"], exceptions: ["part"]) == [])
    #expect(try denied([whole], [], exceptions: []) == [])
  }
}
