/// A part of an application: a distribution, a library, an interpreter, data files, the bootloader.
///
/// Empty texts stand for facts that are not known.
public struct Component: Equatable, Sendable {
  /// A type of CycloneDX.
  public enum Kind: String, Sendable {
    case application, framework, library, platform, container, firmware, file, data
    case operatingSystem = "operating-system"
    case device
    case deviceDriver = "device-driver"
    case machineLearningModel = "machine-learning-model"
    case cryptographicAsset = "cryptographic-asset"
  }

  /// A link to a page or a place, such as the website of a distribution.
  public struct Link: Equatable, Sendable {
    /// A type of CycloneDX: "website", "vcs", "issue-tracker", "documentation", "distribution" or "other".
    public var type: String
    public var url: String

    public init(type: String, url: String) {
      self.type = type
      self.url = url
    }
  }

  /// A name and a value, for facts that CycloneDX has no member for.
  public struct Property: Equatable, Sendable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The identifier of the component in its document (`bom-ref`), unique there.
  public var reference: String
  public var kind: Kind
  public var name: String
  public var version: String
  public var author: String
  public var licenses: [License]
  /// In hexadecimal.
  public var sha256: String
  /// A package URL (https://github.com/package-url/purl-spec).
  public var packageURL: String
  /// A name of CPE 2.3.
  public var cpe: String
  public var links: [Link]
  /// Paths in the tree, from its root.
  public var locations: [String]
  public var properties: [Property]
  /// The components that this one is made of.
  public var parts: [Component]

  public init(
    _ kind: Kind, reference: String, name: String, version: String = "", author: String = "",
    licenses: [License] = [], sha256: String = "", packageURL: String = "", cpe: String = "",
    links: [Link] = [], locations: [String] = [], properties: [Property] = [],
    parts: [Component] = []
  ) {
    self.kind = kind
    self.reference = reference
    self.name = name
    self.version = version
    self.author = author
    self.licenses = licenses
    self.sha256 = sha256
    self.packageURL = packageURL
    self.cpe = cpe
    self.links = links
    self.locations = locations
    self.properties = properties
    self.parts = parts
  }

  /// The property with the directory of licence files, from the tree's root, if it is not that of the component itself.
  public static let licenseDirectoryProperty = "onefold:licenses"

  /// "numpy 2.4.6", or the name alone without a version.
  public var title: String { version.isEmpty ? name : "\(name) \(version)" }

  /// The value of the first property with this name; nil if there is none.
  public func property(_ name: String) -> String? {
    properties.first { $0.name == name }?.value
  }

  /// The component and all parts below it.
  public var withParts: [Component] { [self] + parts.flatMap(\.withParts) }
}
