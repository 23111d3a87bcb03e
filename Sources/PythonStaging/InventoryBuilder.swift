import AppSpec
import BuildTools
public import Inventory
import Licenses
import Posix

/// Makes the inventory of a tree from its parts.
public struct InventoryBuilder: Sendable {
  public private(set) var inventory: Inventory
  /// One line for each finding that may need a maintainer's attention: metadata and documents that are wrong.
  public private(set) var warnings: [String]
  private let parts: TreeParts
  /// References of distributions, in the order of `parts`.
  private var references: [String] = []
  private var used: Set<String> = []

  /// Facts about a distribution that its files no longer have.
  struct Origin {
    /// Of the wheel, in hexadecimal; empty if unknown.
    var sha256 = ""
    var commit = ""
    /// Whether it was built from a directory or installed from a local file.
    var isLocal = false
  }

  public init(name: String, version: String, parts: TreeParts) {
    self.parts = parts
    warnings = parts.warnings
    let application = Component(
      .application, reference: "application", name: name, version: version)
    inventory = Inventory(application: application)
    used = [application.reference]
  }

  private mutating func unique(_ reference: String) -> String {
    var result = reference
    var number = 2
    while !used.insert(result).inserted {
      result = "\(reference)#\(number)"
      number += 1
    }
    return result
  }

  private mutating func add(_ component: Component, neededBy users: [String] = ["application"]) {
    inventory.components.append(component)
    for user in users { inventory.dependencies[user, default: []].append(component.reference) }
  }

  // MARK: Distributions

  /// Adds the distributions of the tree and their dependencies.
  ///
  /// - Parameters:
  ///   - asked: normalized names of those that the application asks for; empty if unknown.
  ///   - python: the version of the interpreter, at least "3.11".
  ///   - origins: by the name of the `.dist-info` directory.
  mutating func addDistributions(
    asked: Set<String>, python: String, processor: String, origins: [String: Origin]
  ) {
    for installed in parts.distributions {
      let directory = String(decoding: Path(installed.location).lastComponent, as: UTF8.self)
      let component = component(installed, origins[directory] ?? Origin())
      references.append(component.reference)
      inventory.components.append(component)
    }
    let graph = DistributionGraph(
      parts.distributions.map(\.metadata), asked: asked,
      variables: markerVariables(python: python, processor: processor))
    for (index, needs) in graph.needs.enumerated() where !needs.isEmpty {
      inventory.dependencies[references[index], default: []] += needs.map { references[$0] }
    }
    for root in graph.roots {
      inventory.dependencies["application", default: []].append(references[root])
    }
  }

  /// The distributions of a tree that nothing else is known about.
  public mutating func addDistributions(processor: String) {
    addDistributions(
      asked: [], python: parts.interpreters.first?.version ?? "3", processor: processor,
      origins: [:])
  }

  private mutating func component(_ installed: TreeParts.Installed, _ origin: Origin) -> Component {
    let metadata = installed.metadata
    let name = normalizedName(metadata.name)
    // A package index does not know those of this machine.
    let url =
      origin.isLocal
      ? "" : PackageURL.make("pypi", name: name, version: metadata.version)
    let reference = unique(url.isEmpty ? "\(name)@\(metadata.version)" : url)
    var component = Component(
      .library, reference: reference, name: metadata.name, version: metadata.version,
      author: metadata.author, licenses: metadata.licenses, sha256: origin.sha256,
      packageURL: url, links: metadata.links, locations: [installed.location])
    if !origin.commit.isEmpty {
      component.properties.append(Component.Property("onefold:commit", origin.commit))
    }
    if origin.isLocal {
      component.properties.append(Component.Property(Component.localProperty, "true"))
    }
    addParts(of: installed, to: &component)
    return component
  }

  /// The libraries inside a wheel: those that its documents name, or else those that a tool like auditwheel added.
  private mutating func addParts(of installed: TreeParts.Installed, to component: inout Component) {
    for document in installed.documents {
      do throws(DocumentProblem) {
        let other = try Inventory(parsing: document.bytes)
        component.parts += merged(other, below: component.reference)
      } catch {
        warnings.append("\(printable(document.name)) \(error.text)")
      }
    }
    guard component.parts.isEmpty else { return }
    component.parts = installed.addedLibraries.map { path in
      let file = String(decoding: Path(path).lastComponent, as: UTF8.self)
      return Component(
        .library, reference: unique(path), name: libraryName(file), locations: [path])
    }
  }

