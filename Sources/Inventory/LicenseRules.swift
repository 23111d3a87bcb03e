public import AppSpec
public import Licenses

/// A component with a licence that a rule denies.
public struct DeniedLicense: Equatable, Sendable {
  public var component: Component
  /// The component at the top that it is a part of, or itself.
  public var owner: Component
  /// The index of the first item of `policy.deny-licenses` that denies it.
  public var item: Int
  /// The denied terms, without repetitions; empty if the licence is not known.
  public var terms: [LicenseTerm]
  /// The licences that the component states, such as "MIT OR GPL-3.0-only"; empty for none.
  public var stated: String
  /// Whether a name was read that does not say exactly which licence it means.
  public var isGuess: Bool
}

extension Inventory {
  /// The components with a denied licence, in the order of the document.
  ///
  /// - The application, its data files and the packer's own projects have no licence that a rule could miss: the item
  ///   "unknown" leaves them out.
  /// - A part of a component without a licence of its own has that of the component.
  /// - Parameter exceptions: normalized names of components that are not checked, with their parts. `*` stands for any
  ///   characters.
  public func deniedLicenses(_ items: [LicensePattern], exceptions: [String] = [])
    -> [DeniedLicense]
  {
    guard !items.isEmpty else { return [] }
    let patterns = exceptions.map { [UInt8]($0.utf8) }
    func check(_ component: Component, partOf owner: Component?) -> [DeniedLicense] {
      let name = [UInt8](normalizedName(component.name).utf8)
      guard !patterns.contains(where: { matchesGlob($0[...], name[...]) }) else { return [] }
      let mayLack =
        owner != nil || component.kind == .data || component.kind == .file || component.isLocal
      let own = component.deniedLicense(items, owner: owner, knownElsewhere: mayLack)
      let top = owner ?? component
      return [own].compactMap(\.self) + component.parts.flatMap { check($0, partOf: top) }
    }
    return application.parts.flatMap { check($0, partOf: application) }
      + components.flatMap { check($0, partOf: nil) }
  }
}

extension Component {
  /// Whether it is a project or archive of the build machine, which no package index knows.
  public var isLocal: Bool { property(Self.localProperty) == "true" }

  /// The name of the property of a distribution from the build machine.
  public static let localProperty = "onefold:local"

  fileprivate func deniedLicense(
    _ items: [LicensePattern], owner: Component?, knownElsewhere: Bool
  ) -> DeniedLicense? {
    let read = licenses.map { ($0, LicenseExpression(named: $0.value)) }
    var first: Int?
    var terms: [LicenseTerm] = []
    var isGuess = false
    for (license, expression) in read {
      guard let expression else { continue }
      let denied = expression.unavoidable { term in items.contains { $0.matches(term) } }
      guard !denied.isEmpty else { continue }
      for term in denied where !terms.contains(term) { terms.append(term) }
      isGuess = isGuess || license.kind == .name
      let item = denied.compactMap { term in items.firstIndex { $0.matches(term) } }.min()
      first = [first, item].compactMap(\.self).min()
    }
    let stated = licenses.map(\.value).joined(separator: ", ")
    if let first {
      return DeniedLicense(
        component: self, owner: owner ?? self, item: first, terms: terms, stated: stated,
        isGuess: isGuess)
    }
    let isKnown = !read.isEmpty && read.allSatisfy { $0.1 != nil }
    guard !isKnown, !(licenses.isEmpty && knownElsewhere),
      let item = items.firstIndex(where: \.isUnknown)
    else { return nil }
    return DeniedLicense(
      component: self, owner: owner ?? self, item: item, terms: [], stated: stated, isGuess: false)
  }
}
