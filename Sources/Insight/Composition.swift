public import Inventory
import PayloadFormat
import Posix

/// The parts of a onefile as rows of tables: distributions, the interpreter, other files, and copied libraries.
public struct Composition: Sendable {
  public enum Kind: String, Sendable {
    case distribution, interpreter, files
  }

  /// Bytes of files, unpacked and in the onefile.
  public struct Size: Equatable, Sendable {
    public var unpacked: UInt64 = 0
    public var packed: UInt64 = 0
  }

  /// What leaving out a distribution saves.
  public struct Saving: Equatable, Sendable {
    public var size: Size
    /// The number of other components with files of their own that only it brings.
    public var others: Int
    /// The titles of some of them.
    public var names: [String]
  }

  /// An owner of files.
  public struct Row: Sendable {
    public var kind: Kind
    public var name: String
    public var version: String
    /// Empty if the document states none, or if there is no document.
    public var licenses = ""
    public var size = Size()
    public var files = 0
    /// The titles of the components that require it.
    public var requiredBy: [String] = []
    /// Nil if it cannot be left out, or if requirements are not known.
    public var saving: Saving?

    public var title: String { version.isEmpty ? name : "\(name) \(version)" }
  }

  /// A shared library that was copied from the build machine.
  public struct Library: Sendable {
    public var name: String
    public var version: String
    /// "deb/debian/zlib1g"; empty if it is from no package.
    public var package: String
    public var licenses: String
    public var path: String
    public var size: Size
    public var requiredBy: [String]
  }

  /// One for each of the tree's owners, with the same indices.
  public private(set) var rows: [Row] = []
  /// Sorted by path.
  public private(set) var libraries: [Library] = []
  /// Whether the file holds a software bill of materials.
  public let hasInventory: Bool

  /// - Parameters:
  ///   - inventory: nil if the file holds none.
  ///   - kindOf: the kind of the owner with a name.
  ///   - ownerOf: the name of the owner of a file at a path.
  public init(
    _ tree: MeasuredTree, _ inventory: Inventory?, kindOf: ([UInt8]) -> Kind,
    ownerOf: ([UInt8]) -> [UInt8]
  ) {
    hasInventory = inventory != nil
    rows = tree.owners.map { Composition.row($0, kindOf($0)) }
    for entry in 0..<tree.manifest.entryCount {
      guard let owner = tree.owner(of: entry) else { continue }
      rows[owner].files += 1
      rows[owner].size.add(tree, entry)
    }
    if let inventory { add(inventory, tree, ownerOf) }
  }

  private static func row(_ owner: [UInt8], _ kind: Kind) -> Row {
    let title = visibleText(owner)
    guard kind != .files, let space = title.lastIndex(of: " ") else {
      return Row(kind: kind, name: title, version: "")
    }
    return Row(
      kind: kind, name: String(title[..<space]),
      version: String(title[title.index(after: space)...]))
  }

  // MARK: Inventory

  private mutating func add(
    _ inventory: Inventory, _ tree: MeasuredTree, _ ownerOf: ([UInt8]) -> [UInt8]
  ) {
    let graph = ComponentGraph(inventory)
    let places = Places(inventory, tree, graph, ownerOf)
    let exclusion = Exclusion(needs: graph.needs, root: graph.root)
    let packed = exclusion.sums(places.sizes.map(\.packed))
    let unpacked = exclusion.sums(places.sizes.map(\.unpacked))
    // Parts of a distribution, such as the crates in a library, have no files of their own.
    let hasFiles = places.sizes.map { $0.unpacked > 0 }
    let counts = exclusion.sums(hasFiles.map { $0 ? 1 : 0 })
    for (owner, number) in places.numberOfOwner {
      let component = graph.components[number]
      rows[owner].name = visibleText(component.name)
      if !component.version.isEmpty { rows[owner].version = visibleText(component.version) }
      rows[owner].licenses = Composition.licenses(component)
      rows[owner].requiredBy = graph.users(of: number)
      guard rows[owner].kind == .distribution else { continue }
      let names = exclusion.brought(by: number, most: Composition.mostNames) { hasFiles[$0] }
        .map { visibleText(graph.components[$0].title) }
      rows[owner].saving = Saving(
        size: Size(unpacked: unpacked[number], packed: packed[number]),
        others: Int(counts[number]) - (hasFiles[number] ? 1 : 0), names: names.sorted())
    }
    for (number, path) in places.libraries {
      let component = graph.components[number]
      libraries.append(
        Library(
          name: visibleText(component.name), version: visibleText(component.version),
          package: Composition.package(component.packageURL),
          licenses: Composition.licenses(component), path: visibleText(path),
          size: places.sizes[number], requiredBy: graph.users(of: number)))
    }
    libraries.sort { $0.path < $1.path }
  }