  /// The components of another document, with references of their own here. `user` needs those that no other one needs.
  private mutating func merged(_ other: Inventory, below user: String) -> [Component] {
    var names: [String: String] = [:]
    func renamed(_ component: Component) -> Component {
      var copy = component
      copy.reference = unique("\(user)/\(names.count + 1)")
      names[component.reference] = copy.reference
      // Places are those of another tree.
      copy.locations = []
      copy.parts = component.parts.map(renamed)
      return copy
    }
    let components = (other.application.parts + other.components).map(renamed)
    var needed: Set<String> = []
    for (other, needs) in other.dependencies {
      guard let other = names[other] else { continue }
      inventory.dependencies[other] = needs.compactMap { names[$0] }.sorted()
      needed.formUnion(inventory.dependencies[other] ?? [])
    }
    let tops = components.map(\.reference).filter { !needed.contains($0) }
    if !tops.isEmpty { inventory.dependencies[user, default: []] += tops }
    return components
  }

  // MARK: Others

  /// Adds the interpreters of a tree that nothing else is known about.
  public mutating func addInterpreters() {
    for interpreter in parts.interpreters {
      addInterpreter(version: interpreter.version, location: interpreter.location, package: nil)
    }
  }

  /// - Parameters:
  ///   - package: the package of the build machine's system; nil if it is from none.
  ///   - sha256: of the archive that it was unpacked from; empty for none.
  mutating func addInterpreter(
    version: String, location: String, package: SystemPackage?, sha256: String = ""
  ) {
    let url = PackageURL.make("generic", name: "cpython", version: version)
    var python = Component(
      .platform, reference: unique(url), name: "CPython", version: version,
      licenses: [License(.identifier, "PSF-2.0")], sha256: sha256, packageURL: url,
      cpe: Component.cpe("python", "python", version),
      links: [Component.Link(type: "website", url: "https://www.python.org")],
      locations: [location])
    if let package {
      python.properties.append(Component.Property("onefold:package", package.packageURL))
    }
    add(python)
  }

  mutating func addCopied(_ libraries: [CopiedLibrary]) {
    var owners: [String: String] = [:]
    for (index, installed) in parts.distributions.enumerated() {
      for file in installed.files { owners[file] = references[index] }
    }
    let names = Set(libraries.map(\.path))
    let python = inventory.components.first { $0.name == "CPython" }?.reference ?? "application"
    for library in libraries {
      var component = Component(
        .library, reference: unique(library.path), name: library.name, locations: [library.path])
      if let package = library.package {
        component.version = package.version
        component.packageURL = package.packageURL
        component.properties = [
          Component.Property(
            Component.licenseDirectoryProperty, CopiedLibrary.licenseDirectory(of: package))
        ]
        if !package.license.isEmpty {
          component.licenses = [
            SPDXLicenses.expression(package.license).map { License(.expression, $0) }
              ?? License(.name, package.license)
          ]
        }
      }
      // Without a known user, code opens it by name.
      let users = library.neededBy.map { names.contains($0) ? $0 : owners[$0] ?? python }
      add(component, neededBy: users.isEmpty ? ["application"] : Set(users).sorted())
    }
  }

  /// Adds other programs and libraries of the tree, and its data files as one component.
  public mutating func addFiles() {
    for binary in parts.binaries {
      let path = escapedText(binary.path.bytes).string
      add(
        Component(
          .file, reference: unique(path), name: path, sha256: binary.sha256, locations: [path]))
    }
    guard parts.data.files > 0 else { return }
    add(
      Component(
        .data, reference: unique("data"), name: "data files",
        properties: [
          Component.Property("onefold:files", String(parts.data.files)),
          Component.Property("onefold:bytes", String(parts.data.bytes)),
        ]))
  }

  /// Adds a component that the application needs.
  public mutating func add(_ component: Component) {
    for part in component.withParts { used.insert(part.reference) }
    add(component, neededBy: ["application"])
  }

  /// Adds the components of a document that another tool made. Those that are already there, by package URL or by name
  /// and version, are not added again.
  public mutating func add(_ other: Inventory) {
    var known = Set(inventory.allComponents.map(identity))
    known.formUnion(inventory.allComponents.map(\.title))
    var other = other
    other.components.removeAll { known.contains(identity($0)) || known.contains($0.title) }
    inventory.components += merged(other, below: inventory.application.reference)
  }

  private func identity(_ component: Component) -> String {
    component.packageURL.isEmpty ? component.title : component.packageURL
  }

  /// The inventory with its time and the inputs that it was made from.
  public func finished(packer: String, time: Int64?, _ properties: [Component.Property])
    -> Inventory
  {
    var result = inventory
    result.packer = ("onefold", packer)
    result.time = time
    result.properties = properties
    return result
  }
}

extension SystemPackage {
  /// "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12". The epoch of an RPM is a qualifier.
  var packageURL: String {
    let distro = system.isEmpty || release.isEmpty ? "" : "\(system)-\(release)"
    let parts = version.split(separator: ":", maxSplits: 1).map(String.init)
    let hasEpoch = format == .rpm && parts.count == 2
    return PackageURL.make(
      format.rawValue, namespace: system, name: name, version: hasEpoch ? parts[1] : version,
      qualifiers: [
        ("arch", architecture), ("distro", distro), ("epoch", hasEpoch ? parts[0] : ""),
      ])
  }
}