  /// At most so many names of components that an exclusion saves are kept.
  private static let mostNames = 8
  /// Licence texts in the place of a name are cut to so many characters.
  private static let longestLicense = 200

  private static func licenses(_ component: Component) -> String {
    let all = component.licenses.map(\.value).joined(separator: ", ")
    return visibleText(
      all.count <= longestLicense ? all : String(all.prefix(longestLicense)) + "…")
  }

  /// "deb/debian/zlib1g" for "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64".
  private static func package(_ url: String) -> String {
    guard url.hasPrefix("pkg:") else { return "" }
    return visibleText(PackageURL.decoded(url.dropFirst(4).prefix { $0 != "@" && $0 != "?" }))
  }
}

extension Composition.Size {
  fileprivate mutating func add(_ tree: MeasuredTree, _ entry: Int) {
    unpacked += tree.manifest.entry(entry).size
    packed += tree.packed(entry)
  }
}

/// The components of a document by number.
private struct ComponentGraph {
  /// The application, then all others. Parts come after the component that they belong to.
  let components: [Component]
  let root = 0
  private(set) var needs: [[Int]]
  private var usersOf: [[Int]]

  init(_ inventory: Inventory) {
    components = inventory.application.withParts + inventory.allComponents
    var numbers: [String: Int] = [:]
    for (number, component) in components.enumerated() { numbers[component.reference] = number }
    needs = Array(repeating: [], count: components.count)
    usersOf = needs
    for (reference, needed) in inventory.dependencies {
      guard let user = numbers[reference] else { continue }
      for one in needed.compactMap({ numbers[$0] }) where one != user {
        needs[user].append(one)
        usersOf[one].append(user)
      }
    }
    for (number, component) in components.enumerated() {
      needs[number] += component.parts.compactMap { numbers[$0.reference] }
    }
  }

  /// The titles of the components that require one.
  func users(of number: Int) -> [String] {
    usersOf[number].map { visibleText(components[$0].title) }.sorted()
  }
}

/// The components that files belong to.
private struct Places {
  /// By component.
  var sizes: [Composition.Size]
  /// The component of each owner that has one.
  var numberOfOwner: [Int: Int] = [:]
  /// Components that are a file of their own, and its path.
  var libraries: [(number: Int, path: [UInt8])] = []

  init(
    _ inventory: Inventory, _ tree: MeasuredTree, _ graph: ComponentGraph,
    _ ownerOf: ([UInt8]) -> [UInt8]
  ) {
    sizes = Array(repeating: Composition.Size(), count: graph.components.count)
    let owners = Dictionary(
      tree.owners.enumerated().map { ($0.element, $0.offset) }, uniquingKeysWith: { a, _ in a })
    let isTop = Set(inventory.components.map(\.reference))
    var files: [[UInt8]: Int] = [:]
    for (number, component) in graph.components.enumerated()
    where isTop.contains(component.reference) {
      guard component.kind == .library || component.kind == .platform,
        let location = component.locations.first
      else { continue }
      // A directory such as `numpy-2.4.6.dist-info` or `lib/python3.11`: its files have the owner.
      let path = [UInt8](location.utf8)
      if let owner = owners[ownerOf(path + "/METADATA".utf8)],
        component.kind == .platform
          || location.hasSuffix(".dist-info")
      {
        if numberOfOwner[owner] == nil { numberOfOwner[owner] = number }
      } else {
        files[path] = number
      }
    }
    for entry in 0..<tree.manifest.entryCount {
      guard let owner = tree.owner(of: entry) else { continue }
      let path = files.isEmpty ? [] : tree.manifest.path(of: entry)
      if let number = files[path] {
        libraries.append((number, path))
        sizes[number].add(tree, entry)
      } else if let number = numberOfOwner[owner] {
        sizes[number].add(tree, entry)
      }
    }
  }
}
